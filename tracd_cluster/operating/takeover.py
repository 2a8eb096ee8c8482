"""How far the take-over by a new generation has come: a pure look at the table of processes."""

from __future__ import annotations

from dataclasses import dataclass

from tracd_cluster.workers.steps import Desired
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.worker import Life, Template


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a take-over stands, for people; ``failed`` goes with ``over``."""

    text: str
    over: bool = False
    failed: bool = False


def look(desired: Desired, table: Table, generation: int) -> Standing:
    """Say where the take-over by ``generation``, or by a newer one that came after it, stands.

    It is over when as many workers as are wanted are ready and none of an older generation gets requests; those that
    drain may take their time. It has failed when its newest template is on its way out without having served.
    """
    if desired.stopping:
        return Standing("the service is stopping", over=True, failed=True)
    ready = [worker for worker in table.workers.values() if worker.life is Life.READY]
    new = [worker for worker in ready if worker.generation >= generation]
    old = [
        worker
        for worker in table.workers.values()
        if worker.generation < generation and worker.life in (Life.STARTING, Life.READY)
    ]
    if len(new) >= desired.count and not old:
        newest_ready = max(worker.generation for worker in new)
        return Standing(f"generation {newest_ready} serves with {_count(len(new))}", over=True)
    newest = max(table.templates.values(), key=lambda template: template.generation, default=None)
    if newest is None or newest.generation < generation:
        return Standing(f"generation {generation} is about to start")
    name = f"generation {newest.generation}"
    if newest.failed:
        serving = max((worker.generation for worker in ready), default=0)
        on = f"; generation {serving} goes on with {_count(len(ready))}" if serving else "; nobody serves"
        return Standing(f"{name} failed: {_why(newest)}{on}", over=True, failed=True)
    if newest.life is Life.STARTING:
        return Standing(f"{name}: its template is starting")
    return Standing(f"{name}: {len(new)} of {_count(desired.count)} ready")


def _why(template: Template) -> str:
    return template.told or template.fault or "its template is ending"


def _count(workers: int) -> str:
    return f"{workers} worker{'s' * (workers != 1)}"
