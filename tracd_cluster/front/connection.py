"""A client's connection: requests are answered in their order, and every wait has an end.

llhttp cannot be paused, so one read may bring several requests: the first is under way (``_current``), the others
wait (``_backlog``). Bytes that arrive while a request is under way are kept unread (``_held``). One journey at a
time speaks to the client.

Phases, by what happens at ``deadline``: idle between requests (close), reading a head or a body (408), a journey
under way (its ``timed_out``), closing (abort).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.errors import ClientFault
from tracd_cluster.front import pages
from tracd_cluster.front.admission import identity_lines
from tracd_cluster.front.answering import Answering
from tracd_cluster.front.client import Client
from tracd_cluster.front.head import Head
from tracd_cluster.front.journey import Journey
from tracd_cluster.front.pace import Pace, body_deadline
from tracd_cluster.front.reader import RequestReader
from tracd_cluster.front.refusing import refusal
from tracd_cluster.settings.front import FrontSettings

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

HELD_LIMIT = 64 * 1024
"""Bytes kept of a client that sends ahead; beyond, it is read no further until its request is answered."""

LINGER = 5.0
"""Seconds to go on reading, and throwing away, what a client sends that has been refused; as nginx's lingering."""


@implementer(IPushProducer)
class Connection(Protocol):
    """One client, from the accepted connection to its end."""

    transport: Any
    """A stream transport of Twisted's, plain or TLS."""

    def __init__(self, front: Front, scheme: bytes) -> None:
        self._front = front
        self.scheme = scheme
        self._reader = RequestReader(front.settings, self)
        self._current: Journey | None = None
        self._backlog: deque[Journey] = deque()
        self._held = bytearray()
        self._refusal: ClientFault | None = None
        self._feeding = False
        self._advancing = False
        self._closing = False
        self._close_later = False
        self._pace = Pace()
        self._body_began = 0.0
        self._send: Callable[[bytes], int] | None = None
        """The plain socket's own ``send``, for as long as it has taken all that was written."""
        self.standing = front.standing[scheme]
        self.redirect_port = front.redirect_port if scheme == b"http" else 0
        self.certified_user = b""
        self.counted_as = ""
        """Under which name it is counted at the entrance; empty if it is not."""
        self.paused = False
        self.identity = b""
        self.address = ""
        self.trusted = False
        self.here = (b"", 0)
        self.deadline: float = front.now + front.head_timeout

    def __repr__(self) -> str:
        state = "closing" if self._closing else "idle" if self.idle else "busy"
        return f"<Connection {state}, {len(self._backlog)} behind>"

    @property
    def idle(self) -> bool:
        """Tell that nothing of a request is there."""
        return self._current is None and self._reader.between and not self._closing

    @property
    def quiet(self) -> bool:
        """Tell that no request is there, but perhaps the beginning of one."""
        return self._current is None and not self._closing

    # -- the transport's side

    def connectionMade(self) -> None:  # noqa: N802
        """Begin to listen to the client."""
        transport = self.transport
        if isinstance(transport, Server) and not transport.TLS:
            self._send = transport.getHandle().send
        set_nodelay = getattr(transport, "setTcpNoDelay", None)
        if set_nodelay is not None:
            set_nodelay(True)
        transport.registerProducer(self, True)
        self._front.connections.add(self)
        self._front.deadlines.add(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take bytes from the client."""
        current = self._current
        if self._closing:
            return
        if current is None:
            if self._reader.between:
                self.deadline = self._front.now + self._front.head_timeout
            self._feed(data)
        elif not current.complete:
            self.deadline = self._front.now + self._front.body_timeout
            self._feed(data)
            if self._current is current and not current.complete:
                began, front = self._body_began, self._front
                timeout, rate = front.body_timeout, front.min_body_rate
                self.deadline = body_deadline(began, current.received, front.now, timeout, rate)
        else:
            self._hold(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client has gone."""
        self._front.connections.discard(self)
        self._front.deadlines.discard(self)
        self._closing = True
        journey, self._current = self._current, None
        if journey is not None:
            journey.client_gone()
        self._drop_backlog()
        self._held.clear()
        self._send = None
        if not self._feeding:
            self._reader.end()
        self._front.connection_lost(self)

    def pauseProducing(self) -> None:  # noqa: N802
        """The client does not take what is written."""
        self.paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        """The client has taken all that was written."""
        self.paused = False
        if self._close_later:
            self._hang_up()
        elif self._current is not None:
            self._current.client_resumed()

    def stopProducing(self) -> None:  # noqa: N802
        """The transport has gone; ``connectionLost`` follows."""

    def write(self, data: bytes) -> None:
        """Write to the client: at once if the socket takes it, else when the reactor says that it does.

        A page nearly always fits, and a turn of the reactor is a third of what it costs the front. Once something did
        not fit, all that follows goes through the transport, behind it.
        """
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

    # -- from bytes to requests

    def _feed(self, data: bytes) -> None:
        if self._closing or self._refusal is not None:
            return
        if not self.identity:
            self._learn_who()
        self._feeding = True
        try:
            self._reader.feed(data)
        except ClientFault as fault:
            self._refuse(fault)
        finally:
            self._feeding = False

    def _learn_who(self) -> None:
        """Learn who the client is, now that a PROXY line before its bytes has been read."""
        here, peer = self.transport.getHost(), self.transport.getPeer()
        host = getattr(here, "host", "localhost")
        self.here = (f"[{host}]" if ":" in host else host).encode("ascii"), getattr(here, "port", 80)
        self.address = getattr(peer, "host", "")
        if not self.address:
            self.redirect_port = 0  # a Unix socket: a server in front, whose client would be sent round in circles
        self.trusted = self._front.trusts(self.address)
        self.identity = identity_lines(self.scheme, self.here, self.address, getattr(peer, "port", 0))

    def go_by(self, settings: FrontSettings) -> None:
        """Read the next request under these settings, and believe of it no more than they say."""
        self._reader.go_by(settings)
        self.trusted = self._front.trusts(self.address)

    def head_read(self, head: Head) -> Journey:
        """Begin a journey, or line it up behind those before it."""
        journey = Journey(self._front, self, head)
        if self._current is None:
            self._begin(journey)
        else:
            self._backlog.append(journey)
        return journey

    def request_read(self, request: Journey) -> None:
        """Let a journey go on, its request being complete."""
        request.complete = True
        if request is self._current:
            request.run()

    def _begin(self, journey: Journey) -> None:
        """Let a journey speak to the client; its body may still be on its way."""
        self._current = journey
        self._body_began = self._front.now
        head = journey.head
        if head.expects_continue and not journey.complete and (head.length or head.chunked):
            self.write(pages.CONTINUE)
        self.deadline = self._front.now + self._front.body_timeout

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > HELD_LIMIT:
            self.transport.pauseProducing()

    def _refuse(self, fault: ClientFault) -> None:
        """Answer with an error and close, after the requests before it have been answered."""
        if self._closing:
            return
        self._refusal = fault
        if self._current is not None and not self._current.complete:
            self._current.drop_body()
            self._current = None
        elif self._backlog and not self._backlog[-1].complete:
            self._backlog.pop().drop_body()
        if self._current is None:
            self._say_refusal(fault)

    def _say_refusal(self, fault: ClientFault) -> None:
        self.write(refusal(self._front, self, fault))
        self._close(unread=True)

    # -- the journey's side

    def done(self, journey: Answering, keep: bool) -> None:
        """Go on with the next request, or close."""
        self._current = None
        if not keep:
            self._close(unread=bool(self._held or self._backlog))
            return
        self.deadline = self._front.now + self._front.idle_timeout
        if not self._feeding and (self._backlog or self._held or self._refusal is not None):
            self._advance()

    def _advance(self) -> None:
        """Begin the requests that wait, one after another, until one is not answered at once."""
        if self._advancing:
            return
        self._advancing = True
        while self._current is None and not self._closing:
            if self._backlog:
                journey = self._backlog.popleft()
                self._begin(journey)
                if journey.complete:
                    journey.run()
            elif self._held:
                held = bytes(self._held)
                self._held.clear()
                self.transport.resumeProducing()
                self.dataReceived(held)
            else:
                if self._refusal is not None:
                    self._say_refusal(self._refusal)
                break
        self._advancing = False

    def taking(self) -> bool:
        """Give the client more time if it takes some of what was written, and tell whether it does."""
        front = self._front
        until = self._pace.until(self.transport, self.deadline, front.now, front.body_timeout, front.min_body_rate)
        self.deadline = until or self.deadline
        return until > 0

    def broken(self) -> None:
        """Cut the connection, so that the client sees that its answer is not whole."""
        self._closing = True
        self.transport.abortConnection()

    # -- the end

    def _close(self, unread: bool) -> None:
        """Close after what was written; linger where bytes of the client's would make the kernel throw it away."""
        if self._closing:
            return
        self._closing = True
        self._drop_backlog()
        self._held.clear()
        if unread:
            self.deadline = self._front.now + LINGER
            self._half_close()
        else:
            self.deadline = self._front.now + self._front.body_timeout
            if self.paused:
                self._close_later = True
            else:
                self._hang_up()

    def _drop_backlog(self) -> None:
        for journey in self._backlog:
            journey.drop_body()
        self._backlog.clear()

    def _half_close(self) -> None:
        self.transport.unregisterProducer()
        self.transport.resumeProducing()
        getattr(self.transport, "loseWriteConnection", self.transport.loseConnection)()

    def _hang_up(self) -> None:
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def close(self) -> None:
        """Close a connection that is idle, or at least quiet."""
        self._close(unread=False)

    def timed_out(self) -> None:
        """Act on a deadline that has passed."""
        current = self._current
        if self._closing:
            if not (self._close_later and self.taking()):
                self.transport.abortConnection()
        elif current is not None and current.complete:
            current.timed_out()
        elif current is not None or not self._reader.between:
            self._refuse(ClientFault(408, "The request did not arrive in time."))
        else:
            self._close(unread=False)


_: type[Client] = Connection
