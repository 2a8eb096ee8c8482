"""A foreign lane: one place at an HTTP server that is not ours, reached by TCP or TLS and connected when needed.

Lifetime. Its owner makes a lane for a server; the balancer lends it to one exchange at a time. A lane is idle, with or
without a kept connection; or asking, first for a connection and then for an answer; or closed, which is for ever. What
goes wrong is told to the owner first, who takes what it distrusts out of use, then to the exchange, and then the lane
gives itself back.

Note [Kept connections]. A stray byte on a kept connection is taken for the next answer, and tracd leaves some: a
chunk after the answer to HEAD, and a body that nobody has read. So a connection is used again only after a GET or
OPTIONS without a body whose answer had a clear end, said nothing of closing, and left nothing over. And a server may
close a kept connection just as a request is sent on it. That a GET can be sent again makes up for it; any other method
gets a new connection, of which nothing has left when it cannot be made.

Note [Held back]. Stock tracd sends head and body apart, and a process killed in between leaves an answer that has
begun. So what comes of an answer to a safe method is held until it is complete, or much, or has been coming for a
while; a server lost before that counts as one that has not answered, and the request is sent again.

Note [Silence]. A server that is slow is waited for; a host that has gone, or its cable, must not be. The kernel there
acknowledges what we send, and answers when ours asks whether it is still there, whatever the server is doing
(dialling.py has the times). Where nothing comes the connection is lost as ``silent``, one without an exchange as well.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tracd_cluster.errors import MalformedAnswer, WorkerFault, WorkerLost
from tracd_cluster.rewrite.outward import Outward
from tracd_cluster.upstream.framing import AnswerReader
from tracd_cluster.upstream.lane import READ_SIZE, Body, Exchange, Head, Origin, Probe
from tracd_cluster.upstream.rest import Rest
from tracd_cluster.upstream.site import Site
from tracd_cluster.upstream.wire import Dial, Wire

PROBE_PAUSE = 0.05
"""Seconds between two tries to reach a server that is starting."""

HOLD_SIZE = 64 * 1024
"""Bytes held back at the most: nearly all pages of Trac's."""
HOLD_TIME = 0.25
"""Seconds from the first byte for which an answer is held back; what is slower is meant to be read as it comes."""

_MAY_KEEP = frozenset((b"GET", b"OPTIONS"))


class Trouble(Enum):
    """What went wrong with an exchange."""

    CONNECT = "no connection"
    """Nothing of the request has left."""
    STALE = "a kept connection had ended"
    LOST = "the connection ended"
    SILENT = "its host is silent"
    MALFORMED = "no HTTP answer"
    TIMEOUT = "no answer in time"


class Owner(Protocol):
    """Who hears how a server does."""

    def answered(self, lane: ForeignLane, status: int) -> None: ...

    def troubled(self, lane: ForeignLane, trouble: Trouble, why: str) -> None: ...


class Claims(Protocol):
    """Where a lane gives itself back."""

    def release(self, lane: ForeignLane) -> None: ...


class ForeignLane:
    """One exchange at a time with a foreign server.

    ``name`` is the server's, for the log. ``served`` counts the exchanges that were answered.
    """

    ours = False
    """Its server is not believed what it names (framing.py)."""

    def __init__(
        self, name: str, site: Site, dial: Dial, owner: Owner, claims: Claims, clock: IReactorTime, rest: Rest
    ) -> None:
        self.name = name
        self.generation = 0
        self.served = 0
        self._site = site
        self._dial = dial
        self._owner = owner
        self._claims = claims
        self._clock = clock
        self._rest = rest
        self._wire: Wire | None = None
        self._reader = AnswerReader(self.ours)
        self._outward: Outward | None = None
        self._exchange: Exchange | None = None
        self._request = b""
        self._body: Body | None = None
        self._written = 0
        self._keep = False
        self._hold = False
        self._held: IDelayedCall | None = None
        self._on_kept = False
        self._probed: Callable[[], None] | None = None
        self._later: IDelayedCall | None = None
        """The next probe, or the connection after a rest."""
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "asking" if self._exchange is not None else "idle"
        return f"<ForeignLane to {self.name}, {state}, served {self.served}>"

    # -- the exchange's side

    def request_head(self, head: Head, origin: Origin, user: bytes, length: int) -> bytes:
        """Make the head of the request that is sent next, for a server that is not ours."""
        self._keep = head.method in _MAY_KEEP and not length
        self._hold = head.safe
        made, self._outward = self._site.request_head(head, origin, user, length, self._keep)
        return made

    def asked(self) -> tuple[str, str, str, float] | None:
        """Say what the server is asked at present: method, path, user, and since when; None while it is idle."""
        return self._exchange.told() if self._exchange is not None else None

    def send(self, exchange: Exchange, head: bytes, body: Body | None) -> None:
        """Send a request, on the kept connection if it may be (Note [Kept connections]) or on a new one."""
        self._exchange = exchange
        started = body.start() if body is not None else b""
        self._request = head + started
        self._written = 0
        self._reader = AnswerReader(self.ours)
        self._reader.start(exchange.no_body)
        kept = self._wire
        rest = self._rest.until and self._rest.until - self._clock.seconds()
        self._on_kept = kept is not None and self._keep and rest <= 0 and kept.alive()
        if kept is not None and self._on_kept:
            self.wire_opened(kept)
            return
        self._drop()
        self._body = None if started else body
        if rest > 0:
            self._later = self._clock.callLater(rest, self._connect)
        else:
            self._connect()

    def pause(self) -> None:
        """Read no more of the answer for now."""
        if self._wire is not None and self._wire.opened:
            self._wire.pause()

    def resume(self) -> None:
        """Go on reading the answer."""
        if self._wire is not None and self._wire.opened:
            self._wire.resume()

    def give_up(self, error: WorkerFault) -> None:
        """Close the connection because the server failed the exchange, which has been told already."""
        self._exchange = None
        self._drop()
        self._owner.troubled(self, Trouble.TIMEOUT, str(error))
        self._release()

    # -- the owner's side

    def probe(self, answered: Callable[[], None]) -> None:
        """Ask the server whether it is well, again and again; ``answered`` is called once, when it says so."""
        self._probed = answered
        self._ask()

    def close(self) -> None:
        """Close for good; an exchange under way gets what has come of its answer, or is told of the loss."""
        if self._exchange is not None and self._wire is not None and self._wire.opened:
            self._wire.read_now()
        self._closed = True
        self._drop()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.worker_lost(WorkerLost("its lane was closed"), self._written, self._handed_on)

    # -- the connection's side

    def wire_opened(self, wire: Wire) -> None:
        """Send the request, now that there is a connection."""
        request, self._request = self._request, b""
        self._written = len(request)
        wire.send(request, self._next_piece if self._body is not None else None)

    def wire_data(self, wire: Wire, data: bytes) -> None:
        """Take what the server has sent; what it sends unasked ends the connection."""
        if self._exchange is None:
            self._drop()
            return
        reader = self._reader
        try:
            reader.feed(data)
        except MalformedAnswer as error:
            if not reader.ended:
                self._fail(Trouble.MALFORMED, error)
                return
            self._keep = False
        self._go_on()

    def wire_lost(self, wire: Wire, why: str) -> None:
        """Take the end of the connection: of a kept one, of an answer that has no other end, or too soon."""
        self._wire = None
        if self._exchange is None:
            if wire.silent:
                self._owner.troubled(self, Trouble.SILENT, why)
            return
        reader = self._reader
        if reader.status:
            reader.finish()
        if reader.ended:
            self._keep = False
            self._go_on()
        elif not wire.opened:
            self._fail(Trouble.CONNECT, WorkerLost(why))
        elif wire.silent:
            self._fail(Trouble.SILENT, WorkerLost(why))
        else:
            self._fail(Trouble.STALE if self._on_kept and not reader.started else Trouble.LOST, WorkerLost(why))

    # -- inside

    def _next_piece(self) -> bytes:
        piece = self._body.read(READ_SIZE) if self._body is not None else b""
        if not piece:
            self._body = None
        self._written += len(piece)
        return piece

    def _go_on(self) -> None:
        """Hand on what has come; the lane is free before the client has all of it."""
        reader, exchange = self._reader, self._exchange
        assert exchange is not None
        if reader.status and self._outward is not None:
            reader.fields = self._outward.fields(reader.fields)
            self._outward = None
        # Only our own workers can say that they have failed.
        reader.failed = False
        if reader.ended:
            self._exchange = None
            self._let_go()
            if not (self._keep and reader.keep):
                self._end_wire()
            self._hold = False
            self._answered(reader.status)
        elif self._hold and sum(map(len, reader.pieces)) <= HOLD_SIZE:
            if self._held is None:
                self._held = self._clock.callLater(HOLD_TIME, self._hold_no_longer)
            return
        else:
            self._hold = False
            self._let_go()
        exchange.answer(reader)

    def _hold_no_longer(self) -> None:
        self._held = None
        self._hold = False
        if self._exchange is not None:
            self._exchange.answer(self._reader)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.cancel()

    @property
    def _handed_on(self) -> bool:
        """Whether the exchange has got something of its answer."""
        return self._reader.started and not self._hold

    def _answered(self, status: int) -> None:
        if self._probed is None:
            self.served += 1
            self._owner.answered(self, status)
            self._release()
        elif status < 500:
            answered, self._probed = self._probed, None
            answered()
        else:
            self._ask_later()

    def _fail(self, trouble: Trouble, error: WorkerFault) -> None:
        """Tell of an exchange that has no answer: the owner first, who may take the lane out of use."""
        exchange, self._exchange = self._exchange, None
        self._drop()
        if self._probed is not None:
            self._ask_later()
            return
        if trouble is not Trouble.CONNECT:
            self._rest.begin(self._clock.seconds())
        self._owner.troubled(self, trouble, str(error))
        if exchange is not None:
            exchange.worker_lost(error, self._written, self._handed_on)
        self._release()

    def _connect(self) -> None:
        self._later = None
        self._wire = self._dial(self)

    def _release(self) -> None:
        if not self._closed:
            self._claims.release(self)

    def _end_wire(self) -> None:
        if self._body is not None or self._wire is None:
            self._drop()
        else:
            wire, self._wire = self._wire, None
            wire.end()

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        self._body = None
        self._let_go()
        later, self._later = self._later, None
        if later is not None:
            later.cancel()
        if wire is not None:
            wire.drop()

    def _ask(self) -> None:
        self._later = None
        self._keep = self._hold = False
        self.send(Probe(), self._site.probe(), None)

    def _ask_later(self) -> None:
        if not self._closed:
            self._later = self._clock.callLater(PROBE_PAUSE, self._ask)
