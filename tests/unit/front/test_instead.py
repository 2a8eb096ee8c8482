"""Pages that are not for everybody: who is kept out, who is asked for by a worker, and what they get."""

from __future__ import annotations

import pytest

from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses
from tracd_cluster.front.listener import Front
from tracd_cluster.front.record import Record
from tracd_cluster.settings.kinds import Policy
from tracd_cluster.traffic.kinds import Kinds
from tracd_cluster.traffic.policies import Policies

REFUSED = b"HTTP/1.1 403 Forbidden\r\nTracd-Cluster-Sign-In: 1\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nTrac"
GIVEN = (("changeset", Policy.SIGN_IN), ("log", Policy.DENY))


def make_guarded(single: bool = True, **settings: str) -> tuple[Front, FakeLane]:
    """Make a front where changesets want a login, and nobody gets logs; and its one worker."""
    front, _ = make_front(**settings)
    front.policies = Policies(Kinds(front.base_path, single), 0.0, GIVEN)
    front.asks_workers = True
    lane = FakeLane(front)
    front.balancer.add(lane)
    return front, lane


def get(target: bytes, fields: bytes = b"", method: bytes = b"GET") -> bytes:
    """Write a request."""
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, target, fields)


def test_a_stranger_is_asked_to_sign_in_without_a_worker() -> None:
    """With a link that leads to the login, and from there to the page."""
    front, lane = make_guarded()
    told: list[Record] = []
    front.recorders.append(told.append)
    sent = Wire(front).feed(get(b"/changeset/1?a='\"&b=<>")).take()
    assert [403] == statuses(sent)
    assert b"<h1>Please sign in</h1>" in sent
    assert b'<a href="/login?referer=/changeset/1%3Fa%3D%27%22%26b%3D%3C%3E">Sign in</a>' in sent
    assert b"Cache-Control: no-store" in sent
    assert [] == lane.heads
    assert {"kind": 1} == front.refused
    assert [(403, "front")] == [(one.status, one.by) for one in told]


@pytest.mark.parametrize(
    ("single", "base_path", "target", "login"),
    [
        (True, "/trac", b"/trac/changeset/1", b"/trac/login?"),
        (False, "", b"/pro%20ject/changeset/1", b"/pro%20ject/login?"),
        (False, "/trac", b"/trac/%22%3E/changeset/1", b"/trac/%22%3E/login?"),
        (False, "/trac", b'/trac/">/changeset/1', b"/trac/%22%3E/login?"),
    ],
)
def test_the_login_is_that_of_the_project(single: bool, base_path: str, target: bytes, login: bytes) -> None:
    """And nothing in it can break out of the page."""
    front, _ = make_guarded(single, base_path=base_path)
    assert b'href="%breferer=/' % login in Wire(front).feed(get(target)).take()


def test_pages_of_no_such_kind_are_for_everybody() -> None:
    """Workers hear nothing of it."""
    front, lane = make_guarded()
    lane.always_ok()
    assert [200] == statuses(Wire(front).feed(get(b"/wiki")).take())
    assert b"Sign-In" not in lane.heads[0]


def test_nobody_gets_what_is_denied() -> None:
    """Not even with what looks like a login, and HEAD has no body."""
    front, lane = make_guarded()
    wire = Wire(front)
    assert [403] == statuses(wire.feed(get(b"/log/trunk", b"Cookie: trac_auth=1\r\n")).take())
    head = wire.feed(get(b"/log/trunk", method=b"HEAD")).take()
    assert b" 403 " in head
    assert head.endswith(b"\r\n\r\n")
    assert [] == lane.heads


@pytest.mark.parametrize("field", [b"Cookie: trac_auth=1\r\n", b"Authorization: Basic YTpi\r\n"])
def test_a_worker_says_whether_somebody_has_signed_in(field: bytes) -> None:
    """The front cannot know who a cookie belongs to, or a password that is for a plugin."""
    front, lane = make_guarded()
    wire = Wire(front).feed(get(b"/changeset/1", field))
    assert b"\r\nTracd-Cluster-Sign-In: 1\r\n" in lane.heads[0]
    lane.say(OK)
    assert [200] == statuses(wire.take())

    wire.feed(get(b"/changeset/1", field))
    lane.say(REFUSED)
    sent = wire.take()
    assert [403] == statuses(sent)
    assert b"Please sign in" in sent
    assert b"Tracd-Cluster" not in sent
    assert b"Set-Cookie" not in sent
    assert not wire.over
    assert front.balancer.is_idle(lane)


def test_what_trac_itself_forbids_looks_as_trac_has_it() -> None:
    """Who has signed in may still not have the right to see it."""
    front, lane = make_guarded()
    wire = Wire(front).feed(get(b"/changeset/1", b"Cookie: trac_auth=1\r\n"))
    lane.say(FORBIDDEN)
    assert wire.take().endswith(b"Trac")


def test_a_client_cannot_be_asked_for_in_the_front_s_name() -> None:
    """Such a field is the front's own."""
    front, lane = make_guarded()
    Wire(front).feed(get(b"/wiki", b"Tracd-Cluster-Sign-In: 1\r\nCookie: a=b\r\n"))
    assert b"Sign-In" not in lane.heads[0]


def test_a_worker_that_was_not_asked_is_not_believed() -> None:
    """Its answer is for the client."""
    front, lane = make_guarded()
    wire = Wire(front).feed(get(b"/wiki"))
    lane.say(REFUSED)
    assert b"Please sign in" not in wire.take()


def test_servers_that_are_not_ours_are_not_asked() -> None:
    """They would not understand; a cookie is enough there."""
    front, lane = make_guarded()
    front.asks_workers = False
    wire = Wire(front).feed(get(b"/changeset/1", b"Cookie: trac_auth=1\r\n"))
    assert b"Sign-In" not in lane.heads[0]
    lane.say(OK)
    assert [200] == statuses(wire.take())
    assert [403] == statuses(wire.feed(get(b"/changeset/1")).take())


def test_a_client_that_has_gone_gets_nothing() -> None:
    """Its worker is free all the same."""
    front, lane = make_guarded()
    wire = Wire(front).feed(get(b"/changeset/1", b"Cookie: trac_auth=1\r\n"))
    wire.leave()
    lane.say(REFUSED)
    assert {} == front.abandoned
    assert front.balancer.is_idle(lane)


def test_routes_are_measured_by_what_workers_answer() -> None:
    """By their pages, until they begin; what hangs has taken as long as it could."""
    front, clock = make_front(request_timeout=1.0)
    front.policies = Policies(Kinds(), clock.seconds())
    lane = FakeLane(front)
    front.balancer.add(lane)
    for _ in range(25):
        for target, seconds in ((b"/wiki", 0.02), (b"/ticket/1", 0.03), (b"/gantt", 2.0), (b"/missing", 3.0)):
            wire = Wire(front).feed(get(target))
            clock.advance(seconds)
            lane.say(OK if target != b"/missing" else b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            wire.leave()
    front.sweep()
    assert ["/gantt"] == [slow.route for slow in front.policies.learned()]
    for _ in range(25):
        lane = FakeLane(front)
        Wire(front).feed(get(b"/hangs"))
        front.balancer.add(lane)
        clock.advance(1.25)
        front.sweep()
    assert {"/gantt", "/hangs"} == {slow.route for slow in front.policies.learned()}
