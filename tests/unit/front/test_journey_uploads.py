"""Uploads: where there is room for them, and that none keeps its room longer than it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses
from tracd_cluster.errors import WorkerLost
from tracd_cluster.front.listener import Front

LOST = WorkerLost("it closed its lane")
SETTINGS = {"body_memory": 10, "spool_limit": 100, "max_body": 1000, "body_timeout": 30.0}


def post(size: int, *lines: str, method: str = "POST") -> bytes:
    """Write the head of an upload."""
    fields = "".join(f"{line}\r\n" for line in ("Host: x", f"Content-Length: {size}", *lines))
    return f"{method} /attachment HTTP/1.1\r\n{fields}\r\n".encode()


def spooling(workers: int = 1, **settings: object) -> tuple[Front, Clock, list[FakeLane]]:
    """Make a front that has little room."""
    front, clock = make_front(**{**SETTINGS, **settings})
    lanes = [FakeLane(front, f"worker {n}") for n in range(workers)]
    for lane in lanes:
        front.balancer.add(lane)
    return front, clock, lanes


@pytest.mark.parametrize("expects", [(), ("Expect: 100-continue",)])
@pytest.mark.parametrize(("size", "status"), [(100, 503), (101, 507)])
def test_what_does_not_fit_is_refused_before_it_is_sent(expects: tuple[str, ...], size: int, status: int) -> None:
    """The client is told at once, and not to continue; it is counted, and may come again later if that helps."""
    front, _, _ = spooling()
    first = Wire(front).feed(post(60) + b"x" * 20)
    assert 20 == front.spool.used
    wire = Wire(front).feed(post(size, *expects))
    sent = wire.take()
    assert [status] == statuses(sent)
    assert (status == 503) == (b"\r\nRetry-After: 5\r\n" in sent)
    assert wire.half_closed
    assert {"no_room": 1} == front.refused
    assert 20 == front.spool.used
    assert not first.over


def test_who_waits_for_leave_gets_it_where_there_is_room() -> None:
    """And what has been announced takes no room before it comes."""
    front, _, lanes = spooling()
    wires = [Wire(front).feed(post(80, "Expect: 100-continue")) for _ in range(2)]
    assert [[100], [100]] == [statuses(wire.take()) for wire in wires]
    assert 0 == front.spool.used
    wires[0].feed(b"x" * 80)
    assert 80 == front.spool.used
    wires[1].feed(b"x" * 30)
    assert [503] == statuses(wires[1].take())
    lanes[0].say(OK)
    assert [200] == statuses(wires[0].take())
    assert 0 == front.spool.used


def test_a_body_of_unknown_length_is_refused_when_it_does_not_fit() -> None:
    """Each chunk is looked at."""
    front, _, _ = spooling()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = Wire(front).feed(head + b"40\r\n" + b"x" * 64 + b"\r\n")
    assert 64 == front.spool.used
    wire.feed(b"40\r\n" + b"x" * 64 + b"\r\n")
    assert [507] == statuses(wire.take())
    assert 0 == front.spool.used


def test_small_bodies_need_no_room() -> None:
    """A ticket can be made while uploads have filled the disk."""
    front, _, lanes = spooling(workers=2, spool_limit=20)
    Wire(front).feed(post(20) + b"x" * 20)
    wire = Wire(front).feed(post(10) + b"x" * 10)
    lanes[0].say(OK)
    assert [200] == statuses(wire.take())


def test_what_will_not_stay_in_memory_does_not_begin_there() -> None:
    """A thousand slow uploads are on disk from their first bytes on."""
    front, _, lanes = spooling()
    wire = Wire(front).feed(post(50) + b"x")
    assert 1 == front.spool.used
    wire.feed(b"x" * 49)
    assert [b"x" * 50] == lanes[0].bodies


def test_what_the_front_refuses_anyway_takes_no_room() -> None:
    """Who is sent elsewhere may send what he likes: it is thrown away."""
    front, _, _ = spooling(hosts=("other",))
    wire = Wire(front).feed(post(500) + b"x" * 500)
    assert [421] == statuses(wire.take())
    assert 0 == front.spool.used


# -- the ends of an upload


Ending = Callable[[Front, Clock, Wire, list[FakeLane]], None]


def leaves(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """The client closes."""
    wire.leave()


def is_slow(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """It pauses for too long."""
    clock.advance(31)
    front.sweep()
    assert [408] == statuses(wire.take())


def sends_nonsense(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """What follows is no chunk."""
    wire.feed(b"nonsense\r\n")
    assert [400] == statuses(wire.take())


@pytest.mark.parametrize("end", [leaves, is_slow, sends_nonsense])
@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "behind another"])
def test_an_upload_that_breaks_off_gives_its_room_back(before: bytes, end: Ending) -> None:
    """Its connection, and the exceptions of the parser, may live a while longer."""
    front, clock, lanes = spooling()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = Wire(front).feed(before + head + b"20\r\n" + b"x" * 32 + b"\r\n")
    assert 32 == front.spool.used
    if before and end is is_slow:
        lanes[0].say(OK)  # the upload is its connection's first now, and late
        assert [200] == statuses(wire.take())
    elif before and end is sends_nonsense:
        lanes[0].say(OK)
        wire.take()
    end(front, clock, wire, lanes)
    assert 0 == front.spool.used


def answers(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """A worker answers."""
    lanes[-1].say(OK)
    assert [200] == statuses(wire.take())


def answers_whom_does_not_read(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """A worker answers, and the client does not read on."""
    wire.connection.pauseProducing()
    lanes[-1].say(OK)
    assert b"" == wire.take()


def dies(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """A worker dies, and it is not known what it has done."""
    lanes[-1].lose(LOST)
    assert [502] == statuses(wire.take())


def breaks_off(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """A worker dies in the middle of its answer."""
    lanes[-1].say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    assert 50 == front.spool.used
    lanes[-1].lose(LOST, answered=True)
    assert wire.aborted


def hangs(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """A worker is too slow."""
    clock.advance(1000)
    front.sweep()
    assert [504] == statuses(wire.take())


def answers_whom_has_gone(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """The client goes, and the worker carries on: it may still be reading."""
    wire.leave()
    assert 50 == front.spool.used
    lanes[-1].say(OK)


def dies_without_client(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """The client goes, and then the worker dies."""
    wire.leave()
    lanes[-1].lose(LOST)


def hangs_without_client(front: Front, clock: Clock, wire: Wire, lanes: list[FakeLane]) -> None:
    """The client goes, and the worker is too slow."""
    wire.leave()
    clock.advance(1000)
    front.sweep()


@pytest.mark.parametrize(
    "end",
    [
        answers, answers_whom_does_not_read, dies, breaks_off, hangs, answers_whom_has_gone, dies_without_client,
        hangs_without_client,
    ],
)  # fmt: skip
def test_an_upload_that_a_worker_has_gives_its_room_back(end: Ending) -> None:
    """As soon as nobody reads it any more, however it ends, and not sooner."""
    front, clock, lanes = spooling()
    wire = Wire(front).feed(post(50) + b"x" * 50)
    assert [b"x" * 50] == lanes[0].bodies
    assert 50 == front.spool.used
    end(front, clock, wire, lanes)
    assert 0 == front.spool.used
    if not wire.over:
        wire.leave()
    assert 0 == front.spool.used


def test_an_upload_goes_to_another_worker_whole() -> None:
    """One of which nothing had left is sent again: its file is there until the end."""
    front, _, lanes = spooling(workers=2)
    wire = Wire(front).feed(post(50) + b"x" * 50)
    lanes[1].lose(LOST, written=0)
    assert [b"x" * 50] == lanes[0].bodies
    lanes[0].say(OK)
    assert [200] == statuses(wire.take())
    assert 0 == front.spool.used


def waits_too_long(front: Front, clock: Clock, wire: Wire) -> None:
    """No worker becomes free."""
    clock.advance(6)
    front.sweep()
    assert [503] == statuses(wire.take())


@pytest.mark.parametrize("end", [waits_too_long, lambda front, clock, wire: wire.leave()], ids=["late", "leaves"])
def test_an_upload_that_gets_no_worker_gives_its_room_back(end: Callable[[Front, Clock, Wire], None]) -> None:
    """It leaves the line by its own will or by the clock's."""
    front, clock, _ = spooling()
    Wire(front).feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    wire = Wire(front).feed(post(50) + b"x" * 50)
    assert (1, 50) == (front.balancer.waiting, front.spool.used)
    end(front, clock, wire)
    assert 0 == front.spool.used


def test_uploads_behind_an_answer_that_is_the_last_give_their_room_back() -> None:
    """A connection that is to be closed drops what was sent ahead on it."""
    front, _, lanes = spooling()
    wire = Wire(front).feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + post(50) + b"x" * 50)
    assert 50 == front.spool.used
    front.draining = True
    lanes[0].say(OK)
    assert [200] == statuses(wire.take())
    assert 0 == front.spool.used


def test_new_limits_hold_from_now_on() -> None:
    """As all limits of the front."""
    front, _, _ = spooling()
    front.take(replace(front.settings, spool_limit=20), 30.0)
    assert [507] == statuses(Wire(front).feed(post(21)).take())
