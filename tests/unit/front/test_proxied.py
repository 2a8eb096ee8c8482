"""The header before a connection, in whatever pieces it comes."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport

from tests.unit.front.wire import FakeLane, make_front
from tracd_cluster.front.factory import ClientFactory
from tracd_cluster.front.proxied import ProxiedFactory, ProxyHeaderFault, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = IPv4Address("TCP", "10.0.0.9", 1)
LINE = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n"


def version_2(command: int, family: int, addresses: bytes) -> bytes:
    """Write a header of version 2."""
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses


FOUR = version_2(1, 0x11, bytes([192, 0, 2, 7, 10, 0, 0, 1]) + struct.pack("!HH", 50000, 443) + b"\x04\0\0")
SIX = version_2(1, 0x21, bytes(15) + b"\1" + bytes(15) + b"\2" + struct.pack("!HH", 50000, 443))
GOOD = (LINE, FOUR, b"PROXY UNKNOWN\r\n", version_2(0, 0, b""))
BAD = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"PROXYTCP4 ", b"PROXY " + 101 * b"x",
    b"PROXY TCP4 a b 1 2\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 x 2\r\n", b"PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n",
    b"PROXY TCP4 1.2.3.4\r\n", b"PROXY \r\n", b"PROXY TCP4 \xff 1.2.3.4 1 2\r\n", b"PROXY " + 101 * b"x" + b"\r\n",
    version_2(2, 0x11, bytes(12)), version_2(1, 0x11, bytes(11)), version_2(1, 0x51, bytes(12)),
    SIGNATURE + b"\x31\x11\0\x0c" + bytes(12),
)  # fmt: skip


class Kept(Protocol):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.got = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.got += data


def wire() -> StringTransport:
    """Make the transport of a connection from the proxy."""
    return StringTransport(peerAddress=PROXY)  # type: ignore[no-untyped-call]


def connect(trusts: bool = True) -> tuple[Any, Any, StringTransport]:
    """Connect from the proxy: the wrapper, the protocol behind it, the transport."""
    protocol = ProxiedFactory(Factory.forProtocol(Kept), lambda address: trusts).buildProtocol(PROXY)
    transport = wire()
    if protocol is not None:
        protocol.makeConnection(transport)
    return protocol, getattr(protocol, "wrappedProtocol", None), transport


@pytest.mark.parametrize("header", GOOD)
@pytest.mark.parametrize("step", [1, 7, 15, 16, 1000])
def test_a_header_in_any_pieces(header: bytes, step: int) -> None:
    """Behind it the connection gets all of its bytes, and nothing else."""
    protocol, kept, transport = connect()
    sent = header + b"GET / HTTP/1.1\r\n"
    for start in range(0, len(sent), step):
        protocol.dataReceived(sent[start : start + step])
    assert b"GET / HTTP/1.1\r\n" == kept.got
    assert not transport.disconnecting


@pytest.mark.parametrize("begun", BAD)
@pytest.mark.parametrize("step", [1, 1000])
def test_what_is_no_header_ends_the_connection(begun: bytes, step: int) -> None:
    """Nothing of it is taken for a request."""
    protocol, kept, transport = connect()
    for start in range(0, len(begun), step):
        protocol.dataReceived(begun[start : start + step])
    assert transport.disconnecting
    protocol.dataReceived(LINE + b"GET / HTTP/1.1\r\n")
    assert b"" == kept.got


def test_a_stranger_is_not_let_in() -> None:
    """Whoever is not trusted could say to be anybody."""
    assert connect(trusts=False)[0] is None


def test_whom_a_header_names() -> None:
    """Addresses are written as everybody writes them; nobody is named where the proxy speaks for itself."""
    for header in (LINE, FOUR):
        assert IPv4Address("TCP", "192.0.2.7", 50000) == read_header(header).source
        assert IPv4Address("TCP", "10.0.0.1", 443) == read_header(header).destination
    assert IPv6Address("TCP", "::1", 50000) == read_header(SIX).source
    assert IPv6Address("TCP", "::2", 5) == read_header(b"PROXY TCP6 0:0:0:0:0:0:0:2 ::1 5 443\r\n").source
    assert UNIXAddress(b"/a") == read_header(version_2(1, 0x31, b"/a".ljust(108, b"\0") + bytes(108))).source
    nobody = (version_2(0, 0x11, b""), version_2(1, 0, b""))
    for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ff ff 1 2\r\n", *nobody):
        assert (None, None) == (read_header(header).source, read_header(header).destination)
    with pytest.raises(ProxyHeaderFault):
        read_header(version_2(1, 0x21, bytes(35)))


def test_the_worker_hears_of_the_client() -> None:
    """And the client, who is no trusted proxy, may not say to be somebody else."""
    front, _ = make_front(trusted_proxies=())
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    protocol = ProxiedFactory(ClientFactory(front, b"https"), lambda address: True).buildProtocol(PROXY)
    protocol.makeConnection(wire())
    protocol.dataReceived(LINE[:9])
    protocol.dataReceived(LINE[9:] + b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n")
    assert b"Server: https 10.0.0.1 443\r\nTracd-Cluster-Client: 192.0.2.7 50000\r\n" in lane.heads[0]


def test_a_header_that_does_not_come_is_not_waited_for() -> None:
    """The time for a head counts from the connection on, the header's included."""
    front, clock = make_front(head_timeout=20.0)
    front.startService()
    protocol = ProxiedFactory(ClientFactory(front, b"http"), lambda address: True).buildProtocol(PROXY)
    transport = wire()
    protocol.makeConnection(transport)
    clock.pump([1.0] * 19)
    protocol.dataReceived(LINE[:20])
    assert not transport.disconnecting
    clock.pump([1.0] * 2)
    assert transport.disconnecting
    protocol.connectionLost(None)
    front.stopService()
