"""Whose deadlines have passed, among thousands who are silent: only a few of them are looked at each time.

Nobody says when a deadline changes, which it does several times in each request. Instead everybody is looked at again
within ``horizon`` seconds, the shortest time that anybody is ever given: whatever deadline was set in between lies
beyond that. So who is silent costs one look in so many seconds, and who is busy costs no more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

LOOKS = 256
"""Who is looked at in one turn of the reactor at the most, 0.1 ms in all; thousands may have come within one tick."""


class Bounded(Hashable, Protocol):
    """Somebody whose time is bounded."""

    deadline: float


AnyBounded = TypeVar("AnyBounded", bound=Bounded)


class Wheel(Generic[AnyBounded]):
    """Everybody with a deadline, by the tick in which to look at it next."""

    __slots__ = ("_now", "_tick", "_ticks", "_where", "horizon")

    def __init__(self, tick: float, horizon: float, now: float) -> None:
        self.horizon = horizon
        self._tick = tick
        self._now = now
        self._ticks: dict[int, set[AnyBounded]] = {}
        self._where: dict[AnyBounded, int] = {}

    def __repr__(self) -> str:
        return f"<Wheel of {len(self)} in {len(self._ticks)} ticks>"

    def __len__(self) -> int:
        return len(self._where)

    def __iter__(self) -> Iterator[AnyBounded]:
        return iter(self._where)

    def add(self, one: AnyBounded) -> None:
        """Look at somebody from now on."""
        self._put(one, self._number(min(one.deadline, self._now + self.horizon)))

    def discard(self, one: AnyBounded) -> None:
        """Look at somebody no longer."""
        number = self._where.pop(one, None)
        if number is not None:
            self._ticks[number].discard(one)

    def look_within(self, horizon: float) -> None:
        """Go by another horizon; if it is nearer than before, everybody is looked at once more."""
        if horizon < self.horizon:
            self._hasten(self._now)
        self.horizon = horizon

    def due(self, now: float, limit: int) -> tuple[list[AnyBounded], bool]:
        """Give those whose deadlines have passed, ``limit`` at the most, and say whether there is more to look at.

        Whoever is given stays, and is given again in the next tick unless the deadline has moved meanwhile.
        """
        if now < self._now:
            self._hasten(now)  # the clock was set back, and all that was planned lies too far ahead
        self._now = now
        current, horizon = self._number(now), now + self.horizon
        found: list[AnyBounded] = []
        looks = LOOKS
        for number in sorted(each for each in self._ticks if each <= current):
            ones = self._ticks[number]
            while ones:
                if not looks or len(found) == limit:
                    return found, True
                looks -= 1
                one = ones.pop()
                deadline = one.deadline
                if deadline <= now:
                    found.append(one)
                    self._put(one, current + 1)
                else:
                    self._put(one, max(current + 1, self._number(min(deadline, horizon))))
            del self._ticks[number]
        return found, False

    def _put(self, one: AnyBounded, number: int) -> None:
        self._where[one] = number
        ones = self._ticks.get(number)
        if ones is None:
            ones = self._ticks[number] = set()
        ones.add(one)

    def _number(self, when: float) -> int:
        return int(when / self._tick)

    def _hasten(self, now: float) -> None:
        """Have everybody looked at in the tick of ``now``."""
        number = self._number(now)
        self._ticks = {number: set(self._where)}
        self._where = dict.fromkeys(self._where, number)
