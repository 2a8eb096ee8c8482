"""The waiting line: a queue for each class of requests, and who is next.

Within a class it is first come, first served. Among the classes in which somebody waits, each gets its share (stride
scheduling, Waldspurger and Weihl 1995): a class has a *pass*, which grows by its *stride* with each request that it
sends on, and the class with the lowest pass is next. The stride is the inverse of the share. So nobody starves, not
even a robot beside any number of people.

A class in which nobody may go saves nothing up: its pass keeps up with that of whoever goes. And when nobody waits at
all, nobody owes anything to anybody any more.

Slow requests wait beside the quick ones of their class. While no more of them may go, the quick ones behind them do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import count
from operator import itemgetter
from typing import Generic, Protocol, TypeVar

from tracd_cluster.traffic.place import Level, Place

STRIDE = 1 << 20
"""The stride of a share of 1: whole numbers, so that nothing is rounded away over months."""

NOTHING_OWED = tuple(0 for _ in Level)


class Placed(Protocol):
    """Something that waits."""

    place: Place


W = TypeVar("W", bound=Placed)
Queue = OrderedDict[W, tuple[int, float]]
"""Those who wait, the first one first: in which order they came, and since when they wait."""


class Line(Generic[W]):
    """Those who wait, each in the queue of its class."""

    def __init__(self, shares: Sequence[int]) -> None:
        self._quick: tuple[Queue[W], ...] = tuple(OrderedDict() for _ in Level)
        self._slow: tuple[Queue[W], ...] = tuple(OrderedDict() for _ in Level)
        self.size = 0
        """How many wait, altogether."""
        self._passes = list(NOTHING_OWED)
        self._now = 0
        """The pass of the class that was next the last time."""
        self._orders = count(1)
        self._orders_before = count(-1, -1)
        self.take_shares(shares)

    def __repr__(self) -> str:
        waiting = ", ".join(f"{self.waiting(level)} {level.word}" for level in Level)
        return f"<Line {waiting}>"

    def __iter__(self) -> Iterator[W]:
        """Give all, class by class."""
        for queue in (*self._quick, *self._slow):
            yield from queue

    def take_shares(self, shares: Sequence[int]) -> None:
        """Go by these shares from now on, one for each class."""
        self._strides = [STRIDE // share for share in shares]

    def add(self, waiting: W, now: float, first: bool = False) -> None:
        """Let somebody wait at the end of its class, or ``first`` in it."""
        queue = self._queue(waiting.place)
        if not self.size:
            self._passes[:] = NOTHING_OWED
            self._now = 0
        self.size += 1
        if first:
            queue[waiting] = next(self._orders_before), now
            queue.move_to_end(waiting, last=False)
        else:
            queue[waiting] = next(self._orders), now

    def next(self, slow: bool) -> tuple[W, float] | None:
        """Give who is next, with the time since when, and take it out; ``slow`` says whether slow ones may go."""
        passes = self._passes
        best = -1
        for level, queue in enumerate(self._quick):
            if queue or (slow and self._slow[level]):
                if best < 0 or passes[level] < passes[best]:
                    best = level
            elif passes[level] < self._now:
                passes[level] = self._now
        if best < 0:
            return None
        self._now = passes[best]
        passes[best] += self._strides[best]
        queue = self._quick[best]
        others = self._slow[best]
        if slow and others and (not queue or _first(others) < _first(queue)):
            queue = others
        waiting, (_, since) = queue.popitem(last=False)
        self.size -= 1
        return waiting, since

    def leave(self, waiting: W) -> bool:
        """Take somebody out, and say whether it was there."""
        found = self._queue(waiting.place).pop(waiting, None) is not None
        self.size -= found
        return found

    def rise(self, waiting: W, place: Place) -> None:
        """Let somebody go on waiting in another place, among those who came when it did; if it waits at all."""
        entry = self._queue(waiting.place).pop(waiting, None)
        waiting.place = place
        if entry is not None:
            queue = self._queue(place)
            both = sorted([*queue.items(), (waiting, entry)], key=itemgetter(1))
            queue.clear()
            queue.update(both)

    def last_behind(self, level: Level) -> W | None:
        """Give who would be next after everybody else, and take it out; None if all are of this class or before it."""
        for lower in reversed(Level):
            if lower <= level:
                break
            queues = [queue for queue in (self._quick[lower], self._slow[lower]) if queue]
            if queues:
                self.size -= 1
                return max(queues, key=_last).popitem()[0]
        return None

    def clear(self) -> list[W]:
        """Take all out, and give them."""
        all_ = list(self)
        self.size = 0
        for queue in (*self._quick, *self._slow):
            queue.clear()
        return all_

    def waiting(self, level: Level) -> int:
        """Tell how many of a class wait."""
        return len(self._quick[level]) + len(self._slow[level])

    def waits(self, now: float) -> list[float]:
        """Tell how long the first of each rank has waited (shedding.py); 0 where there is none."""
        queues = (*self._quick, *self._slow[Level.STRANGERS :])
        return [now - next(iter(queue.values()))[1] if queue else 0.0 for queue in queues]

    def take_out(self, floor: int) -> list[W]:
        """Take out all of this rank and below, and give them."""
        queues = (*self._quick, *self._slow[Level.STRANGERS :])[floor:]
        found = [waiting for queue in queues for waiting in queue]
        for queue in queues:
            queue.clear()
        self.size -= len(found)
        return found

    def may_go(self, slow: bool) -> bool:
        """Tell whether anybody could take a lane; ``slow`` says whether slow ones could."""
        return any(self._quick) or (slow and any(self._slow))

    def since(self, slow: bool) -> float | None:
        """Tell since when the one waits that has waited longest of the first of each class, slow ones too or not."""
        queues = (*self._quick, *self._slow) if slow else self._quick
        return min((next(iter(queue.values()))[1] for queue in queues if queue), default=None)

    def _queue(self, place: Place) -> Queue[W]:
        return (self._slow if place.slow else self._quick)[place.level]


def _first(queue: Queue[W]) -> int:
    return next(iter(queue.values()))[0]


def _last(queue: Queue[W]) -> int:
    return next(reversed(queue.values()))[0]
