"""The front asks as a stranger: with nothing of the client's, one at a time, and not again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.front.static import COOKIE, CSS, PATH, StaticFront, get, parts
from tests.unit.front.wire import FakeLane, Wire
from tracd_cluster.errors import NobodyServing, WorkerLost
from tracd_cluster.front.asking import AGAIN, REMEMBERED

NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def static(tmp_path: Path) -> StaticFront:
    """A front that knows nothing yet."""
    return StaticFront(tmp_path)


def test_a_browser_with_cookies_makes_the_front_ask(static: StaticFront) -> None:
    """And from then on the file is everybody's."""
    wire = Wire(static.front).feed(get(fields=COOKIE + b"Authorization: Basic eDp5\r\nAccept-Language: de\r\n"))
    static.lane.say(static.named())
    assert (200, CSS) == parts(wire.take())[::2]
    assert 2 == static.asked
    question = static.lane.heads[1]
    assert question.startswith(b"GET /chrome/site/a.css HTTP/1.1\r\n")
    assert b"\r\nHost: x\r\n" in question
    assert b"\r\nTracd-Cluster-Client: 10.0.0.1 " in question
    for secret in (b"Cookie", b"Authorization", b"Accept-Language", b"X-Request-ID", b"Tracd-Cluster-User"):
        assert secret not in question
    static.lane.say(static.named(b"Set-Cookie: trac_session=2\r\nContent-Type: text/css\r\n"))
    wire.feed(get(fields=COOKIE))
    status, fields, body = parts(wire.take())
    assert (200, CSS) == (status, body)
    assert b"set-cookie" not in fields
    assert 2 == static.asked
    assert {} == static.front.abandoned
    static.front.balancer.check_invariants()


def test_what_a_stranger_does_not_get_is_not_learned(static: StaticFront) -> None:
    """A plugin may keep a file to those who have signed in; it is not asked again at once either."""
    wire = Wire(static.front)
    for expected in (2, 3):
        wire.feed(get(fields=COOKIE))
        static.lane.say(static.named())
        assert expected == static.asked
        if expected == 2:
            static.lane.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    static.pass_time(AGAIN + 1)
    Wire(static.front).feed(get(fields=COOKIE))
    static.lane.say(static.named())
    assert 5 == static.asked


def test_one_question_at_a_time(static: StaticFront) -> None:
    """At the end of the line, with one place in it."""
    wire = Wire(static.front)
    for number in range(3):
        wire.feed(get(b"/chrome/site/%d.css" % number, COOKIE))
        static.lane.say(static.named()) if number == 0 else None
    # The lane asks the first question; the second page waits, and gets the lane next.
    assert b"GET /chrome/site/0.css" == static.lane.heads[1].partition(b" HTTP")[0]
    assert 1 == static.front.balancer.waiting
    static.lane.say(static.named())
    assert b"GET /chrome/site/1.css" == static.lane.heads[2].partition(b" HTTP")[0]
    static.lane.say(static.named())
    for _ in range(4):
        if static.lane.exchange is not None:
            static.lane.say(static.named())
    assert 6 == static.asked
    assert 3 == static.learned.addresses


def test_a_worker_that_is_lost_ends_the_question_and_no_more(static: StaticFront) -> None:
    """It is told of like any request that workers may die of."""
    lost: list[str] = []
    static.front.balancer.request_lost = lambda lane, request: lost.append(request)
    Wire(static.front).feed(get(fields=COOKIE))
    static.lane.say(static.named())
    static.lane.lose(WorkerLost("it ended"))
    assert ["GET /chrome/site/a.css, to learn of a static file"] == lost
    assert {} == static.front.abandoned
    static.lane = FakeLane(static.front)
    static.front.balancer.add(static.lane)
    Wire(static.front).feed(get(b"/chrome/site/b.css", COOKIE))
    static.lane.say(static.named())
    assert 2 == static.asked, "the next one is asked"


def test_a_question_has_a_deadline(static: StaticFront) -> None:
    """Its worker hangs, and is given up."""
    hung: list[str] = []
    static.front.balancer.request_hung = lambda lane, request: hung.append(request)
    Wire(static.front).feed(get(fields=COOKIE))
    static.lane.say(static.named())
    static.pass_time(static.front.time_limits.default + 1)
    assert static.lane.given_up is not None
    assert 1 == len(hung)
    assert "to learn of a static file took longer than 120 s" in hung[0]
    assert {} == static.front.abandoned


def test_a_full_line_is_not_made_longer(tmp_path: Path) -> None:
    """Whoever waits there comes first; the next one who gets the file makes the front ask again."""
    static = StaticFront(tmp_path, queue=1)
    Wire(static.front).feed(get(fields=COOKIE))
    waiting = Wire(static.front).feed(get(b"/wiki", fields=COOKIE))
    static.lane.say(static.named())
    assert [PATH, b"/wiki"] == [head.split(b" ")[1] for head in static.lane.heads]
    assert 0 == static.front.balancer.waiting
    static.lane.say(NOTHING)
    assert 404 == parts(waiting.take())[0]
    Wire(static.front).feed(get(fields=COOKIE))
    static.lane.say(static.named())
    static.lane.say(static.named())
    assert 4 == static.asked
    assert 1 == static.learned.addresses


def test_a_question_leaves_the_line_like_anybody(static: StaticFront) -> None:
    """When its time is up, or when nobody serves any more."""
    for nobody in (False, True):
        Wire(static.front).feed(get(fields=COOKIE))
        Wire(static.front).feed(get(b"/wiki", fields=COOKIE))
        static.lane.say(static.named())
        assert 1 == static.front.balancer.waiting
        static.front.balancer.withdraw(static.lane)
        if nobody:
            static.front.balancer.refuse_all(NobodyServing("it ends"))
        else:
            static.pass_time(static.front.queue_timeout + 1)
        assert 0 == static.front.balancer.waiting
        assert "None" in repr(static.asking)
        static.lane = FakeLane(static.front)
        static.front.balancer.add(static.lane)


def test_only_so_many_are_remembered(static: StaticFront) -> None:
    """However many addresses somebody makes up."""
    static.front.balancer.withdraw(static.lane)
    wire = Wire(static.front)
    for number in range(REMEMBERED + 50):
        static.asking.want(b"/chrome/site/%d.css" % number, b"x", wire.connection)
    assert f"{REMEMBERED} wanted" in repr(static.asking)


def test_no_host_no_matter(static: StaticFront) -> None:
    """HTTP/1.0 knows none."""
    Wire(static.front).feed(b"GET %b HTTP/1.0\r\nCookie: a=b\r\n\r\n" % PATH)
    static.lane.say(static.named())
    assert b"Host" not in static.lane.heads[1]
    static.lane.say(static.named())
    assert 1 == static.learned.addresses


def test_a_file_that_has_changed_is_asked_for_again_at_once(static: StaticFront) -> None:
    """The last question was of use, so the next one will be."""
    for number in (1, 2, 3):
        static.put(CSS * number)
        static.pass_time(1)
        wire = Wire(static.front).feed(get(fields=COOKIE))
        static.lane.say(static.named())
        static.lane.say(static.named())
        assert CSS * number == parts(wire.take())[2]
        assert 2 * number == static.asked
        assert 1 == static.learned.addresses
