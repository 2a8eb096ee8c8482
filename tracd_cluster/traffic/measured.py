"""Which routes are slow here, though they are of no kind that is slow anywhere: learned from how long workers take.

A route is slow while it typically takes several times as long as others typically do. Typical is the median, because a
page that hung once is not slow; and of all others the median counts each route once, because a crawler's thousands of
requests for the one slow page must not make that the usual thing. What was long ago counts less and less.

Bounded: as many routes as any site has, and for each the same few numbers. Only what a worker has answered with a page
is counted, so that nobody can fill the table with addresses that there are not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

BOUNDS = tuple(0.001 * 1.5**step for step in range(29))
"""Seconds, from one millisecond to 85 s: medians are as fine as a half."""

ENOUGH = 20.0
"""Requests that a route must have had, of late, to be judged."""

TIMES = 5.0
"""How much slower than others a route is to be called slow."""
TIMES_STILL = 3.0
"""How much slower it must remain not to be taken off the list: it should not go on and off."""

AT_LEAST = 0.5
"""Seconds that a slow route takes at the least: where all is quick, nothing needs a bound."""

FADES = 300.0
"""Seconds after which what has been counted is worth half."""

LOOKS = 5.0
"""Seconds between two judgements."""

MOST_ROUTES = 100


class _Route:
    """How long the requests of one route took: weights by BOUNDS, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0.0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def fade(self) -> None:
        """Let everything be worth half."""
        self.counts = [count / 2 for count in self.counts]
        self.sum /= 2

    def median(self) -> float:
        """Give what half of them took less than, in seconds."""
        left = self.sum / 2
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            left -= count
            if left <= 0:
                return bound
        return BOUNDS[-1]


@dataclass(frozen=True, slots=True)
class Slow:
    """A route that was learned to be slow: the median of what it takes, and of what others take, in seconds."""

    route: str
    seconds: float
    others: float


class Measured:
    """Learns which routes are slow; ``slow`` has them, and is looked into for each request."""

    def __init__(self, now: float) -> None:
        self.slow: dict[str, Slow] = {}
        self._routes: dict[str, _Route] = {}
        self._judge_at = now + LOOKS
        self._fade_at = now + FADES

    def __repr__(self) -> str:
        return f"<Measured {len(self._routes)} routes, slow: {', '.join(self.slow) or 'none'}>"

    def took(self, route: str, seconds: float) -> None:
        """Take note of how long a worker took to answer with a page."""
        found = self._routes.get(route)
        if found is None:
            if len(self._routes) >= MOST_ROUTES:
                self._make_room()
            found = self._routes[route] = _Route()
        found.counts[bisect_left(BOUNDS, seconds)] += 1.0
        found.sum += 1.0

    def tick(self, now: float) -> None:
        """Let time pass: judge anew, and forget a little, when it is time for it."""
        if now >= self._judge_at:
            self._judge_at = now + LOOKS
            self._judge()
        if now >= self._fade_at:
            self._fade_at = now + FADES
            self._fade()

    def _judge(self) -> None:
        medians = {name: route.median() for name, route in self._routes.items() if route.sum >= ENOUGH}
        slow: dict[str, Slow] = {}
        for name, seconds in medians.items():
            before = self.slow.get(name)
            others = _median(median for other, median in medians.items() if other != name)
            if others is None:
                # Where there is nothing else to compare it with, what is known of the others is as good as new.
                others = before.others if before is not None else seconds
            if seconds >= AT_LEAST and seconds >= others * (TIMES if before is None else TIMES_STILL):
                slow[name] = Slow(name, seconds, others)
        # Of those that have had few requests since, nothing new is known.
        kept = {name: found for name, found in self.slow.items() if name in self._routes and name not in medians}
        self.slow = kept | slow

    def _fade(self) -> None:
        for name, route in list(self._routes.items()):
            route.fade()
            if route.sum < 0.5:
                del self._routes[name]

    def _make_room(self) -> None:
        del self._routes[min(self._routes, key=lambda name: self._routes[name].sum)]


def _median(values: Iterable[float]) -> float | None:
    """Give the one in the middle, the lower one of two; None if there are none."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] if ordered else None
