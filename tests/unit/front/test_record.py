"""Each request that has ended is told of once, with what it has cost."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.unit.front.wire import OK, FakeLane, Wire, make_front
from tracd_cluster.errors import WorkerLost
from tracd_cluster.front.listener import Front
from tracd_cluster.front.record import LEFT, Record

GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"


def recorded(**settings: object) -> tuple[Front, Clock, list[Record]]:
    """Make a front, and the list of what it tells."""
    front, clock = make_front(**settings)
    records: list[Record] = []
    front.recorders.append(records.append)
    return front, clock, records


def test_a_page_that_waited_in_line() -> None:
    """Times are those in line, in the worker, and of all; sizes those of answer and body."""
    front, clock, records = recorded()
    lane = FakeLane(front)
    wire = Wire(front).feed(b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
    clock.advance(1)
    wire.feed(b"abc")
    clock.advance(2)
    front.balancer.add(lane)
    clock.advance(4)
    lane.say(OK)
    (record,) = records
    assert ("POST", "/a?b", 200, "worker", lane.name) == (
        record.method, record.target, record.status, record.by, record.worker,
    )  # fmt: skip
    assert (2.0, 4.0, 7.0) == (record.line_seconds, record.worker_seconds, record.total_seconds)
    assert (len(wire.sent), 3, b"7-1", "10.0.0.1") == (
        record.sent, record.received, record.request_id, record.address,
    )  # fmt: skip
    assert record.whole


def test_what_the_front_answers_itself() -> None:
    """Errors and OPTIONS * are told of as well, and so is what was no request at all."""
    front, _, records = recorded(base_path="/base")
    Wire(front).feed(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    Wire(front).feed(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    Wire(front).feed(b"nonsense\r\n\r\n")
    assert [(404, "front", "/x"), (204, "front", "*"), (400, "front", "-")] == [
        (record.status, record.by, record.target) for record in records
    ]


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_leaves(begun: bool) -> None:
    """It is told of when it leaves, and not again when its worker is through."""
    front, clock, records = recorded()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    if begun:
        lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    clock.advance(3)
    wire.leave()
    lane.say(b"cd" if begun else OK)
    (record,) = records
    assert (200 if begun else LEFT, False, 3.0) == (record.status, record.whole, record.total_seconds)


def test_a_slow_reader_that_leaves_with_the_answer_half_taken() -> None:
    """The worker is long through, the client is not: the answer was not whole."""
    front, _, records = recorded()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    wire.connection.pauseProducing()
    lane.say(OK)
    assert [] == records
    wire.leave()
    assert [(200, False)] == [(record.status, record.whole) for record in records]


def test_an_answer_that_breaks_off() -> None:
    """A worker lost in the middle of an answer: told of once, and not as whole."""
    front, _, records = recorded()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    lane.lose(WorkerLost("x"), answered=True)
    assert wire.aborted
    wire.leave()
    assert [(200, False)] == [(record.status, record.whole) for record in records]


def test_a_request_id_is_the_proxys_or_ours() -> None:
    """A trusted proxy's is taken over, anybody else's is not; answer, worker and error page have it."""
    front, _, records = recorded()
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    named = b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc-1\r\n\r\n"
    assert b"X-Request-ID: 7-1\r\n" in Wire(front).feed(named).take()
    assert b"abc-1" not in lane.heads[0]
    front.trusts = lambda address: True  # type: ignore[method-assign]
    assert b"X-Request-ID: abc-1\r\n" in Wire(front).feed(named).take()
    assert 1 == lane.heads[1].count(b"X-Request-ID: abc-1\r\n")
    assert [b"7-1", b"abc-1"] == [record.request_id for record in records]
    odd = named.replace(b"abc-1", b"<b>")
    assert b"X-Request-ID: 7-2\r\n" in Wire(front).feed(odd).take()
    refused = Wire(front).feed(b"nonsense\r\n\r\n").take()
    assert b"Request 7-3</p>" in refused
    assert b"X-Request-ID: 7-3\r\n" in refused
