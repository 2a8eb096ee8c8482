"""Who takes the next request: the free lanes, and the line of requests that wait for one.

This is the only room where the data plane (``front``, ``upstream``) and the control plane (``workers``) meet. The
front claims a lane for a request and the lane gives itself back; the supervisor adds lanes and withdraws them.

Ownership and lifetime. A lane is in exactly one of three places: in ``_idle`` (free), claimed by one request (it
is in ``_lanes`` but not in ``_idle``), or withdrawn (in neither). A request is in ``_line`` or it is not: it
enters by ``claim`` and leaves by being given a lane, by ``leave``, or by being refused (``expire``, ``refuse_all``, or
by somebody who comes before it when the line is full), each of which happens once.

Note [Slow share]. Slow requests of strangers and robots (traffic/place.py) hold a part of the lanes at the most: with
every lane in such a request, a person would wait for the quickest of them. Those beyond it wait though a lane is idle,
for it may be wanted at any moment. While a lane is idle nobody else is in line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from tracd_cluster.errors import LineFull, LineTimeout, NobodyServing, TooBusy, TracdClusterError, WorkerFault
from tracd_cluster.settings.traffic import TrafficSettings
from tracd_cluster.traffic.line import Line
from tracd_cluster.traffic.place import Level, Place
from tracd_cluster.traffic.shedding import OPEN, Shedding, rank_of

if TYPE_CHECKING:
    from tracd_cluster.upstream.lane import Body, Exchange, Head, Origin

TRAFFIC = TrafficSettings()


class Waiting(Protocol):
    """A request in want of a lane."""

    queue_deadline: float
    """Absolute time (seconds, monotonic) after which it does not want to wait any more."""
    place: Place
    """Whom it stands with in line; set before it claims, and changed by ``rise`` only."""

    def lane_given(self, lane: Lane) -> None:
        """Take this lane: it is claimed for you."""

    def line_failed(self, error: TracdClusterError) -> None:
        """There will be no lane, for this reason; you are out of the line."""


class Lane(Protocol):
    """One connection to a worker: the front sends on it, the supervisor owns it."""

    name: str
    """The worker's, for the log."""
    generation: int
    """The worker's; 0 where there are none."""

    def request_head(self, head: Head, origin: Origin, user: bytes, length: int) -> bytes:
        """Make the head of the request that is sent next, as this worker wants it.

        ``user`` is the name of who has signed in, percent-encoded, or empty; ``length`` is the size of the body.
        """

    def send(self, exchange: Exchange, head: bytes, body: Body | None) -> None:
        """Send a request, head and body; the answer goes to ``exchange``."""

    def pause(self) -> None:
        """Read no more of the answer for now."""

    def resume(self) -> None:
        """Go on reading the answer."""

    def give_up(self, error: WorkerFault) -> None:
        """Close the lane because its worker failed the exchange, which has been told already."""

    def probe(self, answered: Callable[[], None]) -> None:
        """Ask the worker whether it serves; ``answered`` is called once, when it says so."""

    def close(self) -> None:
        """Close the connection; a request that is under way on it is told that its worker is lost."""


def _unheard(lane: Lane, request: str) -> None:
    """Nobody wants to know."""


class Idle(Protocol):
    """The free lanes, as far as a list is needed; ``pop`` is the choice of the next one."""

    def append(self, lane: Lane, /) -> None: ...

    def pop(self) -> Lane: ...

    def remove(self, lane: Lane, /) -> None: ...

    def __contains__(self, lane: object, /) -> bool: ...

    def __iter__(self) -> Iterator[Lane]: ...

    def __len__(self) -> int: ...


class Balancer:
    """Gives lanes to requests, and lines up the requests that found none free.

    Which lane is next is decided by ``idle``. A list gives the one used last: under light load a few workers do the
    work, their caches stay warm, and the others' memory can be paged out. Who is next in line, the line decides
    (traffic/line.py).

    ``limit`` is the number of places in the line. ``drained`` is called with each withdrawn lane as it becomes free.
    ``clock`` tells the time at which a request gets in line; one that stands still will do where nobody waits.
    """

    def __init__(
        self,
        limit: int,
        drained: Callable[[Lane], None] | None = None,
        idle: Idle | None = None,
        clock: Callable[[], float] = float,
        traffic: TrafficSettings = TRAFFIC,
    ) -> None:
        self.limit = limit
        self.clock = clock
        self.drained = drained
        self.request_lost: Callable[[Lane, str], None] = _unheard
        """Called with a lane that was lost, and the request that had reached its worker: it may be the cause."""
        self.request_hung: Callable[[Lane, str], None] = _unheard
        """Called with a lane whose request has run out of time, and the request; then the lane is given up."""
        self.nobody: NobodyServing | None = None
        """Set while no worker is there and none is expected soon: requests are refused instead of lined up."""
        self.changes = 0
        """How often a lane was added or withdrawn: while it stays the same, so do the workers."""
        self._lanes: set[Lane] = set()
        self._idle: Idle = idle if idle is not None else []
        self._line: Line[Waiting] = Line(traffic.shares)
        self.shedding = Shedding(traffic.queue_target)
        """Who does not wait at the moment."""
        self._slow: set[Lane] = set()
        """The lanes that slow requests hold."""
        self._most_slow = 1
        """How many lanes they may hold (Note [Slow share])."""
        self.take(traffic)

    def __repr__(self) -> str:
        return f"<Balancer {len(self._lanes)} lanes, {len(self._idle)} idle, {self._line.size} in line>"

    def take(self, traffic: TrafficSettings) -> None:
        """Go by these settings from now on."""
        self._traffic = traffic
        self._line.take_shares(traffic.shares)
        if traffic.queue_target != self.shedding.target:
            self.shedding.take(traffic.queue_target)
        self._count_slow()

    # -- the front's side

    def claim(self, request: Waiting) -> Lane | None:
        """Give a free lane to ``request``, or put it in line and give None.

        Raises LineFull when no place is left, TooBusy for a class that does not wait at the moment, and NobodyServing
        while there is no worker to wait for.
        """
        if self._idle and (not request.place.slow or len(self._slow) < self._most_slow):
            return self._take_idle(request) if request.place.slow else self._idle.pop()
        if self.nobody is not None and not self._lanes:
            raise self.nobody
        if self.shedding.floor < OPEN and rank_of(request.place) >= self.shedding.floor:
            raise TooBusy(f"{request.place.level.word} do not wait at the moment")
        if self._line.size >= self.limit:
            self._make_room(request.place.level)
        self._line.add(request, self.clock())
        return None

    def claim_first(self, request: Waiting) -> Lane | None:
        """Claim for a request that has already had a lane and lost its worker: it goes to the head of its class.

        It had its place before, so the limit does not count. Raises NobodyServing as ``claim`` does.
        """
        if self._idle and (not request.place.slow or len(self._slow) < self._most_slow):
            return self._take_idle(request)
        if self.nobody is not None and not self._lanes:
            raise self.nobody
        self._line.add(request, self.clock(), first=True)
        return None

    def _take_idle(self, request: Waiting) -> Lane:
        lane = self._idle.pop()
        if request.place.slow:
            self._slow.add(lane)
        return lane

    def _make_room(self, level: Level) -> None:
        """Refuse the last of those who come behind this class, and raise LineFull if there is none."""
        full = LineFull(f"all {self.limit} places in the waiting line are taken")
        last = self._line.last_behind(level)
        if last is None:
            raise full
        last.line_failed(full)

    def release(self, lane: Lane) -> None:
        """Take a lane back after its exchange and give it to who is next in line."""
        if self._slow:
            self._slow.discard(lane)
        if lane not in self._lanes:
            if self.drained is not None:
                self.drained(lane)
            return
        found = self._line.next(len(self._slow) < self._most_slow) if self._line.size else None
        if found is None:
            self._idle.append(lane)
            return
        request, _ = found
        if request.place.slow:
            self._slow.add(lane)
        request.lane_given(lane)

    def leave(self, request: Waiting) -> None:
        """Take a request out of the line, if it is there: its client has gone."""
        self._line.leave(request)

    def rise(self, request: Waiting, place: Place) -> None:
        """Give a request a better place, whether it still waits or not: somebody else waits for its answer as well."""
        self._line.rise(request, place)
        self._use_idle()

    def expire(self, now: float) -> None:
        """Refuse those who have waited past their deadline, and those who are not to wait any more at all."""
        for request in [request for request in self._line if request.queue_deadline <= now]:
            if self._line.leave(request):
                request.line_failed(LineTimeout("no worker became free in time"))
        if not self._lanes:
            self.shedding.open()  # while there is no worker at all, as at the start, to wait for one is not in vain
        elif (self._line.size or self.shedding.floor < OPEN) and self.shedding.look(self._line.waits(now), now):
            for request in self._line.take_out(self.shedding.floor):
                request.line_failed(TooBusy(f"{request.place.level.word} do not wait any more"))

    # -- the supervisor's side

    def add(self, lane: Lane) -> None:
        """Put a lane of a ready worker to use."""
        self._lanes.add(lane)
        self.changes += 1
        self._count_slow()
        self.release(lane)

    def withdraw(self, lane: Lane) -> bool:
        """Give a lane no new requests, and say whether it is claimed: then ``drained`` is called when it is free."""
        if lane not in self._lanes:
            return False
        self._lanes.remove(lane)
        self.changes += 1
        self._slow.discard(lane)
        claimed = lane not in self._idle
        if not claimed:
            self._idle.remove(lane)
        self._count_slow()
        return claimed

    def _count_slow(self) -> None:
        """Work out anew how many lanes slow requests may hold, and let them if that is more."""
        self._most_slow = max(1, int(len(self._lanes) * self._traffic.slow_share))
        self._use_idle()

    def _use_idle(self) -> None:
        """Give idle lanes to those who may have them now."""
        while self._idle and (found := self._line.next(len(self._slow) < self._most_slow)) is not None:
            lane = self._take_idle(found[0])
            found[0].lane_given(lane)

    def refuse_all(self, error: NobodyServing) -> None:
        """Refuse everyone in line, and all who come while there is no lane, until ``expect`` is called."""
        self.nobody = error
        if self._lanes:
            return
        for request in self._line.clear():
            request.line_failed(error)

    def expect(self) -> None:
        """Let requests wait in line again: a worker is expected soon."""
        self.nobody = None

    @property
    def available(self) -> int:
        """How many lanes are in use or free: none, and nobody serves."""
        return len(self._lanes)

    @property
    def waiting(self) -> int:
        """How many requests are in line."""
        return self._line.size

    def waiting_of(self, level: Level) -> int:
        """How many of a class are in line."""
        return self._line.waiting(level)

    def waited(self, now: float) -> float:
        """Tell how long the first of those has waited who would go if a lane were free; 0 if there is none."""
        since = self._line.since(slow=len(self._slow) < self._most_slow)
        return now - since if since is not None else 0.0

    def is_idle(self, lane: Lane) -> bool:
        """Tell whether a lane waits for a request."""
        return lane in self._idle

    def check_invariants(self) -> None:
        """Assert what the docstring of this module promises."""
        assert len(set(self._idle)) == len(self._idle), "a lane is idle twice"
        assert set(self._idle) <= self._lanes, "a withdrawn lane is idle"
        assert self._slow <= self._lanes - set(self._idle), "a lane is in slow use and is not claimed"
        may = len(self._slow) < self._most_slow
        assert not (len(self._idle) and self._line.may_go(may)), "a request waits while a lane is idle"
