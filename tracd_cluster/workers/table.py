"""The table of all processes, and what each step of a plan changes in it.

The records' half of performing a step is here, apart from the processes' half in ``supervisor``: so the planner is
tested against the very changes its steps make. A step always changes its record, hence it is never asked for twice.

Lifetime. A worker's record is made by Fork and goes by Forget, or by the Fork of its successor, which takes over
its strikes. A template's record is made by StartTemplate and goes by ForgetTemplate. Only records of exited
processes go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tracd_cluster.workers.control import Ready
from tracd_cluster.workers.judgement import Failure
from tracd_cluster.workers.sources import Sources
from tracd_cluster.workers.steps import (
    Desired,
    Drain,
    Forget,
    ForgetTemplate,
    Fork,
    Kill,
    KillTemplate,
    QuitTemplate,
    StartTemplate,
    Step,
    Terminate,
)
from tracd_cluster.workers.worker import NEVER, IllegalMove, Life, Template, Worker, WorkerKey, check_invariants

SLACK = 0.2
"""Seconds that word of a template may have been on its way."""


@dataclass(slots=True)
class Table:
    """The records, and nothing but the records."""

    templates: dict[int, Template] = field(default_factory=dict)
    workers: dict[WorkerKey, Worker] = field(default_factory=dict)
    last_failure: Failure | None = None
    """Why the newest generation does not serve; None once one does."""
    generations: dict[str, int] = field(default_factory=lambda: {"taken": 0, "refused": 0})
    """How many have come to serve, and how many have not."""
    generations_changed: Callable[[], object] = lambda: None
    """Called when the first worker of a generation gets ready, and when the last of one has gone."""

    @property
    def empty(self) -> bool:
        """Whether no process is left, nor a memory of one."""
        return not self.templates and not self.workers

    def base_urls(self) -> tuple[str, ...]:
        """Give where the environments of the newest generation which got ready say that they are."""
        newest = self._newest()
        return newest.base_urls if newest is not None else ()

    def took_over(self, generation: int) -> None:
        """Note that a worker of this generation got ready."""
        self.templates[generation].served += 1
        if self.templates[generation].served == 1:
            self.generations["taken"] += 1
            self.generations_changed()
        if self.last_failure is not None and self.last_failure.generation < generation:
            self.last_failure = None

    def failed(self, failure: Failure) -> None:
        """Note why a generation does not serve; the first reason told is the one that is kept."""
        if self.last_failure is None or self.last_failure.generation < failure.generation:
            self.last_failure = failure
            self.generations["refused"] += 1

    def running(self) -> Ready | None:
        """Give what the newest generation that has served has told of itself."""
        served = [template for template in self.templates.values() if template.served]
        return max(served, key=lambda template: template.generation).said if served else None

    def sources(self, parent: str | None, code: bool) -> Sources:
        """Give what is to be watched: the newest generation which got ready, and the file that keeps one from it."""
        newest, failure = self._newest(), self.last_failure
        if newest is None or newest.said is None:
            return Sources()
        said, mend = newest.said, failure.file if failure is not None and failure.file else None
        return Sources(
            generation=newest.generation,
            files=(*said.files, *([mend] if mend else [])) if code else (),
            folders=said.folders if code else (),
            settings=said.settings,
            parent=parent,
            since=(newest.ready_at or 0.0) - said.seconds - SLACK,
        )

    def _newest(self) -> Template | None:
        ready = [template for template in self.templates.values() if template.ready_at is not None]
        return max(ready, key=lambda template: template.generation, default=None)

    def workers_of(self, generation: int) -> list[Worker]:
        """Give the live workers of a generation."""
        return [worker for worker in self.workers.values() if worker.live and worker.generation == generation]

    def check(self) -> None:
        """Assert the invariants of the records."""
        check_invariants(self.templates.values(), self.workers.values())

    def cut_drains_short(self, deadline: float) -> None:
        """Let the time be up by ``deadline`` for all workers that drain."""
        for worker in self.workers.values():
            if worker.life is Life.DRAINING:
                worker.deadline = min(worker.deadline, deadline)

    def apply(self, step: Step, desired: Desired, now: float) -> None:
        """Change the records as ``step`` says; the processes follow, or are already gone."""
        match step:
            case StartTemplate(generation):
                self._start_template(generation, desired, now)
            case QuitTemplate(generation, fault):
                self.templates[generation].stop(now, now + desired.terminate_timeout, fault)
            case KillTemplate(generation, fault):
                self.templates[generation].stop(now, NEVER, fault)
            case ForgetTemplate(generation):
                if self.templates[generation].live:
                    raise IllegalMove(f"{self.templates[generation]!r} cannot be forgotten")
                del self.templates[generation]
                self.generations_changed()
            case Fork(number, generation):
                self._fork(number, generation, desired, now)
            case Drain(number, generation):
                worker = self.workers[number, generation]
                timeout = desired.drain_timeout if desired.stopping else desired.leave_timeout
                worker.move(Life.DRAINING, now, now + timeout)
            case Terminate(number, generation):
                self.workers[number, generation].stop(now, now + desired.terminate_timeout)
            case Kill(number, generation, fault):
                self.workers[number, generation].stop(now, NEVER, fault)
            case Forget(number, generation):
                self._forget(number, generation)

    def _start_template(self, generation: int, desired: Desired, now: float) -> None:
        before = max(self.templates.values(), key=lambda template: template.generation, default=None)
        if before is not None and before.generation >= generation:
            raise IllegalMove(f"generation {generation} cannot follow {before!r}")
        self.templates[generation] = Template(
            generation=generation,
            since=now,
            deadline=now + desired.start_timeout,
            strikes=before.strikes if before is not None and not before.live else 0,
        )

    def _fork(self, number: int, generation: int, desired: Desired, now: float) -> None:
        before = self.workers.get((number, generation))
        if before is not None and before.live:
            raise IllegalMove(f"{before!r} has no successor yet")
        self.workers[number, generation] = Worker(
            number=number,
            generation=generation,
            since=now,
            deadline=now + desired.start_timeout,
            strikes=before.strikes if before is not None else 0,
            stand_in=number > desired.count,
        )

    def _forget(self, number: int, generation: int) -> None:
        worker = self.workers[number, generation]
        if worker.live:
            raise IllegalMove(f"{worker!r} cannot be forgotten")
        del self.workers[number, generation]
