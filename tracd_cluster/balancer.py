"""Who takes the next request: the free lanes, and the line of requests that wait for one.

This is the only room where the data plane (``front``, ``upstream``) and the control plane (``workers``) meet. The
front claims a lane for a request and the lane gives itself back; the supervisor adds lanes and withdraws them.

Ownership and lifetime. A lane is in exactly one of three places: in ``_idle`` (free), claimed by one request (it
is in ``_lanes`` but not in ``_idle``), or withdrawn (in neither). A request is in ``_line`` or it is not: it
enters by ``claim`` and leaves by being given a lane, by ``leave``, or by ``expire``/``refuse_all``, each of which
happens once. While a lane is idle the line is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from tracd_cluster.errors import LineFull, LineTimeout, NobodyServing, TracdClusterError, WorkerFault
from tracd_cluster.traffic.place import Place

if TYPE_CHECKING:
    from tracd_cluster.upstream.lane import Body, Exchange, Head, Origin


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
    work, their caches stay warm, and the others' memory can be paged out. The line is first in, first out.

    ``limit`` is the number of places in the line. ``drained`` is called with each withdrawn lane as it becomes free.
    ``clock`` tells the time at which a request gets in line; one that stands still will do where nobody asks.
    """

    def __init__(
        self,
        limit: int,
        drained: Callable[[Lane], None] | None = None,
        idle: Idle | None = None,
        clock: Callable[[], float] = float,
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
        self._line: dict[Waiting, float] = {}
        """Those who wait, the first one first, and since when."""

    def __repr__(self) -> str:
        return f"<Balancer {len(self._lanes)} lanes, {len(self._idle)} idle, {len(self._line)} in line>"

    # -- the front's side

    def claim(self, request: Waiting) -> Lane | None:
        """Give a free lane to ``request``, or put it in line and give None.

        Raises LineFull when no place is left, NobodyServing while there is no worker to wait for.
        """
        if self._idle:
            return self._idle.pop()
        if self.nobody is not None and not self._lanes:
            raise self.nobody
        if len(self._line) >= self.limit:
            raise LineFull(f"all {self.limit} places in the waiting line are taken")
        self._line[request] = self.clock()
        return None

    def claim_first(self, request: Waiting) -> Lane | None:
        """Claim for a request that has already had a lane and lost its worker: it goes to the head of the line.

        It had its place before, so the limit does not count. Raises NobodyServing as ``claim`` does.
        """
        if self._idle:
            return self._idle.pop()
        if self.nobody is not None and not self._lanes:
            raise self.nobody
        self._line = {request: self.clock(), **self._line}
        return None

    def release(self, lane: Lane) -> None:
        """Take a lane back after its exchange and give it to the first in line."""
        if lane not in self._lanes:
            if self.drained is not None:
                self.drained(lane)
        elif self._line:
            request = next(iter(self._line))
            del self._line[request]
            request.lane_given(lane)
        else:
            self._idle.append(lane)

    def leave(self, request: Waiting) -> None:
        """Take a request out of the line, if it is there: its client has gone."""
        self._line.pop(request, None)

    def rise(self, request: Waiting, place: Place) -> None:
        """Give a request a better place, whether it still waits or not: somebody else waits for its answer as well."""
        request.place = place

    def expire(self, now: float) -> None:
        """Refuse those who have waited past their deadline."""
        for request in [request for request in self._line if request.queue_deadline <= now]:
            if request in self._line:
                del self._line[request]
                request.line_failed(LineTimeout("no worker became free in time"))

    # -- the supervisor's side

    def add(self, lane: Lane) -> None:
        """Put a lane of a ready worker to use."""
        self._lanes.add(lane)
        self.changes += 1
        self.release(lane)

    def withdraw(self, lane: Lane) -> bool:
        """Give a lane no new requests, and say whether it is claimed: then ``drained`` is called when it is free."""
        if lane not in self._lanes:
            return False
        self._lanes.remove(lane)
        self.changes += 1
        if lane in self._idle:
            self._idle.remove(lane)
            return False
        return True

    def refuse_all(self, error: NobodyServing) -> None:
        """Refuse everyone in line, and all who come while there is no lane, until ``expect`` is called."""
        self.nobody = error
        if self._lanes:
            return
        line, self._line = self._line, {}
        for request in line:
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
        return len(self._line)

    def waited(self, now: float) -> float:
        """Tell how long the first in line has waited; 0 if there is none."""
        for since in self._line.values():
            return now - since
        return 0.0

    def is_idle(self, lane: Lane) -> bool:
        """Tell whether a lane waits for a request."""
        return lane in self._idle

    def check_invariants(self) -> None:
        """Assert what the docstring of this module promises."""
        assert len(set(self._idle)) == len(self._idle), "a lane is idle twice"
        assert set(self._idle) <= self._lanes, "a withdrawn lane is idle"
        assert not (len(self._idle) and self._line), "a request waits while a lane is idle"
