"""Makes the pool larger and smaller as ``elastic`` says: it looks at the lanes and the line now and then.

Nothing is counted while requests run: a lane knows how many it has served, the balancer since when the head of the
line is there. While somebody waits the looks are closer together, so that the pool grows in time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tracd_cluster.balancer import Balancer
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers.elastic import HELD, Bounds, Look, first_size, resize
from tracd_cluster.workers.lanes import WorkerLanes
from tracd_cluster.workers.supervisor import Supervisor
from tracd_cluster.workers.worker import Life, WorkerKey

CALM = 0.25
"""Seconds between two looks while nobody waits, as often as the front looks at its deadlines."""

CLOSE = 0.03
"""The same while the pool should grow: a fork and a first probe take about 10 ms."""

log = Logger()


class Resizing(Service):
    """Looks from its start to its stop."""

    def __init__(self, bounds: Bounds, supervisor: Supervisor, balancer: Balancer, clock: IReactorTime) -> None:
        self._bounds = bounds
        self._supervisor = supervisor
        self._balancer = balancer
        self._clock = clock
        self._size = first_size(bounds, clock.seconds())
        self._served: dict[WorkerKey, int] = {}
        self._busy_since: dict[WorkerKey, float] = {}
        """When each worker that is at work was first seen at its present request."""
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._size = first_size(self._bounds, self._clock.seconds())
        self._timer = self._clock.callLater(CALM, self._turn)

    def stopService(self) -> None:  # noqa: N802
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        now, bounds = self._clock.seconds(), self._bounds
        wanted = self._supervisor.desired.count
        pause = CALM
        if bounds.least <= wanted <= bounds.most:  # else somebody has asked for another number, who will know why
            self._size = replace(self._size, count=wanted)
            look = self.look(now)
            self._size = resize(bounds, self._size, look, now)
            if self._size.count != wanted:
                self._scale(wanted, look)
            if look.waited and self._size.count < bounds.most:
                pause = min(CALM, max(CLOSE, bounds.grow_after - look.waited))
        self._timer = self._clock.callLater(pause, self._turn)

    def _scale(self, before: int, look: Look) -> None:
        count = self._size.count
        if count > before:
            waited = round(look.waited * 1000)
            log.info("The pool grows to {count}: a request has waited {waited} ms", count=count, waited=waited)
        else:
            log.info("The pool shrinks to {count}: no more are needed", count=count)
        self._supervisor.scale(count)

    def look(self, now: float) -> Look:
        """See what the pool does."""
        ready = [worker for worker in self._supervisor.table.workers.values() if worker.life is Life.READY]
        used = held = 0
        last = "idle"
        served: dict[WorkerKey, int] = {}
        busy_since: dict[WorkerKey, float] = {}
        for worker in ready:
            lanes = self._supervisor.lanes.get(worker.key)
            if lanes is None:
                continue
            key, state = worker.key, "idle"
            count = served[key] = lanes.served
            if self._at_work(lanes):
                state = "busy"
                same = self._served.get(key) == count
                since = busy_since[key] = self._busy_since.get(key, now) if same else now
                if now - since >= self._bounds.grow_after * HELD:
                    state = "held"
            used += state != "idle" or count != self._served.get(key, 0)
            held += state == "held"
            if worker.number == self._size.count:
                last = state
        self._served, self._busy_since = served, busy_since
        settled = len(ready) == self._supervisor.desired.count
        return Look(waited=self._balancer.waited(now), settled=settled, used=used, held=held, last=last)

    def _at_work(self, lanes: WorkerLanes) -> bool:
        return not any(self._balancer.is_idle(lane) for lane in lanes.lanes)


def resizing_of(settings: PoolSettings, supervisor: Supervisor, balancer: Balancer, clock: Any) -> Resizing | None:
    """Make what the settings ask for; None if the number of workers is fixed."""
    if settings.most_workers <= settings.workers:
        return None
    bounds = Bounds(
        least=settings.workers,
        most=settings.most_workers,
        processors=settings.processors,
        grow_after=settings.grow_after,
        shrink_after=settings.shrink_after,
    )
    return Resizing(bounds, supervisor, balancer, clock)
