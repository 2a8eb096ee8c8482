"""Connections to foreign servers, by TCP or TLS, over Twisted's own transports.

Note [How silence is noticed]. What is sent and not acknowledged within SILENCE ends a connection (TCP_USER_TIMEOUT).
On one that waits, the kernel asks the other after two seconds, and then every second (SO_KEEPALIVE). The first would
also end a connection to a server that does not read, once its host has no more room for what we send. So it holds for
requests that any host has room for; a large one is bounded by its own deadline, as are all where the system has no
such option.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IProtocolFactory, IPullProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.errors import StartError
from tracd_cluster.upstream.wire import Dial, Wire, WireOwner

CONNECT_TIMEOUT = 4.0
"""Seconds for a connection, TLS included: a second try of a lost SYN comes after one, the third after three."""

SILENCE = 4.0
"""Seconds without a sign of life after which a host counts as gone: more than a route or a machine that is moved takes
to come back, in most networks."""
ASK_AFTER, ASK_EVERY, ASKED = 2, 1, 2
"""Seconds of idleness, seconds between two questions, and how many go without an answer: SILENCE in all."""
TAKEN_UNREAD = 32 * 1024
"""Bytes that every host takes before its server reads any: half of Linux's least."""

QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux has it. Stock tracd sends head and body in two small packets and waits between them for our acknowledgement,
which the kernel holds back for 40 ms unless told otherwise, and it has to be told again and again (tcp(7))."""
USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
KEEP_IDLE = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
KEEP_INTERVAL = getattr(socket, "TCP_KEEPINTVL", None)
KEEP_COUNT = getattr(socket, "TCP_KEEPCNT", None)


def tls_for(host: str, ca_file: str | None) -> Any:
    """Make what checks that a TLS server is ``host``; raise StartError for a file of authorities that is none."""
    trust: Any = platformTrust()  # type: ignore[no-untyped-call]
    make: Any = Certificate
    trust_in: Any = trustRootFromCertificates
    if ca_file is not None:
        try:
            with open(ca_file, "rb") as file:
                found = load_pem_x509_certificates(file.read())
        except (OSError, ValueError) as error:
            raise StartError(f"--upstream-ca {ca_file} holds no certificates in PEM: {error}") from None
        trust = trust_in([make(crypto.X509.from_cryptography(each)) for each in found])
    return optionsForClientTLS(host, trustRoot=trust)


def dialler(reactor: Any, address: str, port: int, tls: Any = None) -> Dial:
    """Make the function that connects to one server, with TLS as ``tls_for`` makes it."""
    kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    endpoint: Any = kind(reactor, address, port, timeout=CONNECT_TIMEOUT)
    if tls is not None:
        endpoint = wrapClientTLS(tls, endpoint)
    return partial(_dial, reactor, endpoint, tls is not None)


def _dial(reactor: Any, endpoint: Any, tls: bool, owner: WireOwner) -> Wire:
    wire = TCPWire(owner, tls, reactor.seconds)
    wire.connecting = endpoint.connect(_factory(wire))
    wire.connecting.addErrback(wire.failed)
    if tls:
        wire.impatience = reactor.callLater(CONNECT_TIMEOUT, wire.too_slow)
    return wire


def _factory(wire: TCPWire) -> IProtocolFactory:
    made = Factory.forProtocol(lambda: wire)
    made.noisy = False
    return made


@implementer(IHandshakeListener)
class TCPWire(Protocol):
    """One connection, from the first try to its end."""

    transport: Any

    def __init__(self, owner: WireOwner, tls: bool, seconds: Callable[[], float]) -> None:
        self.opened = False
        self.silent = False
        self.connecting: Deferred[Any] | None = None
        self.impatience: Any = None
        self._owner: WireOwner | None = owner
        self._tls = tls
        self._socket: Any = None
        self._seconds = seconds
        self._heard_at = 0.0

    # -- the transport's side

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Be there, unless TLS has still to be agreed on."""
        transport = self.transport.transport if self._tls else self.transport
        transport.setTcpNoDelay(True)
        self._socket = transport.getHandle()
        self._heard_at = self._seconds()
        _ask_for_life(self._socket)
        if self._owner is None:
            self.transport.abortConnection()
        elif not self._tls:
            self._open()

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Be there: the server is who it is to be."""
        self._open()

    def _open(self) -> None:
        self._be_patient()
        self.opened = True
        if self._owner is not None:
            self._owner.wire_opened(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hand on what has come, and have it acknowledged."""
        self._heard_at = self._seconds()
        self._acknowledge_at_once()
        if self._owner is not None:
            self._owner.wire_data(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Tell of the end."""
        self._lost(reason)

    def failed(self, reason: Failure) -> None:
        """Tell that there will be no connection."""
        self._lost(reason)

    def too_slow(self) -> None:
        """Give up a server that does not come to an end with TLS."""
        self.impatience = None
        owner, self._owner = self._owner, None
        self._close()
        if owner is not None:
            owner.wire_lost(self, f"it did not agree on TLS within {CONNECT_TIMEOUT:g} s")

    def _lost(self, reason: Failure) -> None:
        self._be_patient()
        heard = self._seconds() - self._heard_at
        # What the kernel calls it Twisted keeps to itself. A server that is killed says so.
        self.silent = self.opened and isinstance(reason.value, ConnectionLost) and heard >= SILENCE - 0.1
        owner, self._owner = self._owner, None
        if owner is not None and not isinstance(reason.value, CancelledError):
            why = f"nothing has been heard of it for {heard:.1f} s" if self.silent else _why(reason.value, self.opened)
            owner.wire_lost(self, why)

    # -- the lane's side

    def alive(self) -> bool:
        """Look at the socket: the reactor may not have told yet what has happened to it."""
        if not self.opened or self._owner is None:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send(self, data: bytes, body: Callable[[], bytes] | None) -> None:
        """Write straight to the socket if that takes it, as the front does; the rest when the reactor says so."""
        _bound_silence(self._socket, body is None and len(data) <= TAKEN_UNREAD)
        if not self._tls:
            with suppress(OSError):
                data = data[self._socket.send(data) :]
        if data:
            self.transport.write(data)
        self._acknowledge_at_once()
        if body is not None:
            self.transport.registerProducer(_Upload(self.transport, body), False)

    def pause(self) -> None:
        """Read no more for now."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Go on reading."""
        self.transport.resumeProducing()

    def read_now(self) -> None:
        """Take what is in the socket, and its end if it has come to that."""
        if self._tls or self._owner is None:
            return
        while self._owner is not None:
            try:
                if not self._socket.recv(1, socket.MSG_PEEK):
                    break
            except OSError:
                break
            self.transport.doRead()

    def end(self) -> None:
        """Close after an answer that was complete, and tell nothing more."""
        self._owner = None
        if self._tls:
            # It would wait for the other end to agree.
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def drop(self) -> None:
        """Close at once, and tell nothing more."""
        self._owner = None
        self._be_patient()
        self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()
        elif self.connecting is not None:
            self.connecting.cancel()

    def _be_patient(self) -> None:
        impatience, self.impatience = self.impatience, None
        if impatience is not None:
            impatience.cancel()

    def _acknowledge_at_once(self) -> None:
        if QUICK_ACK is not None and self._socket is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)


@implementer(IPullProducer)
class _Upload:
    """A body that leaves as the server takes it."""

    def __init__(self, transport: Any, piece: Callable[[], bytes]) -> None:
        self._transport = transport
        self._piece = piece

    def resumeProducing(self) -> None:  # noqa: N802
        """Write the next piece."""
        data = self._piece()
        if data:
            self._transport.write(data)
        else:
            self._transport.unregisterProducer()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection has gone; that is told otherwise."""


def _ask_for_life(connected: socket.socket) -> None:
    """Have the kernel ask whether the other end is still there (Note [How silence is noticed])."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((KEEP_IDLE, ASK_AFTER), (KEEP_INTERVAL, ASK_EVERY), (KEEP_COUNT, ASKED)):
        if option is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


def _bound_silence(connected: socket.socket, bounded: bool) -> None:
    """Say whether what is sent from now on has to be acknowledged in time."""
    if USER_TIMEOUT is not None:
        with suppress(OSError):
            connected.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, int(SILENCE * 1000) if bounded else 0)


def _why(error: BaseException | None, opened: bool) -> str:
    """Say why a connection has ended, or was not made, in words for the log."""
    if isinstance(error, VerificationError):
        return "its certificate is for another host name"
    if isinstance(error, SSL.Error):
        told = error.args[0] if error.args and isinstance(error.args[0], list) else []
        words = "; ".join(str(each[-1]) for each in told) or str(error) or "no reason given"
        return f"TLS failed: {words}"
    if opened:
        return "it closed the connection"
    number = getattr(error, "osError", None)
    return f"no connection: {number or error}"
