"""Acting on the deadlines of connections, a few in each turn of the reactor."""

from __future__ import annotations

from typing import Any, Protocol

from tracd_cluster.front.wheel import Bounded, Wheel

TICK = 0.25
"""Seconds between two looks at the deadlines."""

ENDS = 16
"""Connections whose time is up in one turn of the reactor, a few ms; a thousand may end at once, and pages go on."""


class Ending(Bounded, Protocol):
    """Somebody who acts when his time is up."""

    def timed_out(self) -> None: ...


class Deadlines(Wheel[Ending]):
    """Everybody with a deadline, who acts when that has passed."""

    __slots__ = ("_more_to_come", "_reactor")

    def __init__(self, reactor: Any) -> None:
        super().__init__(TICK, 0.0, reactor.seconds())
        self._reactor = reactor
        self._more_to_come = False

    def look(self) -> None:
        """End what has passed its deadline: a few now, the others in the next turns."""
        if not self._more_to_come:
            self._look()

    def _look(self) -> None:
        self._more_to_come = False
        late, more = self.due(self._reactor.seconds(), ENDS)
        if more:
            self._more_to_come = True
            self._reactor.callLater(0, self._look)
        for each in late:
            each.timed_out()
