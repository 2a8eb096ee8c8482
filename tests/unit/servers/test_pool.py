"""The pool of servers elsewhere, on a clock and with connections on paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from tests.unit.servers.test_names import Zone, a
from tests.unit.test_balancer import Request
from tests.unit.upstream.test_foreign import Origin, Paper
from tests.unit.upstream.test_lane import OK, Asked
from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import NobodyServing
from tracd_cluster.front.head import Head
from tracd_cluster.servers.choice import LeastLoaded
from tracd_cluster.servers.names import Place
from tracd_cluster.servers.pool import Servers
from tracd_cluster.settings.foreign import ForeignSettings, Upstream
from tracd_cluster.upstream.site import Site
from tracd_cluster.upstream.wire import Dial, WireOwner

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Pool:
    """The service and all that it talks to; ``wires`` are the connections to each address."""

    def __init__(self, *hosts: str, connections: int = 2) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.idle = LeastLoaded()
        self.balancer = Balancer(10, idle=self.idle)
        self.zone = Zone()
        self.wires: dict[str, list[Paper]] = {}
        upstreams = tuple(Upstream(scheme="http", host=host, port=80, text=host) for host in hosts)
        settings = ForeignSettings(upstreams=upstreams, connections=connections)
        self.service = Servers(settings, self.balancer, self.idle, self.clock, lambda: self.zone, lambda: self)
        self.service.privilegedStartService()

    def way_to(self, upstream: Upstream, place: Place) -> tuple[Site, Dial]:
        def dial(owner: WireOwner) -> Paper:
            wire = Paper(owner)
            self.wires.setdefault(place.address, []).append(wire)
            return wire

        return Site(authority=place.address.encode()), dial

    def start(self, *well: str) -> Pool:
        """Start, and let these servers be well."""
        self.service.startService()
        for address in well:
            self.answer(address)
        return self

    def answer(self, address: str, data: bytes = WELL) -> None:
        """Let a server answer what it was asked last."""
        wire = self.wires[address][-1]
        (wire if wire.opened else wire.open()).say(data)

    def refuse(self, address: str) -> None:
        """Let a server take no connection."""
        self.wires[address][-1].lose("no connection: refused")

    def sizes(self) -> dict[str, int]:
        """Give the number of lanes of each server that is known."""
        return {place.address: server.share.size for (_, place), server in self.service.servers.items()}

    def ask(self) -> Asked:
        """Send a request to whoever is next."""
        lane: Any = self.balancer.claim(Request())
        asked = Asked()
        head = Head(b"GET", "1.1", b"/a", [(b"Host", b"x")])
        lane.send(asked, lane.request_head(head, Origin(), b"", 0), None)
        return asked


class Lines:
    """What is logged, line by line."""

    def __init__(self, events: Iterable[LogEvent]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[str]:
        return map(formatEvent, self._events)


@pytest.fixture
def log() -> Iterator[Lines]:
    """All that is logged during a test."""
    with capturedLogs() as events:
        yield Lines(events)


def test_a_server_gets_requests_once_it_is_well() -> None:
    """Until its first health check has passed, requests wait in line."""
    pool = Pool("10.0.0.1").start()
    waiting = Request()
    assert pool.balancer.claim(waiting) is None
    pool.answer("10.0.0.1")
    assert waiting.lane is not None
    assert {"10.0.0.1": 2} == pool.sizes()


def test_a_server_that_refuses_is_out_and_comes_back_slowly(log: Lines) -> None:
    """Its lanes go, it is asked after half a second, and then gets one request at a time at first."""
    pool = Pool("10.0.0.1", "10.0.0.2", connections=4).start("10.0.0.1", "10.0.0.2")
    asked = [pool.ask(), pool.ask()]
    pool.refuse("10.0.0.1")
    assert {"10.0.0.1": 0, "10.0.0.2": 4} == pool.sizes()
    assert 1 == sum(each.lost is not None for each in asked)
    assert "http://10.0.0.1 is out for 0.5 s: no connection: refused" in log
    pool.clock.advance(0.5)
    pool.answer("10.0.0.1")
    sizes = []
    for _ in range(3):
        sizes.append(pool.sizes()["10.0.0.1"])
        pool.clock.advance(1)
    assert [1, 2, 4] == sizes


def test_a_host_that_is_silent_is_out(log: Lines) -> None:
    """A request says so, a connection that is only kept, or a check: none of them is asked for twice."""
    for how in ("request", "kept", "check"):
        pool = Pool("10.0.0.1").start("10.0.0.1")
        if how == "check":
            pool.clock.advance(5)
            pool.refuse("10.0.0.1")
        else:
            asked = pool.ask()
            wire = pool.wires["10.0.0.1"][-1].open()
            if how == "kept":
                wire.say(OK)
                assert asked.ended
            wire.lose("nothing has been heard of it", silent=True)
        assert {"10.0.0.1": 0} == pool.sizes()
        pool.balancer.check_invariants()
    assert "http://10.0.0.1 is out for 0.5 s: nothing has been heard of it" in log


def test_three_answers_of_503_put_it_out(log: Lines) -> None:
    """Each is handed on to its client; the lane of the last one is closed with the others."""
    pool = Pool("10.0.0.1").start("10.0.0.1")
    for _ in range(3):
        assert {"10.0.0.1": 2} == pool.sizes()
        asked = pool.ask()
        pool.answer("10.0.0.1", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        assert asked.ended
    assert {"10.0.0.1": 0} == pool.sizes()
    assert "http://10.0.0.1 is out for 0.5 s: it answered 503" in log
    pool.balancer.check_invariants()


def test_what_runs_at_a_server_that_is_out_may_end() -> None:
    """A lane that carries an exchange is closed after it."""
    pool = Pool("10.0.0.1").start("10.0.0.1")
    first, second = pool.ask(), pool.ask()
    running, refused = pool.wires["10.0.0.1"][-2:]
    running.open()
    refused.lose("no connection")
    assert second.lost is not None
    assert {"10.0.0.1": 0} == pool.sizes()
    running.say(OK)
    assert (b"ok", True) == (first.body, first.ended)
    assert "dropped" == running.state


def test_clients_are_refused_when_there_is_no_hope() -> None:
    """A server that is away for a moment is waited for; one that was out three times in a row is not."""
    pool = Pool("10.0.0.1").start()
    for _ in range(3):
        assert pool.balancer.nobody is None
        pool.refuse("10.0.0.1")
        pool.clock.advance(2)
    with pytest.raises(NobodyServing):
        pool.balancer.claim(Request())
    pool.clock.advance(2)
    pool.answer("10.0.0.1")
    assert pool.balancer.claim(Request()) is not None


def test_health_is_asked_for_all_the_time() -> None:
    """A server that hangs is found out without a client's request; each check has an end."""
    pool = Pool("10.0.0.1").start("10.0.0.1")
    for _ in range(3):
        pool.clock.advance(5)
        pool.wires["10.0.0.1"][-1].open()
        pool.clock.advance(5)
    assert {"10.0.0.1": 0} == pool.sizes()


def test_a_name_is_followed(log: Lines) -> None:
    """A new address is asked, then used; one that is gone is used no more; a failure changes nothing."""
    pool = Pool("trac")
    pool.zone.table = {"a": {"trac": (a("10.0.0.1", "10.0.0.2"), 20)}}
    pool.start("10.0.0.1", "10.0.0.2")
    assert {"10.0.0.1": 2, "10.0.0.2": 2} == pool.sizes()
    pool.zone.table = {"a": {"trac": (a("10.0.0.2", "10.0.0.3"), 20)}}
    pool.clock.advance(20)
    assert {"10.0.0.2": 2, "10.0.0.3": 0} == pool.sizes()
    pool.answer("10.0.0.3")
    pool.zone.table = {}
    pool.clock.advance(20)
    assert {"10.0.0.2", "10.0.0.3"} == set(pool.sizes())
    assert any("its 2 known servers stay" in line for line in log)


def test_a_name_that_nobody_knows_is_asked_again(log: Lines) -> None:
    """The log says it once; after three times, requests are refused until it is found."""
    pool = Pool("trac").start()
    assert pool.balancer.nobody is None
    pool.clock.pump([1, 2, 4])
    assert pool.balancer.nobody is not None
    assert 1 == sum("No address of trac was found" in line for line in log)
    pool.zone.table = {"a": {"trac": (a("10.0.0.1"), 20)}}
    pool.clock.advance(8)
    assert pool.balancer.nobody is None
    pool.answer("10.0.0.1")
    assert {"10.0.0.1": 2} == pool.sizes()


def test_a_stop_leaves_nothing() -> None:
    """No lane, no timer."""
    pool = Pool("10.0.0.1", "trac").start("10.0.0.1")
    pool.clock.advance(5)
    assert pool.service.snapshot()["servers"] == [
        {"server": "http://10.0.0.1", "used": True, "fault": "", "in_flight": 0, "share": 2, "times_out": 0}
    ]
    pool.service.stopService()
    assert [] == pool.clock.getDelayedCalls()
    assert 0 == len(pool.idle)
    assert pool.balancer.nobody is not None


def test_asking_for_everything_anew() -> None:
    """Whoever asks for a new generation has all servers and names looked at again at once."""
    pool = Pool("10.0.0.1").start("10.0.0.1")
    before = len(pool.wires["10.0.0.1"])
    pool.service.new_generation()
    assert before + 1 == len(pool.wires["10.0.0.1"])
