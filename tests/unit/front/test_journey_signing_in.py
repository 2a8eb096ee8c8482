"""Journeys of those who have to say who they are: what they get, and what workers hear of them."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.auth.children import ChildReactor
from tests.unit.auth.doorway import PASSWORDS, REALM, basic, digest, write_htdigest, write_htpasswd
from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses
from tracd_cluster.auth.gate import Gate
from tracd_cluster.auth.throttle import FREE_FAILURES
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.errors import WorkerLost
from tracd_cluster.settings.auth import AuthEntry, AuthSettings


class House:
    """A front with a gate, one worker, and processes for passwords that answer when a test lets them."""

    def __init__(self, folder: Path, kind: Any = "basic", **front_settings: Any) -> None:
        write = write_htpasswd if kind == "basic" else write_htdigest
        entry = AuthEntry(kind=kind, project="*", file=str(write(folder / "users", PASSWORDS)), realm=REALM)
        self.reactor = ChildReactor()
        self.front, self.clock = make_front(**front_settings)
        self.front.gate = Gate(
            AuthSettings(entries=(entry,), remote_user=front_settings.get("remote_user")),
            b"secret", self.front.now, Verifier(self.reactor, 1),
        )  # fmt: skip
        self.lane = FakeLane(self.front)
        self.front.balancer.add(self.lane)

    def work(self) -> None:
        """Let the passwords be checked."""
        for child in self.reactor.children:
            child.work()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
            self.front.sweep()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house that asks for Basic."""
    return House(tmp_path)


def login(authorization: bytes | None = None, method: bytes = b"GET", more: bytes = b"", body: bytes = b"") -> bytes:
    """Write a request for the login."""
    if authorization is not None:
        more = b"Authorization: %b\r\n%b" % (authorization, more)
    return b"%b /tidewatch/login HTTP/1.1\r\nHost: x\r\n%b\r\n%b" % (method, more, body)


RIGHT = login(basic("ann", "secret"))
WRONG = login(basic("ann", "wrong"))


def test_a_login_without_a_word_is_asked_for_one(house: House) -> None:
    """The page of the 401 says what to do, the field how, and the connection stays for the answer."""
    wire = Wire(house.front).feed(login())
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b'WWW-Authenticate: Basic realm="Trac", charset="UTF-8"' in head.split(b"\r\n")
    assert b"Please sign in" in body
    assert not wire.over
    wire.feed(RIGHT)
    house.work()
    house.lane.say(OK)
    assert [200] == statuses(wire.take())


def test_head_is_asked_without_a_page(house: House) -> None:
    """The fields of the 401 and no body, so that the next answer is not mistaken for it."""
    wire = Wire(house.front).feed(login(method=b"HEAD"))
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert b"WWW-Authenticate: Basic" in head
    assert re.search(rb"Content-Length: [1-9]", head)
    assert b"" == body


def test_the_worker_hears_who_it_is(house: House) -> None:
    """The name comes from the front alone, whatever a client writes into its head."""
    forged = b"Tracd-Cluster-User: root\r\nRemote-User: root\r\n"
    Wire(house.front).feed(login(basic("ann", "secret"), more=forged))
    assert [] == house.lane.heads
    house.work()
    [head] = house.lane.heads
    assert b"\r\nTracd-Cluster-User: ann\r\n" in head
    assert b"root" not in head


def test_pages_without_a_login_carry_no_name(house: House) -> None:
    """As with tracd, the cookie tells who somebody is there; a password that comes along is not looked at."""
    Wire(house.front).feed(login(basic("ann", "wrong")).replace(b"/login", b"/wiki"))
    [head] = house.lane.heads
    assert b"Tracd-Cluster-User" not in head
    assert b"Authorization: Basic" in head


def test_a_name_in_a_trusted_proxy_s_field_reaches_the_worker(tmp_path: Path) -> None:
    """In a form that holds any name, and from a trusted address only."""
    request = b"GET /a HTTP/1.1\r\nHost: x\r\nRemote-User: J\xc3\xa4s\xc3\xb8n of Y\r\n\r\n"
    for network, expected in (("10.0.0.0/8", True), ("192.0.2.0/24", False)):
        trusted = (ipaddress.ip_network(network),)
        house = House(tmp_path, remote_user=b"remote-user", trusted_proxies=trusted)
        Wire(house.front).feed(request)
        [head] = house.lane.heads
        assert expected == (b"Tracd-Cluster-User: J%C3%A4s%C3%B8n%20of%20Y\r\n" in head)
        assert b"Remote-User" not in head


def test_a_wrong_password_is_asked_for_again(house: House) -> None:
    """No worker hears of it."""
    wire = Wire(house.front).feed(WRONG)
    assert b"" == wire.take()
    house.work()
    sent = wire.take()
    assert [401] == statuses(sent)
    assert b"WWW-Authenticate: Basic" in sent
    assert [] == house.lane.heads


def test_requests_behind_a_login_wait_for_it(house: House) -> None:
    """Answers come in the order of their requests, also where one waits for a password to be checked."""
    wire = Wire(house.front).feed(RIGHT + b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [] == house.lane.heads
    house.lane.always_ok()
    house.work()
    assert [200, 200] == statuses(wire.take())
    assert [True, False] == [b"Tracd-Cluster-User: ann" in head for head in house.lane.heads]


def test_a_password_may_take_its_time(house: House) -> None:
    """No deadline of a client's cuts the wait short; the gate has its own."""
    wire = Wire(house.front).feed(RIGHT)
    house.wait(300)
    assert not wire.over
    house.work()
    house.lane.say(OK)
    assert [200] == statuses(wire.take())


def test_a_client_that_leaves_while_its_password_is_checked(house: House) -> None:
    """Nothing is done for it any more; that it was wrong is remembered all the same."""
    for _ in range(FREE_FAILURES):
        wire = Wire(house.front).feed(WRONG)
        wire.leave()
        house.work()
        assert b"" == wire.take()
    Wire(house.front).feed(RIGHT).leave()
    house.wait(5)
    house.work()
    assert [] == house.lane.heads
    wire = Wire(house.front).feed(RIGHT)
    house.work()
    assert b"" == wire.take(), "it waits because of the failures before"
    house.wait(2)
    house.work()
    assert 1 == len(house.lane.heads)


def test_too_many_failures_are_told(house: House) -> None:
    """429 says when to come back."""
    for _ in range(FREE_FAILURES + 3):
        wire = Wire(house.front).feed(WRONG)
        for _ in range(10):
            house.wait(1)
            house.work()
        assert [401] == statuses(wire.take())
    waiting = Wire(house.front).feed(RIGHT)
    sent = Wire(house.front).feed(RIGHT).take()
    assert [429] == statuses(sent)
    assert b"\r\nRetry-After: 10\r\n" in sent
    assert b"" == waiting.take()


def test_passwords_that_cannot_be_checked_are_503(house: House) -> None:
    """It is not the client's fault, and it may try again."""
    wire = Wire(house.front).feed(RIGHT)
    house.reactor.children[0].end(1)
    sent = wire.take()
    assert [503] == statuses(sent)
    assert b"Retry-After: " in sent


def test_the_body_of_a_refused_request_is_not_kept(tmp_path: Path) -> None:
    """Who has not signed in fills no disk; and what is thrown away has the bounds of what is kept."""
    house = House(tmp_path, max_body=1000)
    head = login(method=b"POST", more=b"Transfer-Encoding: chunked\r\n")
    wire = Wire(house.front).feed(head + b"1f4\r\n" + b"x" * 500 + b"\r\n")
    journey = wire.connection._current
    assert journey is not None
    assert journey._body is None or b"" == journey._body.start()
    wire.feed(b"0\r\n\r\n")
    assert [401] == statuses(wire.take())
    assert not wire.over
    wire = Wire(house.front).feed(head)
    for _ in range(3):
        wire.feed(b"1f4\r\n" + b"x" * 500 + b"\r\n")
    assert [413] == statuses(wire.take())
    assert wire.half_closed


def test_a_body_waits_for_the_password(house: House) -> None:
    """What comes with a right password arrives whole."""
    request = login(basic("ann", "secret"), b"POST", b"Content-Length: 5\r\n", b"hello")
    Wire(house.front).feed(request)
    house.work()
    assert [b"hello"] == house.lane.bodies


def test_a_request_sent_again_is_still_the_same_user_s(house: House) -> None:
    """The worker that takes over hears the name too."""
    second = FakeLane(house.front, "worker 2")
    house.front.balancer.add(second)
    Wire(house.front).feed(RIGHT)
    house.work()
    second.lose(WorkerLost("it closed its lane"))
    assert [True] == [b"Tracd-Cluster-User: ann\r\n" in head for head in house.lane.heads]
    assert second.heads == house.lane.heads


def test_digest_signs_in_without_a_password_on_the_wire(tmp_path: Path) -> None:
    """Challenge, response, page; a response that somebody has overheard is worth nothing."""
    house = House(tmp_path, "digest")
    wire = Wire(house.front).feed(login())
    found = re.search(rb'nonce="([^"]+)"', wire.take())
    assert found is not None
    request = login(digest("ann", "secret", found[1], 1))
    house.lane.always_ok()
    assert [200] == statuses(wire.feed(request).take())
    assert b"Tracd-Cluster-User: ann\r\n" in house.lane.heads[0]
    overheard = Wire(house.front).feed(request).take()
    assert [401] == statuses(overheard)
    assert b"stale=true" in overheard


def test_two_passwords_are_none(house: House) -> None:
    """A request with two Authorization fields is refused: nobody can tell which one would count."""
    wire = Wire(house.front).feed(login(basic("ann", "secret"), more=b"Authorization: Basic YTpi\r\n"))
    assert [400] == statuses(wire.take())


def test_a_draining_front_lets_logins_end(house: House) -> None:
    """A stop waits for a password that is being checked, and for its page."""
    wire = Wire(house.front).feed(RIGHT)
    ended: list[None] = []
    house.front.stopService().addCallback(ended.append)
    house.wait(5)
    assert [] == ended
    house.work()
    house.lane.say(OK)
    assert b"Connection: close" in wire.take()
    wire.leave()
    assert [None] == ended
