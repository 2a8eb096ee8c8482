"""A lane: the front's end of one connection to one thread of a worker.

Lifetime. The supervisor makes a lane over a connected socket and owns it; the balancer lends it to one exchange at
a time. A lane is idle (no exchange), asking (an exchange is set and its request may not be fully written yet) or
closed, and closed is for ever. Whatever ends it, ``lost`` is called once, unless the supervisor itself closed it.

A lane is its own reactor descriptor: it writes straight to the socket and asks the reactor for help only with what
the socket did not take, which for a page request is nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.errors import MalformedAnswer, WorkerFault, WorkerLost
from tracd_cluster.upstream.framing import AnswerReader

READ_SIZE = 64 * 1024
PROBE = b"OPTIONS * HTTP/1.1\r\n\r\n"


class Body(Protocol):
    """What a lane sends after the head."""

    def start(self) -> bytes: ...

    def read(self, size: int) -> bytes: ...


class Head(Protocol):
    """The head of a request, as its lane sees it."""

    method: bytes
    safe: bool
    """The method may be sent twice."""
    target: bytes
    host: bytes | None
    lines: list[bytes]
    """Header lines, that of ``host`` first."""
    length: int
    chunked: bool

    def for_worker(self, identity: bytes, length: int) -> bytes: ...


class Origin(Protocol):
    """Whose a request is, and how it has come."""

    address: str
    scheme: bytes
    here: tuple[bytes, int]
    identity: bytes
    """The lines that tell one of our own workers of all this."""


class Exchange(Protocol):
    """One request, as its lane sees it."""

    no_body: bool
    """The answer has no body whatever its head says: the method is HEAD."""

    def answer(self, reader: AnswerReader) -> None:
        """Take what has come of the answer; called after every read, last with ``reader.ended``."""

    def worker_lost(self, error: WorkerFault, written: int, answered: bool) -> None:
        """There will be no (more) answer on this lane, of whose request ``written`` bytes had left.

        ``answered`` says that some of the answer had come.
        """

    def told(self) -> tuple[str, str, str, float] | None:
        """Say what is asked, for the operator: method, path, user, and since when; None if nobody did."""


class Claims(Protocol):
    """Where a lane gives itself back."""

    def release(self, lane: Lane) -> None: ...


class Probe:
    """The exchange that asks a worker whether it serves."""

    no_body = False

    def answer(self, reader: AnswerReader) -> None:
        """Any answer will do; the lane tells of it when it is free again."""

    def worker_lost(self, error: WorkerFault, written: int, answered: bool) -> None:
        """Leave the news to the lane's owner, who hears it too."""

    def told(self) -> None:
        """Nobody asked."""


@implementer(IReadWriteDescriptor)
class Lane:
    """One exchange at a time with one thread of a worker.

    ``name`` is the worker's, for the log. ``served`` counts the exchanges that ended well.
    """

    ours = True
    """Its worker is one of our own, and believed what it names (framing.py)."""

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        lost: Callable[[Lane, str], None],
        reactor: IReactorFDSet,
        claims: Claims,
    ) -> None:
        sock.setblocking(False)
        self.name = name
        self.generation = 0
        self.served = 0
        self._socket = sock
        self._recv = sock.recv
        self._send = sock.send
        self._fd = sock.fileno()
        self._lost = lost
        self._reactor = reactor
        self._claims = claims
        self._reader = AnswerReader(self.ours)
        self._spare = AnswerReader(self.ours)
        self._exchange: Exchange | None = None
        self._body: Body | None = None
        self._unsent = b""
        self._written = 0
        self._probed: Callable[[], None] | None = None
        self._closed = False
        reactor.addReader(self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "asking" if self._exchange is not None else "idle"
        return f"<Lane of {self.name}, {state}, served {self.served}>"

    def asked(self) -> tuple[str, str, str, float] | None:
        """Say what the worker is asked at present: method, path, user, and since when; None while it is idle."""
        return self._exchange.told() if self._exchange is not None else None

    # -- the exchange's side

    def request_head(self, head: Head, origin: Origin, user: bytes, length: int) -> bytes:
        """Make the head of a request as our own workers get it; ``length`` is the size of the body."""
        identity = origin.identity
        if user:
            identity += b"Tracd-Cluster-User: %b\r\n" % user
        return head.for_worker(identity, length)

    def send(self, exchange: Exchange, head: bytes, body: Body | None) -> None:
        """Send a request, head and body; the answer goes to ``exchange``."""
        self._exchange = exchange
        self._reader.start(exchange.no_body)
        self._written = 0
        self._unsent = head + body.start() if body is not None else head
        self._body = body
        error = self._write()
        if error is not None:
            self._end(WorkerLost("its lane was closed"))

    def pause(self) -> None:
        """Read no more of the answer for now."""
        if not self._closed:
            self._reactor.removeReader(self)

    def resume(self) -> None:
        """Go on reading the answer."""
        if not self._closed:
            self._reactor.addReader(self)

    def give_up(self, error: WorkerFault) -> None:
        """Close the lane because its worker failed the exchange, which has been told already."""
        self._exchange = None
        self._end(error)

    # -- the supervisor's side

    def probe(self, answered: Callable[[], None]) -> None:
        """Ask the worker whether it serves; ``answered`` is called once, when it says so."""
        self._probed = answered
        self.send(Probe(), PROBE, None)

    def close(self) -> None:
        """Close the connection; an exchange under way gets what has come of its answer, or is told of the loss."""
        while self._exchange is not None and not self._closed:
            # The worker may have written all of it before it ended, and the reactor not have told yet.
            try:
                data = self._recv(READ_SIZE)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        self._shut(WorkerLost("its lane was closed"))

    # -- the reactor's side

    def fileno(self) -> int:
        """Give the socket's descriptor, or -1 once it is closed."""
        return self._fd

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name
        """Name this lane in a traceback the reactor logs."""
        return self.name

    def doRead(self) -> Any:  # noqa: N802
        """Take what the worker has sent; give the reason when nothing can come any more."""
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._take(data)
        return None

    def doWrite(self) -> Any:  # noqa: N802
        """Send more of the request; give the reason when nothing can be sent any more."""
        error = self._write()
        if error is None and not self._unsent and self._body is None:
            self._reactor.removeWriter(self)
            if self._reader.ended and self._exchange is not None:
                self._release()
        return error

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The worker has closed the lane, by its end or on purpose."""
        reader = self._reader
        if self._exchange is not None and reader.started and not reader.ended:
            reader.finish()
            if reader.ended:
                exchange, self._exchange = self._exchange, None
                exchange.answer(reader)
        self._end(WorkerLost("it closed its lane"))

    # -- inside

    def _take(self, data: bytes) -> None:
        """Read ``data`` as (more of) the answer and hand it on."""
        reader = self._reader
        exchange = self._exchange
        try:
            reader.feed(data)
        except MalformedAnswer as error:
            self._end(error)
            return
        assert exchange is not None
        if reader.ended and not self._unsent and self._body is None:
            # The worker gets its next request before the client gets this answer: until then it would stand idle.
            self._reader, self._spare = self._spare, reader
            self._release()
        exchange.answer(reader)

    def _write(self) -> Exception | None:
        """Send what the socket takes; give the reason when it takes nothing ever again."""
        try:
            while True:
                if not self._unsent and self._body is not None:
                    self._unsent = self._body.read(READ_SIZE)
                    if not self._unsent:
                        self._body = None
                if not self._unsent:
                    return None
                sent = self._send(self._unsent)
                self._written += sent
                if sent < len(self._unsent):
                    self._unsent = self._unsent[sent:]
                    break
                self._unsent = b""
                if self._body is None:
                    return None
        except BlockingIOError:
            pass
        except OSError:
            return CONNECTION_LOST
        self._reactor.addWriter(self)
        return None

    def _release(self) -> None:
        self._exchange = None
        if self._probed is not None:
            answered, self._probed = self._probed, None
            answered()
            return
        self.served += 1
        self._claims.release(self)

    def _end(self, error: WorkerFault) -> None:
        """Close for a reason of the worker's and tell everyone concerned: first the owner, who withdraws the lane."""
        if not self._closed:
            exchange, self._exchange = self._exchange, None
            self._shut(error)
            self._lost(self, str(error))
            if exchange is not None:
                exchange.worker_lost(error, self._written, self._reader.started)

    def _shut(self, error: WorkerFault) -> None:
        if self._closed:
            return
        self._closed = True
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._fd = -1
        self._socket.close()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.worker_lost(error, self._written, self._reader.started)
