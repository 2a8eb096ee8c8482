"""A journey ends once, and the next one on its connection begins when its client has read the answer."""

from __future__ import annotations

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses
from tracd_cluster.front.record import Record

NOT_HERE = b"GET /a HTTP/1.1\r\nHost: other\r\n\r\n"


def test_pages_of_the_front_s_own_wait_for_a_client_that_does_not_read() -> None:
    """However many it asks for."""
    front, _ = make_front(hosts=("x",))
    wire = Wire(front)
    wire.connection.pauseProducing()
    wire.feed(NOT_HERE * 3)
    assert b"" == wire.take()
    wire.connection.resumeProducing()
    assert [421, 421, 421] == statuses(wire.take())


def test_an_end_is_told_once_with_who_has_answered() -> None:
    """Whole or broken off."""
    front, _ = make_front(hosts=("x",))
    told: list[Record] = []
    front.recorders.append(told.append)
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(NOT_HERE + NOT_HERE.replace(b"other", b"x"))
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    wire.leave()
    assert [(421, "front", True), (200, "worker", False)] == [(one.status, one.by, one.whole) for one in told]
