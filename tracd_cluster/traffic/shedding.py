"""Who is refused at once while too many wait: the lowest class first, and people never.

As CoDel has it (RFC 8289), what counts is not how many wait but for how long, and for how long that stays so. A line
that is long for a moment is a burst, which it is there for. If the first of a queue has waited longer than the target
at each look for an interval, more come than can be served, and everybody's wait would only grow. Then the lowest
class that waits is *closed*, and all below it are: who belongs there gets a worker that is free, or a refusal, and
does not wait. If that does not help, after another interval so is the next one above.

Nobody is closed for the sake of those below. So slow requests, which wait for a few lanes of their own, close nobody
but slow ones.

When nobody has waited longer than the target for a while, one class after another is opened again, the highest first.
If that was too soon, it is closed at the first look, and for twice as long.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracd_cluster.traffic.place import Level, Place

INTERVALS = 2.5
"""For how many times the target a wait must stay above it."""

LONGEST = 60.0
"""Seconds for which a class stays closed at the most, before it is tried again."""

RANKS = ("people", "visitors", "strangers", "robots", "slow strangers", "slow robots")
"""The queues of the line, the highest first."""
OPEN = len(RANKS)


def rank_of(place: Place) -> int:
    """Give the rank of a place."""
    return place.level + 2 if place.slow and place.level >= Level.STRANGERS else place.level


class Shedding:
    """Decides who is closed; ``target`` is the longest wait (seconds) that may stay, 0 for any."""

    def __init__(self, target: float) -> None:
        self.floor = OPEN
        """The highest rank that is closed; all below it are too."""
        self.take(target)

    def __repr__(self) -> str:
        return f"<Shedding, closed: {', '.join(self.closed) or 'nobody'}>"

    @property
    def closed(self) -> tuple[str, ...]:
        """Name those who are refused instead of waiting."""
        return RANKS[self.floor :]

    def take(self, target: float) -> None:
        """Go by this target from now on."""
        self.target = target
        self.open()

    def open(self) -> None:
        """Begin anew, with everybody."""
        self.floor = OPEN
        self._above_since: list[float | None] = [None] * OPEN
        """Since when the first of each rank has been found to have waited longer than the target."""
        self._close_after = self._open_after = 0.0
        self._pause = 0.0
        """How long a class stays closed at the least."""
        self._opened = float("-inf")
        """When one was opened last."""

    def look(self, waits: Sequence[float], now: float) -> bool:
        """Take note of how long the first of each rank has waited, and say whether one more is closed."""
        if not self.target:
            return False
        interval = INTERVALS * self.target
        too_soon = now - self._opened < 2 * interval
        standing = self._standing(waits, now, 0.0 if too_soon else interval)
        if standing is not None:
            if now < self._close_after:
                return False
            self._pause = min(LONGEST, 2 * self._pause) if too_soon else interval
            self._close_after, self._open_after = now + interval, now + self._pause
            return self._close(waits, standing)
        if self.floor < OPEN and now >= self._open_after and all(since is None for since in self._above_since):
            self.floor += 1
            self._opened = now
            self._open_after = now + interval
        return False

    def _standing(self, waits: Sequence[float], now: float, patience: float) -> int | None:
        """Give the highest rank that has been in trouble for so long."""
        found = None
        for rank, wait in enumerate(waits[: self.floor]):
            since = self._above_since[rank]
            if wait <= self.target:
                self._above_since[rank] = None
            else:
                self._above_since[rank] = since = now if since is None else since
                if found is None and now - since >= patience:
                    found = rank
        for rank in range(self.floor, OPEN):
            self._above_since[rank] = None
        return found

    def _close(self, waits: Sequence[float], standing: int) -> bool:
        """Close the lowest rank in which anybody waits, but none above the one in trouble, and never people."""
        before = self.floor
        self.floor = max(Level.VISITORS, *(rank for rank in range(standing, before) if waits[rank]))
        return self.floor < before
