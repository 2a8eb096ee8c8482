"""The encrypted transport: between a client's socket and its connection, OpenSSL on two buffers.

Twisted's own (``twisted.protocols.tls``) would do the same with more calls for a request. Since nothing is
renegotiated, OpenSSL never waits for the client once the handshake is done, and most of Twisted's is about that.
What else is different: it sees at once when it is spoken to in plain HTTP; it writes to the socket for as long as that
takes everything, as a plain connection does; it closes when it has said so, without waiting for the client to agree;
and a connection that is cut says nothing, so that nobody takes half an answer for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any
from urllib.parse import quote

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Server
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.front import pages
from tracd_cluster.front.certificates import client_name
from tracd_cluster.front.connection import Connection
from tracd_cluster.front.https_url import plain_request_url
from tracd_cluster.front.reply import CLOSE
from tracd_cluster.front.tls import Contexts

log = Logger()

HANDSHAKE = 0x16
"""The first byte of a TLS connection (RFC 8446 section 5.1)."""

PLAIN_LIMIT = 8 * 1024
"""Bytes to look at of a plain request."""

RECORD = 16 * 1024
"""The most that one record has (RFC 8446 section 5.1)."""
OVERHEAD = 256
"""More than encryption adds to a record."""

Phase = Enum("Phase", ["FRESH", "SHAKING_HANDS", "OPEN", "PLAIN", "OVER", "DEAF"])
"""OVER: nothing more is said, what the client says is still read. DEAF: what it says is thrown away unread."""


class Encrypted(Protocol):
    """One encrypted connection: the protocol of its socket, and the transport of its Connection."""

    transport: Any
    _tls: SSL.Connection
    """Made when the client begins: one that is silent needs none of its memory."""

    def __init__(self, factory: EncryptedFactory, client: Connection) -> None:
        self._factory = factory
        self._client: Connection | None = client
        self._phase = Phase.FRESH
        self._plain = b""
        """What came of a plain request."""
        self._send: Callable[[bytes], int] | None = None
        """The socket's own ``send``, for as long as it has taken all that was written."""

    def __repr__(self) -> str:
        return f"<Encrypted {self._phase.name}, {self._client!r}>"

    # -- the socket's side

    def connectionMade(self) -> None:  # noqa: N802
        """Begin, the client being the first to speak."""
        if isinstance(self.transport, Server):
            self._send = self.transport.getHandle().send
        if self._client is not None:
            self._client.makeConnection(self)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take bytes from the client."""
        if self._phase is Phase.OPEN or self._phase is Phase.OVER:
            self._tls.bio_write(data)
            self._read()
        elif self._phase is Phase.PLAIN:
            self._plain_received(data)
        elif self._phase is Phase.DEAF:
            pass
        elif self._phase is Phase.FRESH and data[0] != HANDSHAKE and data[:1].isupper():
            self._phase = Phase.PLAIN
            self._plain_received(data)
        else:
            if self._phase is Phase.FRESH:
                self._phase = Phase.SHAKING_HANDS
                self._tls = self._factory.contexts.connection()
            self._tls.bio_write(data)
            self._shake_hands()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client has gone."""
        self._phase = Phase.OVER
        self._send = None
        client, self._client = self._client, None
        if client is not None:
            client.connectionLost(reason)

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        except SSL.Error as error:
            self._factory.contexts.handshakes["failed"] += 1
            if self._factory.contexts.asks_clients:
                why = error.args[0][-1][-1] if error.args and error.args[0] else "it went away"
                log.info("No TLS with {address}: {why}", address=getattr(self.getPeer(), "host", ""), why=why)
            self._fail()
            return
        self._phase = Phase.OPEN
        if self._factory.contexts.asks_clients and not self._meet():
            self._factory.contexts.handshakes["failed"] += 1
            self.abortConnection()
            return
        self._factory.contexts.handshakes["ok"] += 1
        self._read()

    def _meet(self) -> bool:
        """Learn whom a client's certificate names; tell whether it still counts.

        OpenSSL looks at it when a session begins, and not when that is resumed, which can go on for as long as the key
        of tickets is the same. A change of authorities changes that key (tls.py); so there is only the time to see to.
        """
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        if certificate is None or self._client is None:
            return True
        if certificate.not_valid_after_utc.timestamp() < self._factory.now():
            log.info("No TLS with {address}: certificate has expired", address=self._client.address)
            return False
        if self._factory.client_names is not None:
            name = client_name(certificate, self._factory.client_names)
            self._client.certified_user = quote(name).encode("ascii")
        return True

    def _read(self) -> None:
        """Hand on what the client has said, and send what OpenSSL has to say to that."""
        while self._client is not None:
            try:
                data = self._tls.recv(RECORD)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._say_goodbye()
                self.transport.loseConnection()
                return
            except SSL.Error:
                self._fail()
                return
            self._client.dataReceived(data)
        self._flush()

    def _fail(self) -> None:
        """Send the alert that OpenSSL has for the client, and close."""
        self._flush()
        self._phase = Phase.OVER
        self.transport.loseConnection()

    def _flush(self, size: int = RECORD) -> None:
        try:
            data = self._tls.bio_read(size)
        except SSL.Error:
            return
        self._put(data)
        if len(data) == size:
            self._flush(size)

    def _put(self, data: bytes) -> None:
        """Send bytes, encrypted as they are, behind all that was sent before."""
        if self._send is not None:
            try:
                sent = self._send(data)
            except OSError:
                sent = 0  # full, or gone: the transport finds out which
            if sent == len(data):
                return
            self._send = None
            data = data[sent:]
        self.transport.write(data)

    # -- plain HTTP, by mistake

    def _plain_received(self, data: bytes) -> None:
        """Wait for the end of a head, and say then where it should have gone."""
        self._plain += data
        head = self._plain
        if b"\n\r\n" not in head and b"\n\n" not in head and len(head) < PLAIN_LIMIT:
            return
        self._phase = Phase.DEAF
        url = plain_request_url(head)
        reason = f"This port speaks HTTPS: {url}" if url else "This port speaks HTTPS."
        self._put(pages.ErrorPages().page(400, reason, date_line=self._factory.date_line(), connection=CLOSE))
        self._close_write()

    # -- the connection's side

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if self._phase is not Phase.OPEN:
            return
        tls, size = self._tls, len(data)
        try:
            done = tls.send(data)
            while done < size:
                done += tls.send(memoryview(data)[done:])
            out = tls.bio_read(size + (size // RECORD + 1) * OVERHEAD)
        except SSL.Error:
            self._fail()
            return
        self._put(out)

    def getPeer(self) -> IAddress:  # noqa: N802
        """Give the client's address."""
        return self.transport.getPeer()  # type: ignore[no-any-return]

    def getHost(self) -> IAddress:  # noqa: N802
        """Give the address of ours that it came to."""
        return self.transport.getHost()  # type: ignore[no-any-return]

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Send small packets at once, where there are packets."""
        set_nodelay = getattr(self.transport, "setTcpNoDelay", None)
        if set_nodelay is not None:
            set_nodelay(enabled)

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        """Let the socket say when the client does not take what is sent."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:  # noqa: N802
        """Let it say so no longer."""
        self.transport.unregisterProducer()

    def startWriting(self) -> None:  # noqa: N802
        """Have the producer asked for more once the socket takes more."""
        self.transport.startWriting()

    def pauseProducing(self) -> None:  # noqa: N802
        """Read no further."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Read on."""
        self.transport.resumeProducing()

    def loseConnection(self) -> None:  # noqa: N802
        """Say that this is the end, and close behind all that was written."""
        if self._phase is Phase.OPEN:
            self._say_goodbye()
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def loseWriteConnection(self) -> None:  # noqa: N802
        """Say that this is the end, and go on reading."""
        self._say_goodbye()
        self._close_write()

    def abortConnection(self) -> None:  # noqa: N802
        """Cut the connection without a word: the client is to see that this was no proper end."""
        self._phase = Phase.OVER
        self.transport.abortConnection()

    def _say_goodbye(self) -> None:
        if self._phase is Phase.OPEN:
            self._phase = Phase.OVER
            with suppress(SSL.Error):
                self._tls.shutdown()
            self._flush()

    def _close_write(self) -> None:
        close_write = getattr(self.transport, "loseWriteConnection", self.transport.loseConnection)
        close_write()


class EncryptedFactory(Factory):
    """Makes the connections of one encrypted port."""

    noisy = False

    def __init__(
        self,
        contexts: Contexts,
        connect: Callable[[IAddress | None], Connection | None],
        date_line: Callable[[], bytes],
        now: Callable[[], float],
        client_names: str | None,
    ) -> None:
        self.contexts = contexts
        self.date_line = date_line
        self.now = now
        self.client_names = client_names
        """What of a client's certificate is a user's name, if anything."""
        self._connect = connect

    def buildProtocol(self, addr: IAddress | None) -> Encrypted | None:  # noqa: N802
        """Make a connection; None, which closes it, for one that is too many."""
        client = self._connect(addr)
        return Encrypted(self, client) if client is not None else None
