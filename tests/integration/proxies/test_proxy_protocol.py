"""Connections that begin with a PROXY header, as HAProxy and others write it, and as nobody should."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from time import monotonic

import pytest

from tests.integration.dropin.accounts import basic
from tests.integration.proxies.conftest import Town
from tests.integration.proxies.proxies import check_of_haproxy
from tests.integration.proxies.visitor import NAME
from tests.processes import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
LINE = b"PROXY TCP4 192.0.2.%d 192.0.2.1 50000 443\r\n"
PROXY = "127.0.0.1"
STRANGER = "127.0.0.2"


def version_2(address: str) -> bytes:
    """Write a header of version 2 for a client at this address."""
    addresses = socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 50000, 443)
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(addresses)) + addresses


@contextmanager
def connected(port: int, address: str = PROXY) -> Iterator[socket.socket]:
    """Connect from an address."""
    with closing(socket.create_connection(("127.0.0.1", port), 30, (address, 0))) as client:
        yield client


def rest_of(client: socket.socket) -> bytes:
    """Read to the end; a reset is one too."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def request(path: str = "/about", user: str = "") -> bytes:
    """Write a request whose answer is the connection's last."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (basic(user, "a guess") if user else {}).items())
    return f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{lines}\r\n".encode()


@pytest.fixture(params=["lines", "secure lines"])
def kind(request: pytest.FixtureRequest) -> str:
    """Ours behind the header: plain, or speaking TLS itself."""
    return str(request.param)


@pytest.fixture
def port(town: Town, kind: str) -> int:
    """The port of such a server of ours."""
    server = town.inner(kind)

    def serves() -> bool:
        assert server.tree.process.poll() is None, server.stderr
        try:
            return " 200 " in ask(town, kind, server.port, LOCAL).split("\r\n", 1)[0]
        except OSError:
            return False

    wait_until(serves, 30, "the first answer behind a header")
    return server.port


def ask(town: Town, kind: str, port: int, header: bytes, sent: bytes = b"", pieces: bool = False) -> str:
    """Send a header and a request behind it, and give the answer."""
    with connected(port) as client:
        if pieces:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(len(header)):
                client.sendall(header[number : number + 1])
        else:
            client.sendall(header)
        stream = client
        if kind == "secure lines":
            stream = ssl.create_default_context(cadata=town.authority).wrap_socket(client, server_hostname=NAME)
        with closing(stream):
            stream.sendall(sent or request())
            return rest_of(stream).decode("utf-8", "replace")


@pytest.mark.parametrize("pieces", [False, True])
def test_both_versions_name_the_client(town: Town, kind: str, port: int, pieces: bool) -> None:
    """Whole or byte by byte, the header says whom the log names."""
    number = 10 + 2 * pieces + 4 * (kind == "lines")
    for header, address in (
        (LINE % number, f"192.0.2.{number}"),
        (version_2(f"192.0.2.{number + 1}"), f"192.0.2.{number + 1}"),
        (b"PROXY TCP6 2001:db8:0:0::%d ::1 50000 443\r\n" % number, f"2001:db8::{number}"),
    ):
        assert " 401 " in ask(town, kind, port, header, request("/login", f"maren{number}"), pieces)
        line = f"Login failed from {address} for user 'maren{number}'"
        wait_until(lambda line=line: line in town.inner(kind).stderr, 10, line)  # type: ignore[misc]


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ::1 ::1 1 2\r\n", LOCAL])
def test_a_proxy_may_speak_for_itself(town: Town, kind: str, port: int, header: bytes) -> None:
    """Health checks do: they get an answer, and who only knocks is let go without a word in the log."""
    assert ask(town, kind, port, header).startswith("HTTP/1.1 200 ")
    before = town.inner(kind).stderr
    with connected(port) as client:
        client.sendall(header)
        client.shutdown(socket.SHUT_WR)
        assert b"" == rest_of(client)
    assert before == town.inner(kind).stderr


@pytest.mark.parametrize(
    "begun",
    [
        request(), b"PROXY TCP4 \r\n", b"PROXY TCP4 here there 1 2\r\n",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 http 443\r\n",
        b"PROXY " + 200 * b"x", SIGNATURE + b"\x2f\x11\0\x0c" + bytes(12), SIGNATURE + b"\x21\x11\0\0",
        b"\x16\x03\x01\x02\0\x01\0",
    ],
)  # fmt: skip
def test_what_is_no_header_is_closed(town: Town, kind: str, port: int, begun: bytes) -> None:
    """A request without the header, or behind a wrong one, is not answered."""
    with connected(port) as client:
        client.sendall(begun)
        assert b"" == rest_of(client)
    wait_until(lambda: "did not begin with a PROXY header" in town.inner(kind).stderr, 10, "the warning")


def test_a_stranger_is_closed(town: Town, kind: str, port: int) -> None:
    """Nobody but the proxy may say who somebody is."""
    with connected(port, STRANGER) as client:
        with suppress(OSError):
            client.sendall(LINE % 66 + request())
        assert b"" == rest_of(client)
    said = f"A connection from {STRANGER}, which is no trusted proxy, was closed"
    wait_until(lambda: said in town.inner(kind).stderr, 10, said)
    assert "192.0.2.66" not in town.inner(kind).stderr


@pytest.mark.parametrize("begun", [b"", b"PROXY TCP4 192", SIGNATURE[:5], LINE % 9])
def test_a_header_that_does_not_come_is_not_waited_for(port: int, begun: bytes) -> None:
    """--head-timeout ends it, be it the header or what should follow."""
    with connected(port) as client:
        client.sendall(begun)
        start = monotonic()
        rest_of(client)
        assert 0.5 < monotonic() - start < 10


@pytest.mark.parametrize(
    ("name", "found"),
    [("haproxy", "L7OK"), ("haproxy tcp 1", "L4OK"), ("haproxy tcp 2", "L4OK"), ("haproxy plain", "L4OK"),
     ("haproxy asking 1", "L7OK"), ("haproxy asking 2", "L7OK")],
)  # fmt: skip
def test_haproxys_checks_find_us_alive(name: str, found: str, town: Town) -> None:
    """Whether they only connect or ask for a page, behind a header that speaks for nobody."""
    town.site(name)
    wait_until(lambda: check_of_haproxy(town.places[name]) == found, 10, found)
