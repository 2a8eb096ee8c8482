"""Journeys within the limits of their clients: refused beyond them, and counted until no worker is at them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses
from tracd_cluster.errors import NobodyServing, WorkerLost
from tracd_cluster.front.door import Door
from tracd_cluster.front.listener import Front
from tracd_cluster.front.rendering import Strangers
from tracd_cluster.settings.cache import CacheSettings
from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.tracd.naming import line_of

GET = b"GET /a HTTP/1.1\r\nHost: x\r\nCookie: trac_session=1\r\n\r\n"
STRANGE = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LOST = WorkerLost("it closed its lane")


def make(most: int = 1, **settings: Any) -> tuple[Front, Clock, FakeLane]:
    """Make a front with one lane, and so many requests at once for each client."""
    front, clock = make_front(**settings)
    front.door = Door(ClientSettings(client_requests=most, client_rate=0.0), front.trusts)
    lane = FakeLane(front)
    front.balancer.add(lane)
    return front, clock, lane


def inside(front: Front) -> int:
    """Count the requests that hold a slot."""
    assert front.door is not None
    for buckets in (front.door.strangers, front.door.claimants):
        buckets.check_invariants()
    return front.door.strangers.inside + front.door.claimants.inside


def test_beyond_the_limit_is_429_and_the_connection_stays() -> None:
    """It is told when to come again, it reaches no worker, and it is counted."""
    front, _, lane = make()
    first, second = Wire(front).feed(GET), Wire(front).feed(GET)
    answer = second.take()
    assert [429] == statuses(answer)
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert len(answer) < 1500
    assert not second.over
    assert {"at_once": 1} == dict(front.refused)
    lane.say(OK)
    assert [200] == statuses(first.take())
    second.feed(GET)
    lane.say(OK)
    assert [200] == statuses(second.take())
    assert 0 == inside(front)


def test_who_waits_in_line_is_inside() -> None:
    """Else one client could fill the line."""
    front, _, lane = make(2)
    wires = [Wire(front).feed(GET) for _ in range(3)]
    assert [[], [], [429]] == [statuses(wire.take()) for wire in wires]
    wires[1].leave()
    assert 1 == inside(front)
    lane.say(OK)
    assert 0 == inside(front)


def test_a_worker_that_is_left_alone_is_still_at_it() -> None:
    """To ask and go is no way to have more workers than one may."""
    front, clock, lane = make()
    Wire(front).feed(GET).leave()
    assert [429] == statuses(Wire(front).feed(GET).take())
    lane.say(OK)
    assert 0 == inside(front)
    Wire(front).feed(GET).leave()
    clock.advance(front.settings.request_timeout + 1)
    front.sweep()
    assert 0 == inside(front)


def test_a_lost_worker_s_request_is_counted_once() -> None:
    """It goes to another worker on the same slot, and gives it back with the second one's loss."""
    front, _, lane = make(2)
    other = FakeLane(front, "worker 2")
    front.balancer.add(other)
    wire = Wire(front).feed(GET)
    other.lose(LOST)
    assert 1 == inside(front)
    lane.lose(LOST)
    assert [502] == statuses(wire.take())
    assert 0 == inside(front)


def name_file(path: Path) -> bytes:
    """Give the answer of a worker that names a file."""
    with path.open("rb") as file:
        return b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % line_of(file, path.stat().st_size)


def test_a_file_s_slot_is_free_before_its_client_has_read_it(tmp_path: Path) -> None:
    """What the front sends takes no worker; what it cannot send takes one again, on the same slot."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    named = name_file(path)
    front, _, lane = make()
    wire = Wire(front).feed(GET)
    lane.say(named)
    assert len(wire.sent) < 1_000_000
    assert 0 == inside(front)
    wire.leave()
    path.unlink()
    wire = Wire(front).feed(GET)
    lane.say(named)
    assert 1 == inside(front)
    lane.say(OK)
    assert [200] == statuses(wire.take())
    assert 0 == inside(front)


def test_the_line_s_own_refusals_take_no_slot() -> None:
    """A full line, a long wait, and nobody to wait for."""
    front, clock, lane = make(3, queue=1)
    wires = [Wire(front).feed(GET) for _ in range(3)]
    assert [503] == statuses(wires[2].take())
    assert 2 == inside(front)
    clock.advance(6)
    front.sweep()
    assert [503] == statuses(wires[1].take())
    assert 1 == inside(front)
    lane.lose(LOST, answered=True)
    front.balancer.refuse_all(NobodyServing("none"))
    Wire(front).feed(GET)
    assert 0 == inside(front)


def test_strangers_who_share_a_page_share_a_slot() -> None:
    """Only who claims a worker is counted; if the page is not for all, the others are counted as they claim."""
    front, clock, lane = make(2)
    front.strangers = Strangers(CacheSettings(), front.balancer, clock.seconds)
    wires = [Wire(front).feed(STRANGE) for _ in range(5)]
    assert 1 == inside(front)
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: private\r\n\r\nok")
    assert [[200], [], [], [429], [429]] == [statuses(wire.take()) for wire in wires]
    assert 2 == inside(front)
    lane.say(OK)
    lane.say(OK)
    assert 0 == inside(front)


@pytest.mark.parametrize("seed", range(30))
def test_every_slot_is_given_back_whatever_happens(seed: int, tmp_path: Path) -> None:
    """Clients come, leave and stop reading, workers answer, are slow and get lost: at the end nobody is inside."""
    chance = random.Random(seed)
    front, clock, _ = make(6, queue=4)
    front.strangers = Strangers(CacheSettings(), front.balancer, clock.seconds)
    lanes = [lane for lane in front.balancer._lanes if isinstance(lane, FakeLane)]
    wires: list[Wire] = []
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    named = name_file(path)
    if seed % 2:
        path.unlink()

    def come() -> None:
        wires.append(Wire(front).feed(chance.choice((GET, STRANGE, STRANGE.replace(b"/a", b"/b")))))

    def again() -> None:
        chance.choice(wires).feed(chance.choice((GET, STRANGE)))

    def leave() -> None:
        wires.pop(chance.randrange(len(wires))).leave()

    def stall() -> None:
        wire = chance.choice(wires)
        wire.producer.pauseProducing() if not wire.connection.paused else wire.producer.resumeProducing()

    def say() -> None:
        answers = (
            OK,
            OK.replace(b"200 OK", b"200 OK\r\nCache-Control: private"),
            b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            named,
        )
        busy = [lane for lane in lanes if lane.exchange is not None]
        if busy:
            chance.choice(busy).say(chance.choice(answers))

    def lose() -> None:
        busy = [lane for lane in lanes if lane.exchange is not None]
        if busy:
            lane = chance.choice(busy)
            lanes.remove(lane)
            lane.lose(LOST, written=chance.randrange(2))

    def add() -> None:
        if len(lanes) < 3:
            lanes.append(FakeLane(front, f"worker {clock.seconds()}"))
            front.balancer.add(lanes[-1])

    def wait() -> None:
        clock.advance(chance.choice((1, 6, 40, 700)))
        front.sweep()

    for _ in range(120):
        live = [wire for wire in wires if not wire.over and wire.producer is not None]
        wires[:] = live
        chance.choice((come, add) if not wires else (come, again, leave, stall, say, say, lose, add, wait))()
        assert inside(front) <= 6
    for wire in [wire for wire in wires if not wire.over]:
        wire.leave()
    clock.advance(1000)
    front.sweep()
    assert 0 == inside(front)


def test_whom_a_worker_knows_is_not_limited() -> None:
    """Who has signed in with Trac is not counted, once a worker has said so; a cookie that looks like it is."""
    front, _, lane = make()
    request = GET.replace(b"trac_session=1", b"trac_auth=5ec7e7")
    wire = Wire(front).feed(request)
    assert 1 == inside(front)
    lane.say(b"HTTP/1.1 200 OK\r\nTracd-Cluster-User: ines\r\nContent-Length: 0\r\n\r\n")
    wires = [Wire(front).feed(request) for _ in range(3)]
    assert 0 == inside(front)
    for _ in range(3):
        lane.say(OK)
    assert [[200]] * 4 == [statuses(each.take()) for each in (wire, *wires)]
