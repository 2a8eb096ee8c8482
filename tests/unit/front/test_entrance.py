"""The entrance: so many connections in all and of one client, and quiet ones make room."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import provider

from tests.unit.front.wire import Wire, make_front
from tracd_cluster.errors import NobodyServing
from tracd_cluster.front.encrypted import EncryptedFactory
from tracd_cluster.front.entrance import Entrance, Guest
from tracd_cluster.front.factory import ClientFactory
from tracd_cluster.front.listener import Front
from tracd_cluster.front.proxied import ProxiedFactory
from tracd_cluster.settings.clients import ClientSettings


class FakeGuest:
    """A connection that says whether it is quiet."""

    def __init__(self, deadline: float, quiet: bool = True) -> None:
        self.deadline = deadline
        self.quiet = quiet
        self.guests: set[Guest] = set()

    def close(self) -> None:
        if self.quiet:
            self.guests.discard(self)
            self.quiet = False


def peer(host: str) -> IPv4Address:
    """Make the address of a client."""
    return IPv4Address("TCP", host, 40000)


def make(guests: set[Guest] | None = None, room: int = 100, **settings: Any) -> Entrance:
    """Make an entrance of which 10.* is exempt."""
    refused = {"all": 0, "client": 0}
    inside: set[Guest] = guests if guests is not None else set()
    return Entrance(ClientSettings(**settings), inside, lambda one: not one or one.startswith("10."), room, refused)


def test_so_many_of_one_client() -> None:
    """Others come in, and who is exempt is not counted."""
    entrance = make(client_connections=2)
    assert ["192.0.2.1", "192.0.2.1", None] == [entrance.let_in(peer("192.0.2.1"), 0.0) for _ in range(3)]
    assert "192.0.3.1" == entrance.let_in(peer("192.0.3.1"), 0.0)
    assert [""] * 9 == [entrance.let_in(peer("10.0.0.1"), 0.0) for _ in range(9)]
    assert ["", ""] == [entrance.let_in(where, 0.0) for where in (UNIXAddress(None), None)]
    entrance.left("192.0.2.1")
    assert "192.0.2.1" == entrance.let_in(peer("192.0.2.1"), 0.0)
    assert {"all": 0, "client": 1} == entrance.refused
    entrance.crowd.check_invariants()


def test_the_longest_quiet_makes_room() -> None:
    """One for each that comes, and nobody who is busy."""
    guests: set[Guest] = set()
    found = [
        FakeGuest(deadline, quiet) for deadline, quiet in ((30.0, True), (10.0, True), (5.0, False), (20.0, True))
    ]
    for each in found:
        each.guests = guests
        guests.add(each)
    entrance = make(guests, max_connections=4)
    assert "192.0.2.1" == entrance.let_in(peer("192.0.2.1"), 0.0)
    assert {30.0, 5.0, 20.0} == {each.deadline for each in guests}
    guests.add(FakeGuest(90.0, False))
    found[3].quiet = False  # it has asked for something since it was found to be quiet
    assert "192.0.2.1" == entrance.let_in(peer("192.0.2.1"), 0.0)
    assert {5.0, 20.0, 90.0} == {each.deadline for each in guests}
    guests.add(FakeGuest(91.0, False))
    assert entrance.let_in(peer("192.0.2.1"), 0.1) is None
    assert {"all": 1, "client": 0} == entrance.refused


def test_all_are_looked_at_a_few_times_a_second() -> None:
    """A flood of connections does not make the front look at all of them for each."""
    looks = 0

    class Counted(set[Guest]):
        def __iter__(self) -> Any:
            nonlocal looks
            looks += 1
            return super().__iter__()

    entrance = make(Counted({FakeGuest(1.0, False)}), max_connections=1)
    for tick in range(1000):
        assert entrance.let_in(peer("192.0.2.1"), tick / 1000) is None
    assert 4 == looks
    entrance.let_in(peer("192.0.2.1"), -3600.0)  # the clock has been set back
    assert 5 == looks


def test_there_are_no_more_than_the_system_has_room_for() -> None:
    """Whatever the options say, at the start and later."""
    entrance = make(set(), 3, max_connections=10)
    assert 3 == entrance.most
    entrance.take(ClientSettings(max_connections=10), 20)
    assert 10 == entrance.most


def test_the_log_says_so_once_in_a_while() -> None:
    """One line a minute, with the number and the option."""
    told: list[str] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "tracd_cluster.front.entrance":
            told.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(observe)
    entrance = make(client_connections=1, max_connections=7)
    for second in range(130):
        entrance.let_in(peer("192.0.2.1"), second)
    entrance.take(entrance.settings, 0)
    for second in range(190, 192):
        entrance.let_in(peer("192.0.2.1"), second)
    globalLogPublisher.removeObserver(observe)
    assert [1, 60, 60, 9] == [int(line.split()[1]) for line in told]
    assert "192.0.2.1, or its network, has too many (--client-connections 1)" in told[0]
    assert "0 are open and busy (--max-connections 7)" in told[3]


def with_entrance(**settings: Any) -> Front:
    """Make a front that counts."""
    front, _ = make_front()
    clients = ClientSettings(**settings)
    front.entrance = Entrance(clients, front.connections, lambda one: False, 100, front.refused_connections)
    return front


def test_a_connection_is_counted_from_its_beginning_to_its_end() -> None:
    """However it ends, and whether there is a PROXY line before it."""
    front = with_entrance(client_connections=2)
    assert front.entrance is not None
    factory = ClientFactory(front, b"http")
    for one in (factory, ProxiedFactory(factory, lambda address: True)):
        protocols = [one.buildProtocol(peer("192.0.2.1")) for _ in range(3)]
        assert [False, False, True] == [protocol is None for protocol in protocols]
        assert 2 == len(front.entrance.crowd)
        for protocol in protocols[:2]:
            assert protocol is not None
            protocol.makeConnection(Wire(front))
            protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]
        assert 0 == len(front.entrance.crowd)
    assert {"all": 0, "client": 2} == front.refused_connections


def test_an_encrypted_connection_that_is_too_many_is_none() -> None:
    """Before there is anything of TLS for it."""
    contexts: Any = None
    factory = EncryptedFactory(contexts, lambda where: None, bytes, float, None)
    assert factory.buildProtocol(peer("192.0.2.1")) is None


@pytest.mark.parametrize("begun", [b"", b"GET /a HTTP/1.1\r\nHo", b"HEAD /-/nothing HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_quiet_connections_of_a_real_front_make_room(begun: bytes) -> None:
    """One that waits for a request does, and one whose request does not come to its end; one that is busy does not."""
    front = with_entrance(max_connections=2)
    busy = Wire(front).feed(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    quiet = Wire(front)
    if begun:
        front.balancer.refuse_all(NobodyServing("none"))
        quiet.feed(begun)
    assert ClientFactory(front, b"http").buildProtocol(peer("192.0.2.1")) is not None
    assert (True, False) == (quiet.closed, busy.over)
