"""A front without a network: a transport that keeps what is written, and lanes that a test answers for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import WorkerFault
from tracd_cluster.front.connection import Connection
from tracd_cluster.front.listener import Front
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.upstream.framing import AnswerReader
from tracd_cluster.upstream.lane import Body, Exchange, Head, Lane, Origin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Wire:
    """The transport of one connection: ``sent`` is what the client gets."""

    def __init__(self, front: Front, scheme: bytes = b"http") -> None:
        self.sent = b""
        self.closed = self.half_closed = self.aborted = self.gone = False
        self.reading = True
        self.producer: Any = None
        self.connection = Connection(front, scheme)
        self.connection.makeConnection(self)  # type: ignore[no-untyped-call]

    def feed(self, data: bytes) -> Wire:
        """Let the client send ``data``."""
        self.connection.dataReceived(data)
        return self

    def leave(self) -> None:
        """Let the client close; a connection is lost once."""
        if self.gone:
            return
        self.gone = True
        if self.producer is not None:
            self.producer.stopProducing()
            self.producer = None
        self.connection.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]

    def take(self) -> bytes:
        """Give what the client has got since the last time."""
        sent, self.sent = self.sent, b""
        return sent

    @property
    def over(self) -> bool:
        """The front has ended the connection, one way or another."""
        return self.closed or self.half_closed or self.aborted

    def write(self, data: bytes) -> None:
        self.sent += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        self.producer = producer
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:  # noqa: N802
        self.producer = None

    def startWriting(self) -> None:  # noqa: N802
        """All is taken at once: a producer is asked when the test says so."""

    def pauseProducing(self) -> None:  # noqa: N802
        self.reading = False

    def resumeProducing(self) -> None:  # noqa: N802
        self.reading = True

    def loseConnection(self) -> None:  # noqa: N802
        self.closed = True

    def loseWriteConnection(self) -> None:  # noqa: N802
        self.half_closed = True

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True
        self.leave()

    def getHost(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "127.0.0.1", 8000)

    def getPeer(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "10.0.0.1", 51234)


class FakeLane:
    """A lane whose worker is the test: ``heads`` and ``bodies`` are what it got, ``say`` answers."""

    def __init__(self, front: Front, name: str = "worker 1") -> None:
        self.name = name
        self.generation = 3
        self.front = front
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.reader = AnswerReader(True)
        self.exchange: Exchange | None = None
        self.paused = self.closed = False
        self.given_up: WorkerFault | None = None
        self.unanswered = 0
        self.on_send: Callable[[], None] | None = None

    def request_head(self, head: Head, origin: Origin, user: bytes, length: int) -> bytes:
        return Lane.request_head(self, head, origin, user, length)  # type: ignore[arg-type]

    def send(self, exchange: Exchange, head: bytes, body: Body | None) -> None:
        self.exchange = exchange
        self.reader.start(exchange.no_body)
        self.heads.append(head)
        data = body.start() if body is not None else b""
        while body is not None and (more := body.read(65536)):
            data += more
        self.bodies.append(data)
        if self.on_send is not None:
            self.on_send()

    def say(self, data: bytes) -> None:
        """Let the worker send ``data``."""
        exchange = self.exchange
        assert exchange is not None
        self.reader.feed(data)
        exchange.answer(self.reader)
        if self.reader.ended and self.exchange is exchange:
            self.exchange = None
            self.front.balancer.release(self)

    def lose(self, error: WorkerFault, written: int = 1, answered: bool = False) -> None:
        """Let the worker end in the middle of its exchange."""
        self.front.balancer.withdraw(self)
        exchange, self.exchange = self.exchange, None
        assert exchange is not None
        exchange.worker_lost(error, written, answered)

    def always_ok(self) -> FakeLane:
        """Let the worker answer 200 to everything, one after another."""
        self.on_send = self._answer_all
        return self

    def _answer_all(self) -> None:
        # A worker does not answer while it is being asked: the outermost call answers for all.
        self.unanswered += 1
        if self.unanswered == 1:
            while self.unanswered:
                self.say(NO_BODY if self.exchange is not None and self.exchange.no_body else OK)
                self.unanswered -= 1

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def give_up(self, error: WorkerFault) -> None:
        self.given_up = error

    def probe(self, answered: Callable[[], None]) -> None:
        answered()

    def close(self) -> None:
        self.closed = True


def make_front(**settings: Any) -> tuple[Front, Clock]:
    """Make a front on a clock of its own."""
    values = {"queue": 10, "queue_timeout": 5.0, **settings}
    clock = Clock()
    clock.advance(1_000_000)
    balancer = Balancer(values["queue"], clock=clock.seconds)
    front = Front(FrontSettings(**values), 30.0, balancer, clock)
    front.id_prefix = b"7"
    return front, clock


def statuses(sent: bytes) -> list[int]:
    """Give the statuses of the answers in ``sent``, interim ones too."""
    found = []
    while sent:
        head, _, rest = sent.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head
        found.append(int(head[9:12]))
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        sent = rest[length:]
    return found
