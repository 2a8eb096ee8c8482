"""What is to be done about the pool: a pure function from what is wanted and what there is to a list of steps.

Crash, scale, recycling, change of generation and stop are the same question, asked after every event: what does
this table lack? ``plan`` answers with steps as values and with the time it wants to be asked again; ``supervisor``
performs.

Note [Generations]. A generation is one template and its workers: one state of code and settings. The newest
template that got ready is forked from; its generation is the *current* one. While a newer one is starting the old
workers go on. A slot passes from one generation to the next by overlap: the new worker is ready before the old one
drains, and one slot at a time, so that a change never costs more than one worker's memory at once. A generation
that fails before one worker of it got ready, in the template or by three strikes of its workers, is thrown away if
an older template is there to go on with; it is tried again only when someone asks for a new generation, because
the same code would fail again. Without an older one it is tried again and again, after the backoff of
Note [Strikes] in ``worker``. A template that dies after having served is followed by one of a new generation at
once; its workers go on serving until those of the new one take over, for nobody can fork from the dead. An older
template that is still there then, for its last workers have not gone, fills the slots that get empty meanwhile, and
that is all: the pool is *behind*, nothing passes back to old code, and the new generation is tried until it serves.
There is one take-over at a time. When a generation becomes current, workers that start in place of older ones for
the last one are ended: the newest wish wins, and no slot ever has three.

Note [Stand-ins]. A slot has one worker of a generation at a time, so its next one cannot be there before the last
one has gone. Where that takes a while, a stand-in serves meanwhile, in a slot above the wanted ones: one for each
worker that drains or hangs, and one for a worker that is *due* (it has served enough, or grown too large), which
drains once the stand-in is ready. The slot is filled again as any empty slot, and then the stand-in is surplus; the
next one that is due may take its turn on it. Only one takes its turn at a time in the whole pool, the oldest first,
and none while anybody is on the way out or generations change: what is replaced anyway need not be replaced twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from tracd_cluster.workers.worker import FREE_STRIKES, NEVER, Life, Template, Worker

FORK_TIMEOUT = 10.0
"""A fork takes about 1 ms; a template that has not made it after this time never will."""

_HOLDS_A_SLOT = (Life.STARTING, Life.READY)
_ON_THE_WAY_OUT = (Life.DRAINING, Life.STOPPING)


def plan(
    desired: Desired, templates: Iterable[Template], workers: Iterable[Worker], now: float
) -> tuple[list[Step], float | None]:
    """Say what is to be done now, and when to ask again if nothing happens before (None: never)."""
    view = _View(desired, templates, workers, now)
    return view.steps(), view.wake_at()


def nobody_serves(desired: Desired, templates: Iterable[Template], workers: Iterable[Worker]) -> bool:
    """Whether no worker serves and none is expected soon: requests had better be refused than lined up.

    To be asked when the plan has no more steps: then a pool with a ready template and no live worker is one whose
    slots all wait for their backoff to pass. A template that is starting is believed in unless it has failed three
    times before; then only the fork of a worker is.
    """
    workers = [worker for worker in workers if worker.live]
    if any(worker.life is Life.READY for worker in workers):
        return False
    if desired.stopping:
        return True
    if workers:
        return False
    expected = [t for t in templates if t.live and t.life is not Life.READY and t.strikes <= FREE_STRIKES]
    return not expected


def _generation(process: Template | Worker) -> int:
    return process.generation


class _View:
    """The table, as one turn of planning sees it."""

    __slots__ = ("behind", "current", "desired", "live", "newest", "now", "outgoing", "reach", "templates", "workers")

    def __init__(self, desired: Desired, templates: Iterable[Template], workers: Iterable[Worker], now: float) -> None:
        self.desired = desired
        self.now = now
        self.templates = sorted(templates, key=_generation)
        self.workers = sorted(workers, key=lambda worker: worker.key)
        self.live = [worker for worker in self.workers if worker.live]
        self.newest = self.templates[-1] if self.templates else None
        ready = [template for template in self.templates if template.life is Life.READY]
        self.current = ready[-1] if ready else None
        self.behind = self.current is not None and self._has_been_followed(self.current)
        self.outgoing = self._outgoing()
        self.reach = desired.count + self._stand_ins()

    def steps(self) -> list[Step]:
        """Give the steps: first what ends, then what begins."""
        steps: list[Step] = []
        steps.extend(self._endings_of_workers())
        steps.extend(self._endings_of_templates())
        if not self.desired.stopping:
            steps.extend(self._new_template())
            steps.extend(self._forks())
        return steps

    def wake_at(self) -> float | None:
        """Give the next time at which, without an event, there will be something to do."""
        times = [process.deadline for process in (*self.templates, *self.live)]
        times.extend(worker.since + FORK_TIMEOUT for worker in self.live if worker.pid is None)
        times.extend(worker.not_before for worker in self.workers if self._remembered(worker))
        if self.newest is not None and not self.newest.live:
            times.append(self.newest.not_before)
        return min((time for time in times if self.now < time < NEVER), default=None)

    def _outgoing(self) -> Worker | None:
        """Find the worker whose turn it is to be recycled (Note [Stand-ins])."""
        if self.current is None or self.desired.stopping:
            return None
        generation, count = self.current.generation, self.desired.count
        if any(worker.generation != generation or worker.life in _ON_THE_WAY_OUT for worker in self.live):
            return None
        due = [w for w in self.live if w.due and w.life is Life.READY and w.number <= count]
        return min(due, key=lambda worker: worker.ready_at or 0.0, default=None)

    def _stand_ins(self) -> int:
        """Say how many slots are needed beyond the wanted ones (Note [Stand-ins])."""
        if self.current is None or self.desired.stopping:
            return 0
        held = {worker.number for worker in self.live if worker.life in _HOLDS_A_SLOT}
        leaving = [
            worker
            for worker in self.live
            if worker.leaving and worker.generation == self.current.generation and worker.number <= self.desired.count
        ]
        return sum(worker.number not in held for worker in leaving) + (self.outgoing is not None)

    # -- what ends

    def _endings_of_workers(self) -> Iterator[Step]:
        unwanted = self._unwanted()
        for worker in self.workers:
            key = worker.key
            overdue = self.now >= worker.deadline
            match worker.life:
                case Life.STARTING if key in unwanted:
                    yield Terminate(*key)
                case Life.STARTING if overdue and worker.pid is not None:
                    yield Kill(*key, f"it did not get ready within {self.desired.start_timeout:g} s")
                case Life.READY if key in unwanted:
                    yield Drain(*key)
                case Life.DRAINING if overdue or not worker.in_flight:
                    yield Terminate(*key)
                case Life.STOPPING if overdue and worker.pid is not None:
                    yield Kill(*key)
                case Life.EXITED if not self._remembered(worker):
                    yield Forget(*key)

    def _unwanted(self) -> set[tuple[int, int]]:
        """Find the workers that are to end though nothing is wrong with them."""
        if self.desired.stopping:
            return {worker.key for worker in self.live}
        failed = {template.generation for template in self.templates if template.failed}
        ready = [worker for worker in self.live if worker.life is Life.READY]
        newest_ready = {worker.number: worker.generation for worker in ready}
        unwanted = {
            worker.key
            for worker in self.live
            if worker.generation < newest_ready.get(worker.number, 0)
            or (worker.life is Life.STARTING and (worker.generation in failed or worker.number > self.reach))
            or self._overtaken(worker)
        }
        # Surplus workers stay while they are needed in place of some that are not ready.
        serving = [worker for worker in ready if worker.key not in unwanted]
        surplus = [worker for worker in serving if worker.number > self.desired.count]
        spare = max(0, len(serving) - self.desired.count)
        if spare and self.outgoing is not None:
            unwanted.add(self.outgoing.key)
            spare -= 1
        unwanted.update(worker.key for worker in surplus[::-1][:spare])
        return unwanted

    def _overtaken(self, worker: Worker) -> bool:
        """Whether it starts in place of an older one for a generation that is not current any more."""
        if worker.life is not Life.STARTING or self.current is None or worker.generation >= self.current.generation:
            return False
        held = (w for w in self.live if w.number == worker.number and w.life in _HOLDS_A_SLOT)
        return any(other.generation < worker.generation for other in held)

    def _remembered(self, worker: Worker) -> bool:
        """Whether an exited worker's record is kept, for its strikes count for its successor."""
        return (
            not worker.live
            and not self.desired.stopping
            and worker.number <= self.reach
            and self.current is not None
            and worker.generation == self.current.generation
        )

    def _endings_of_templates(self) -> Iterator[Step]:
        for template in self.templates:
            generation = template.generation
            children = [worker for worker in self.live if worker.generation == generation]
            overdue = self.now >= template.deadline
            match template.life:
                case Life.STARTING if self.desired.stopping or generation < self.desired.generation:
                    yield KillTemplate(generation)
                case Life.STARTING if overdue:
                    yield KillTemplate(generation, f"it did not get ready within {self.desired.start_timeout:g} s")
                case Life.READY if self._stuck(children):
                    yield KillTemplate(generation, f"it did not fork a worker within {FORK_TIMEOUT:g} s")
                case Life.READY if self._thrown_away(template):
                    yield QuitTemplate(generation, "its workers did not get ready")
                case Life.READY if not children and self._superseded(template):
                    yield QuitTemplate(generation)
                case Life.STOPPING if overdue:
                    yield KillTemplate(generation)
                case Life.EXITED if not children and (self.desired.stopping or not self._counts(template)):
                    yield ForgetTemplate(generation)

    def _counts(self, template: Template) -> bool:
        """Whether one that has exited still says what comes next: it is the newest, or an older one is behind it."""
        followed = (t for t in self.templates if t.life is Life.READY and t.generation < template.generation)
        return template is self.newest or (template.served > 0 and any(followed))

    def _stuck(self, children: list[Worker]) -> bool:
        return any(child.pid is None and self.now >= child.since + FORK_TIMEOUT for child in children)

    def _thrown_away(self, template: Template) -> bool:
        """Whether a generation's workers cannot get ready while an older template can go on (Note [Generations])."""
        return (
            not template.served
            and any(other.life is Life.READY and other.generation < template.generation for other in self.templates)
            and any(
                worker.strikes > FREE_STRIKES
                for worker in self.workers
                if worker.generation == template.generation and not worker.live
            )
        )

    def _superseded(self, template: Template) -> bool:
        """Whether it is never forked from any more: everything stops, or a newer one has proved itself."""
        if self.desired.stopping:
            return True
        return self.current is not None and self.current is not template and self.current.served > 0

    def _has_been_followed(self, template: Template) -> bool:
        """Whether a newer one has served, dead or alive."""
        return any(other.served and other.generation > template.generation for other in self.templates)

    # -- what begins

    def _new_template(self) -> Iterator[Step]:
        newest = self.newest
        if newest is None or newest.generation < self.desired.generation:
            yield StartTemplate(self.desired.generation)
        elif newest.live or (newest.failed and self.current is not None and not self.behind):
            return
        elif self.now >= newest.not_before:
            yield StartTemplate(newest.generation + 1)

    def _forks(self) -> Iterator[Step]:
        """Fill the empty slots, and begin to replace the worker of one slot that an older generation holds."""
        if self.current is None:
            return
        generation = self.current.generation
        known = {worker.number: worker for worker in self.workers if worker.generation == generation}
        newest = {worker.number: worker.generation for worker in self.live if worker.life in _HOLDS_A_SLOT}
        replacing = any(worker.life is Life.STARTING for worker in known.values())
        for number in range(1, self.reach + 1):
            before = known.get(number)
            if newest.get(number, 0) >= generation:
                continue
            if before is not None and (before.live or self.now < before.not_before):
                continue
            if number in newest:
                if replacing or self.behind:
                    continue
                replacing = True
            yield Fork(number, generation)
