"""How much memory each process has: measured off the reactor, for the kernel walks all pages to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.workers.memory import memory_of_all

FRESH = 5.0
"""Seconds for which a measurement will do."""
SOON = 0.5
"""The same, while it has nothing of a process that has come since."""

InThread = Callable[[Callable[[Iterable[int]], dict[int, int]], list[int]], "Deferred[dict[int, int]]"]

log = Logger()


class Memory:
    """The memory of the processes that ``pids`` gives, as it was last measured; ``in_thread`` runs a function."""

    def __init__(self, reactor: Any, in_thread: InThread, pids: Callable[[], list[int]]) -> None:
        self.known: dict[int, int] = {}
        """Bytes by process."""
        self._reactor = reactor
        self._in_thread = in_thread
        self._pids = pids
        self._measured_at = float("-inf")
        self._waiting: list[Deferred[None]] | None = None
        """Those who wait for the measurement under way."""

    def of(self, pid: int | None) -> int | None:
        """Give the memory of one process in bytes; None where it is not known."""
        return self.known.get(pid) if pid is not None else None

    def refresh(self) -> Deferred[None]:
        """Measure if the last time is too long ago; the Deferred fires when ``known`` is fresh."""
        if self._waiting is None:
            pids = self._pids()
            lasts = FRESH if self.known.keys() >= set(pids) else SOON
            if 0 <= self._reactor.seconds() - self._measured_at < lasts:
                return succeed(None)
            self._waiting = []
            self._in_thread(memory_of_all, pids).addCallbacks(self._measured, self._failed)
            if self._waiting is None:
                return succeed(None)
        fresh: Deferred[None] = Deferred()
        self._waiting.append(fresh)
        return fresh

    def _measured(self, memory: dict[int, int]) -> None:
        self.known = memory
        self._over()

    def _failed(self, failure: Failure) -> None:
        log.failure("The memory of the processes could not be measured", failure=failure)
        self._over()

    def _over(self) -> None:
        self._measured_at = self._reactor.seconds()
        waiting, self._waiting = self._waiting or [], None
        for fresh in waiting:
            fresh.callback(None)
