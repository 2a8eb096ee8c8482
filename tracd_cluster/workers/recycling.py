"""Finds the workers that have served enough, and asks for their replacement: ``--max-requests`` and its like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers.memory import memory_of_all
from tracd_cluster.workers.supervisor import Supervisor
from tracd_cluster.workers.wear import WearLimits, why_due
from tracd_cluster.workers.worker import Life, Worker

INTERVAL = 0.25
"""Seconds between two looks at what workers have served; so a worker may serve a few more than it should."""

MEASURED_EVERY = 5.0
"""Seconds between two looks at their memory, which costs each of them a millisecond or two."""

log = Logger()

InThread = Callable[[Callable[[Iterable[int]], dict[int, int]], list[int]], "Deferred[dict[int, int]]"]


class Recycling(Service):
    """Looks from its start to its stop; ``in_thread`` runs a function off the reactor."""

    def __init__(self, limits: WearLimits, supervisor: Supervisor, reactor: Any, in_thread: InThread) -> None:
        self._limits = limits
        self._supervisor = supervisor
        self._clock = reactor
        self._in_thread = in_thread
        self._memory: dict[int, int] = {}
        """By process, as it was last measured."""
        self._measure_at = 0.0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._looking.start(INTERVAL, now=False)

    def stopService(self) -> None:  # noqa: N802
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> None:
        now = self._clock.seconds()
        served = self._supervisor.lanes.served()
        for worker in self._ready():
            memory = self._memory.get(worker.pid or 0)
            why = why_due(self._limits, worker, served.get(worker.key, 0), memory, now)
            if why:
                self._supervisor.recycle(worker.number, why)
        if self._limits.memory is not None and now >= self._measure_at:
            self._measure_at = now + MEASURED_EVERY
            pids = [worker.pid for worker in self._ready() if worker.pid is not None]
            self._in_thread(memory_of_all, pids).addCallbacks(self._measured, self._not_measured)

    def _ready(self) -> list[Worker]:
        return [w for w in self._supervisor.table.workers.values() if w.life is Life.READY and not w.due]

    def _measured(self, memory: dict[int, int]) -> None:
        self._memory = memory

    def _not_measured(self, failure: Failure) -> None:
        log.failure("The memory of the workers could not be measured", failure=failure)


def recycling_of(
    settings: PoolSettings, supervisor: Supervisor, reactor: Any, in_thread: InThread
) -> Recycling | None:
    """Make what the settings ask for; None if workers may stay for ever."""
    limits = WearLimits(requests=settings.max_requests, memory=settings.max_memory, lifetime=settings.lifetime)
    return Recycling(limits, supervisor, reactor, in_thread) if limits.any else None
