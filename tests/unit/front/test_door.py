"""The door: who is held to limits, who is not, and what the operator hears."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from tests.unit.front.wire import make_front
from tracd_cluster.configuration.values import network
from tracd_cluster.errors import TooMany
from tracd_cluster.front.door import Door
from tracd_cluster.front.head import Head
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.clients import ClientSettings


def head(*fields: Field, target: bytes = b"/wiki") -> Head:
    """Make the head of a request."""
    return Head(b"GET", "1.1", target, [(b"Host", b"x"), *fields])


def make_door(trusts: Any = lambda address: False, **settings: Any) -> Door:
    """Make a door that lets in one request at a time, unless told otherwise."""
    return Door(ClientSettings(**{"client_requests": 1, "client_rate": 0.0, **settings}), trusts)


def test_one_client_does_not_count_for_another() -> None:
    """Each address has its own."""
    door = make_door()
    assert door.enter("192.0.2.1", head(), 0.0)
    assert door.enter("192.0.2.2", head(), 0.0)
    with pytest.raises(TooMany) as refused:
        door.enter("192.0.2.1", head(), 0.0)
    assert (429, "at_once") == (refused.value.status, refused.value.refused_for)
    assert b"Retry-After: 1\r\n" == refused.value.lines


def test_who_comes_too_often_is_told_when_to_come_again() -> None:
    """In whole seconds, of which the last is over."""
    door = make_door(client_requests=0, client_rate=0.25, client_burst=1)
    door.enter("192.0.2.1", head(), 10.0)
    with pytest.raises(TooMany) as refused:
        door.enter("192.0.2.1", head(), 10.5)
    assert ("rate", b"Retry-After: 4\r\n") == (refused.value.refused_for, refused.value.lines)
    door.enter("192.0.2.1", head(), 14.5)


@pytest.mark.parametrize(
    ("address", "exempt"),
    [
        ("", True),
        ("10.1.2.3", True),
        ("2001:db8::7", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.9", True),
        ("11.1.2.3", False),
        ("2001:db9::7", False),
        ("fe80::1%eth0", False),
    ],
)
def test_whom_nobody_counts(address: str, exempt: bool) -> None:
    """Networks that are allowed, proxies that have not said who asks, and who comes by a Unix socket."""
    allowed = tuple(map(network, ("10.0.0.0/8", "2001:db8::/32")))
    door = make_door(lambda one: one == "192.0.2.9", client_allow=allowed)
    door.enter(address, head(), 0.0)
    if exempt:
        assert () == door.enter(address, head(), 0.0)
    else:
        with pytest.raises(TooMany):
            door.enter(address, head(), 0.0)


@pytest.mark.parametrize(
    "claim",
    [
        head((b"Cookie", b"a=b; trac_auth=00112233")),
        head((b"Authorization", b"Basic eDp5")),
        head(target=b"/project/login?referer=x"),
    ],
)
def test_strangers_do_not_use_up_what_their_neighbours_have(claim: Head) -> None:
    """Who says that he has signed in, or is about to, is let in beside strangers of the same address."""
    door = make_door()
    door.enter("192.0.2.1", head((b"Cookie", b"trac_session=1")), 0.0)
    assert door.enter("192.0.2.1", claim, 0.0)
    with pytest.raises(TooMany):
        door.enter("192.0.2.1", claim, 0.0)


def test_new_settings_count_from_the_next_request_on() -> None:
    """Who was exempt may not be any more, and the other way round."""
    door = make_door(client_allow=(network("10.0.0.0/8"),))
    assert () == door.enter("10.0.0.1", head(), 0.0)
    door.take(ClientSettings(client_requests=1, client_allow=()))
    assert door.enter("10.0.0.1", head(), 0.0)
    with pytest.raises(TooMany):
        door.enter("10.0.0.1", head(), 0.0)


def test_the_log_says_so_once_in_a_while() -> None:
    """A flood of refusals is one line a minute, with their number; a proxy that was not named is guessed at."""
    told: list[str] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "tracd_cluster.front.door":
            told.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(observe)
    door = make_door()
    for address in ("127.0.0.1", "192.0.2.1"):
        door.enter(address, head(), 0.0)
    for number in range(140):
        with pytest.raises(TooMany):
            door.enter("127.0.0.1" if number == 0 else "192.0.2.1", head(), number)
    globalLogPublisher.removeObserver(observe)
    assert [1, 60, 60] == [int(line.split()[1]) for line in told]
    assert "127.0.0.1" in told[0]
    assert "--client-requests 1" in told[0]
    assert "--trusted-proxy" in told[0]
    assert "--trusted-proxy" not in told[1]


def test_a_front_without_a_door_holds_nobody() -> None:
    """Whoever wires it says so."""
    assert make_front()[0].door is None
