"""A robots.txt for who asks, where the site has none."""

from __future__ import annotations

import pytest

from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses
from tracd_cluster.configuration.config import load
from tracd_cluster.front.listener import Front
from tracd_cluster.front.record import Record
from tracd_cluster.front.robots import ASK_AGAIN, Robots, robots_of

TEXT = b"User-agent: *\n"
GET = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nTrac"


def make_robots(**settings: str) -> tuple[Front, FakeLane]:
    """Make a front that has something for robots, and its one worker."""
    front, _ = make_front(**settings)
    front.robots = Robots(TEXT)
    lane = FakeLane(front)
    front.balancer.add(lane)
    return front, lane


def test_it_takes_the_place_of_a_page_that_there_is_not() -> None:
    """A worker is asked once a minute; the lane is free at once."""
    front, lane = make_robots()
    told: list[Record] = []
    front.recorders.append(told.append)
    wire = Wire(front).feed(GET)
    lane.say(MISSING)
    sent = wire.take()
    assert [200] == statuses(sent)
    assert sent.endswith(b"\r\n\r\n" + TEXT)
    assert b"Content-Type: text/plain; charset=utf-8\r\n" in sent
    assert front.balancer.is_idle(lane)
    assert wire.feed(GET).take().endswith(TEXT)
    head = wire.feed(GET.replace(b"GET", b"HEAD")).take()
    assert b"Content-Length: 14\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert 1 == len(lane.heads)
    assert [(200, "front")] * 3 == [(one.status, one.by) for one in told]

    assert front.robots is not None
    front.robots.forget()
    wire.feed(GET)
    assert 2 == len(lane.heads)
    lane.say(MISSING)
    assert wire.take().endswith(TEXT)

    front.now += ASK_AGAIN
    wire.feed(GET)
    assert 3 == len(lane.heads)
    lane.say(OK)
    assert wire.take().endswith(b"ok")


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"])
def test_the_site_s_own_wins(answer: bytes) -> None:
    """Whatever it says, if it says anything."""
    front, lane = make_robots()
    wire = Wire(front)
    for number in range(2):
        wire.feed(GET)
        assert number + 1 == len(lane.heads)
        lane.say(answer)
        assert wire.take().endswith(answer[-2:])


@pytest.mark.parametrize(
    "request_",
    [GET.replace(b"GET", b"OPTIONS"), GET.replace(b"/robots", b"/a/robots"), GET.replace(b"robots", b"humans")],
)
def test_nothing_else_is_answered(request_: bytes) -> None:
    """What there is not there is not."""
    front, lane = make_robots()
    wire = Wire(front).feed(request_)
    lane.say(MISSING)
    assert wire.take().endswith(b"Trac")


def test_beside_the_base_path_there_is_nobody_to_ask() -> None:
    """Robots ask at the root only."""
    front, lane = make_robots(base_path="/trac")
    wire = Wire(front)
    assert wire.feed(GET).take().endswith(TEXT)
    assert [404] == statuses(wire.feed(GET.replace(b"robots", b"humans")).take())
    assert [] == lane.heads
    front.robots = None
    assert [404] == statuses(wire.feed(GET).take())


def test_a_piece_of_a_page_that_is_missing_is_not_sent() -> None:
    """However slowly it comes."""
    front, lane = make_robots()
    wire = Wire(front).feed(GET)
    lane.say(MISSING[:-2])
    assert b"" == wire.take()
    lane.say(MISSING[-2:])
    assert wire.take().endswith(TEXT)


def test_it_is_for_the_site_as_it_is() -> None:
    """With its base path; and not at all if nobody wants it."""
    found = robots_of(load([".", "--base-path", "/trac"]))
    assert found is not None
    assert b"Disallow: /trac/*/changeset/\n" in found.page(0.0, b"").body
    single = robots_of(load([".", "-s"]))
    assert single is not None
    assert b"Disallow: /changeset\n" in single.page(0.0, b"").body
    assert robots_of(load([".", "--no-robots"])) is None
