"""One health check of one server: a page is asked for, and any status below 500 is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from tracd_cluster.errors import WorkerFault, WorkerLost
from tracd_cluster.upstream.foreign import ForeignLane, Trouble
from tracd_cluster.upstream.framing import AnswerReader
from tracd_cluster.upstream.rest import Rest
from tracd_cluster.upstream.site import Site
from tracd_cluster.upstream.wire import Dial

ANSWER_TIMEOUT = 5.0
"""Seconds for the whole of it; HAProxy and nginx wait no longer by default."""


class HealthCheck:
    """A check, under way from the start; ``told`` is called once, with what is wrong or None.

    ``trouble`` is what the connection met with, if it met with any.
    """

    no_body = False

    def __init__(self, name: str, site: Site, dial: Dial, clock: Any, told: Callable[[str | None], None]) -> None:
        self.trouble: Trouble | None = None
        self._told: Callable[[str | None], None] | None = told
        self._lane = ForeignLane(name, site, dial, self, self, clock, Rest())
        self._timer: IDelayedCall | None = clock.callLater(ANSWER_TIMEOUT, self._too_slow)
        self._lane.send(self, site.probe(), None)

    def cancel(self) -> None:
        """Want no result any more."""
        self._told = None
        self._end(None)

    # -- an exchange's, an owner's and a balancer's side of the lane

    def answer(self, reader: AnswerReader) -> None:
        """Take the status; the page itself is of no interest."""
        reader.take()
        if reader.status:
            self._end(f"it answered {reader.status}" if reader.status >= 500 else None)

    def worker_lost(self, error: WorkerFault, written: int, answered: bool) -> None:
        """Take it that there is no answer."""
        self._end(str(error))

    def told(self) -> None:
        """Nobody asked."""

    def answered(self, lane: ForeignLane, status: int) -> None:
        """Nothing to do: the exchange has heard."""

    def troubled(self, lane: ForeignLane, trouble: Trouble, why: str) -> None:
        """Note of what kind it is; the exchange hears what it was."""
        if self._told is not None:
            self.trouble = trouble

    def release(self, lane: ForeignLane) -> None:
        """Nothing to do: the lane is not used again."""

    def _too_slow(self) -> None:
        self._timer = None
        self._end(f"it did not answer within {ANSWER_TIMEOUT:g} s")

    def _end(self, fault: str | None) -> None:
        told, self._told = self._told, None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._lane.give_up(WorkerLost("no more of it is wanted"))
        if told is not None:
            told(fault)
