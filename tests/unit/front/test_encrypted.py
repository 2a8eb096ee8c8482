"""The encrypted transport, between a socket that is none and a real TLS client."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.certificates import PASSPHRASE, authority, ca_file, chain_of, issue, key_of, put
from tests.unit.front.pumped import Client, trusting
from tests.unit.front.wire import FakeLane, make_front, statuses
from tracd_cluster.front.encrypted import PLAIN_LIMIT, Encrypted
from tracd_cluster.front.listener import Front
from tracd_cluster.front.tls import Contexts
from tracd_cluster.settings.front import TlsSettings

GET = b"GET /a HTTP/1.1\r\nHost: a.example.org\r\n\r\n"


class Socket:
    """What Twisted would have of an accepted connection."""

    def __init__(self, encrypted: Encrypted) -> None:
        self.sent = b""
        self.closed = self.half_closed = self.aborted = False
        self.producer: Any = None
        self.encrypted = encrypted
        encrypted.makeConnection(self)  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        self.sent += data

    def take(self) -> bytes:
        """Give what has been sent since the last time."""
        sent, self.sent = self.sent, b""
        return sent

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        self.producer = producer

    def unregisterProducer(self) -> None:  # noqa: N802
        self.producer = None

    def pauseProducing(self) -> None:  # noqa: N802
        pass

    resumeProducing = pauseProducing  # noqa: N815

    def loseConnection(self) -> None:  # noqa: N802
        self.closed = True

    def loseWriteConnection(self) -> None:  # noqa: N802
        self.half_closed = True

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True
        self.encrypted.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]

    def getHost(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "127.0.0.1", 443)

    def getPeer(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "192.0.2.1", 50000)


class Line:
    """A client, its socket, and the front at the other end."""

    def __init__(
        self, front: Front, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> None:
        assert front.contexts is not None
        encrypted = front.encrypted(front.contexts).buildProtocol(None)
        assert encrypted is not None
        self.socket = Socket(encrypted)
        self.client = Client(context or trusting(), "a.example.org", session)

    def shake_hands(self) -> Line:
        """Come to where requests can be made."""
        while not self.client.step():
            self.pump()
        self.pump()
        return self

    def pump(self) -> None:
        """Pass bytes on, both ways."""
        if data := self.client.take():
            self.socket.encrypted.dataReceived(data)
        self.client.receive(self.socket.take())

    def ask(self, request: bytes = GET) -> bytes:
        """Send a request, and give what comes back at once."""
        self.socket.encrypted.dataReceived(self.client.write(request))
        return self.answer()

    def answer(self) -> bytes:
        """Give what has come."""
        self.pump()
        return self.client.read()


def make(tmp_path: Path, tls: dict[str, Any] | None = None, **settings: Any) -> tuple[Front, Clock]:
    """Make a front with a certificate whose key is encrypted."""
    leaf = issue("a.example.org")
    put(tmp_path / "key.pem", key_of(leaf, PASSPHRASE))
    put(tmp_path / "pass", PASSPHRASE)
    files: dict[str, Any] = {
        "certificate": str(put(tmp_path / "cert.pem", chain_of(leaf))), "key": str(tmp_path / "key.pem"),
        "passphrase_file": str(tmp_path / "pass"),
    }  # fmt: skip
    front, clock = make_front(tls=TlsSettings(**files, **(tls or {})), **settings)
    assert front.contexts is not None
    front.contexts.read(clock.seconds())
    return front, clock


class Counting(Contexts):
    """Counts what it has made ready."""

    made = 0

    def connection(self) -> SSL.Connection:
        self.made += 1
        return super().connection()


def test_nothing_is_made_ready_for_who_says_nothing(tmp_path: Path) -> None:
    """There may be thousands of those; who speaks in pieces gets one encryption."""
    front, clock = make(tmp_path)
    assert front.settings.tls is not None
    front.contexts = contexts = Counting(front.settings.tls)
    contexts.read(clock.seconds())
    silent, line = Line(front), Line(front)
    assert 0 == contexts.made
    line.client.step()
    for byte in line.client.take():
        line.socket.encrypted.dataReceived(bytes([byte]))
    line.pump()
    line.shake_hands()
    assert 1 == contexts.made
    clock.advance(60)
    front.sweep()
    assert silent.socket.aborted or silent.socket.closed


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    """A worker is told of https, and every answer says that it stays so, the front's own pages as well."""
    front, _ = make(tmp_path, {"hsts": 300})
    lane = FakeLane(front)
    front.balancer.add(lane)
    line = Line(front).shake_hands()
    assert b"" == line.ask()
    assert b"Tracd-Cluster-Server: https 127.0.0.1 443\r\n" in lane.heads[0]
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    answer = line.answer()
    assert [200] == statuses(answer)
    assert b"\r\nStrict-Transport-Security: max-age=300\r\n" in answer
    assert front.contexts is not None
    assert {"ok": 1, "failed": 0} == front.contexts.handshakes
    answer = line.ask(b"GET /../a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [400] == statuses(answer)
    assert b"\r\nStrict-Transport-Security: max-age=300\r\n" in answer


def test_nothing_is_said_of_hsts_unless_it_is_wanted(tmp_path: Path) -> None:
    """Who once has it cannot go back."""
    front, _ = make(tmp_path)
    assert b"Strict" not in Line(front).shake_hands().ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")


def test_a_large_answer_arrives_whole(tmp_path: Path) -> None:
    """It is more than one record."""
    front, _ = make(tmp_path)
    line = Line(front).shake_hands()
    body = bytes(range(256)) * 1000
    line.socket.encrypted.write(body)
    assert body == line.answer()


def test_it_says_that_it_closes_and_closes(tmp_path: Path) -> None:
    """Whether or not the client agrees."""
    front, _ = make(tmp_path)
    line = Line(front).shake_hands()
    assert [204] == statuses(line.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    line.answer()
    assert line.client.over
    assert line.socket.closed
    line.socket.encrypted.write(b"more")
    assert b"" == line.socket.take()


def test_one_that_is_refused_is_heard_out(tmp_path: Path) -> None:
    """Closing at once would take the answer from a client that still sends; the end is said all the same."""
    front, clock = make(tmp_path)
    line = Line(front).shake_hands()
    assert [400] == statuses(line.ask(b"GET / HTTP/1.1\r\n\r\n"))
    line.answer()
    assert line.client.over
    assert (True, False) == (line.socket.half_closed, line.socket.closed)
    line.socket.encrypted.dataReceived(line.client.write(b"x" * 1000))
    clock.advance(60)
    front.sweep()
    assert line.socket.aborted


def test_one_that_is_cut_says_nothing(tmp_path: Path) -> None:
    """A client is not to take half an answer for a whole one."""
    front, _ = make(tmp_path)
    line = Line(front).shake_hands()
    line.socket.encrypted.abortConnection()
    assert (True, b"") == (line.socket.aborted, line.socket.take())
    assert set() == front.connections


def test_a_client_that_says_goodbye(tmp_path: Path) -> None:
    """It gets the same, and the connection is closed."""
    front, _ = make(tmp_path)
    line = Line(front).shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        line.client.tls.unwrap()
    line.pump()
    line.client.read()
    assert (True, True) == (line.client.over, line.socket.closed)


def test_a_handshake_that_stalls_is_closed(tmp_path: Path) -> None:
    """Bytes that come one by one do not help."""
    front, clock = make(tmp_path, head_timeout=5.0)
    line = Line(front)
    line.client.step()
    hello = line.client.take()
    for byte in hello[:6]:
        line.socket.encrypted.dataReceived(bytes([byte]))
        clock.advance(1)
        front.sweep()
    assert line.socket.aborted
    assert set() == front.connections


def test_what_is_no_tls_is_answered_by_an_alert(tmp_path: Path) -> None:
    """And closed."""
    front, _ = make(tmp_path)
    line = Line(front)
    line.socket.encrypted.dataReceived(b"\x80\x2e\x01\x00\x02" + bytes(50))
    assert line.socket.closed
    assert front.contexts is not None
    assert {"ok": 0, "failed": 1} == front.contexts.handshakes


@pytest.mark.parametrize("pieces", [1, 3])
def test_plain_http_is_told_where_to_go(tmp_path: Path, pieces: int) -> None:
    """In one piece or in several; what is sent after it is not read, and the end comes by itself."""
    front, clock = make(tmp_path, {"hsts": 9})
    line = Line(front)
    data = b"POST /wiki HTTP/1.1\r\nHost: a.example.org:8443\r\n\r\n"
    size = len(data) // pieces
    for at in range(0, len(data), size):
        line.socket.encrypted.dataReceived(data[at : at + size])
    answer = line.socket.take()
    assert [400] == statuses(answer)
    assert b"<p>This port speaks HTTPS: https://a.example.org:8443/wiki</p>" in answer
    assert b"Strict" not in answer
    assert (True, False) == (line.socket.half_closed, line.socket.closed)
    line.socket.encrypted.dataReceived(b"GET / HTTP/1.1\r\n\r\n" * 10)
    assert b"" == line.socket.take()
    clock.advance(60)
    front.sweep()
    assert line.socket.aborted


def test_plain_http_without_end_is_answered_too(tmp_path: Path) -> None:
    """There is a limit to what is kept of it."""
    front, _ = make(tmp_path)
    line = Line(front)
    line.socket.encrypted.dataReceived(b"GET /" + b"a" * PLAIN_LIMIT)
    assert b"<p>This port speaks HTTPS.</p>" in line.socket.take()


@pytest.mark.parametrize(
    ("part", "user"), [("cn", b"In%C3%AAs%20%C3%9C."), ("email", b"ines%40example.org"), (None, b"")]
)
def test_the_user_that_a_certificate_names(tmp_path: Path, part: str | None, user: bytes) -> None:
    """By the part that was asked for; nobody if none was."""
    tls = {"client_ca": str(ca_file(tmp_path, "second")), "client_cert": "optional", "client_cert_user": part}
    front, _ = make(tmp_path, tls)
    leaf = authority("second").issue_cert("ines@example.org", common_name="Inês Ü.")
    context = trusting()
    context.load_cert_chain(put(tmp_path / "client.pem", key_of(leaf) + chain_of(leaf)))
    Line(front, context).shake_hands()
    assert user == next(iter(front.connections)).certified_user
    front.connections.clear()
    Line(front).shake_hands()
    assert b"" == next(iter(front.connections)).certified_user


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_expired_certificate_does_not_live_on_in_a_session(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """OpenSSL does not look at it again when a session is resumed."""
    front, clock = make(tmp_path, {"client_ca": str(ca_file(tmp_path, "second")), "client_cert_user": "cn"})
    leaf = authority("second").issue_cert("ines@example.org", common_name="ines")
    context = trusting(version)
    context.load_cert_chain(put(tmp_path / "client.pem", key_of(leaf) + chain_of(leaf)))
    first = Line(front, context).shake_hands()
    first.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    session = first.client.session
    front.connections.clear()
    again = Line(front, context, session).shake_hands()
    assert (True, b"ines") == (again.client.tls.session_reused, next(iter(front.connections)).certified_user)
    front.now = leaf_end = 4e10
    late = Line(front, context, session).shake_hands()
    assert (True, b"") == (late.socket.aborted, late.ask()), leaf_end
    assert clock.seconds() < leaf_end
