"""Keeps the pool as it is wanted: gathers events, plans, has the steps performed, and owns the one timer.

What is decided is decided in ``plan``, what is known stands in ``table``, what touches processes and lanes is in
``performing``. Every event ends in ``_turn``, which asks the planner until it has nothing to say.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tracd_cluster.balancer import Balancer, Lane
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers import control, report
from tracd_cluster.workers.chronicle import Chronicle
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.judgement import for_the_worse
from tracd_cluster.workers.lane_table import LaneTable
from tracd_cluster.workers.lanes import OpenLanes, expect_or_refuse
from tracd_cluster.workers.performing import Performer
from tracd_cluster.workers.plan import nobody_serves, plan
from tracd_cluster.workers.running import Launch, RunningTemplate
from tracd_cluster.workers.steps import Desired, Step, Wish
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.template_process import Owner, TemplateProcess
from tracd_cluster.workers.worker import Life, Worker, WorkerKey

LAST_WORDS = 0.5
"""Seconds that a worker which hangs has to print where it stands; another one serves in its place meanwhile."""

LOST_GRACE = 1.0
"""Seconds in which a worker that lost a lane may end by itself, so that its own status is seen and not ours."""

LOOK_AGAIN = 1.0
"""Seconds after which a turn that failed is taken again: without it nothing might ever happen any more."""

log = Logger()


class Supervisor(Service):
    """Starts the workers, watches them, replaces them, and ends them.

    ``fatal`` is called at most once, with a message for the operator, when the first start fails. ``launch`` starts
    templates that are not of our own kind; with it no more of the reactor is needed than its clock.
    """

    def __init__(
        self,
        settings: PoolSettings,
        balancer: Balancer,
        reactor: Any,
        open_lanes: OpenLanes,
        fatal: Callable[[str], None],
        launch: Launch | None = None,
    ) -> None:
        self.table = Table()
        self.desired = Desired(
            count=settings.workers,
            start_timeout=settings.start_timeout,
            drain_timeout=settings.drain_timeout,
            leave_timeout=settings.leave_timeout,
            terminate_timeout=settings.terminate_timeout,
        )
        self._settings = settings
        self.lanes = LaneTable(balancer)
        self.chronicle = Chronicle(self.desired, self.table, self._give_up)
        self._balancer = balancer
        self._clock: IReactorTime = reactor
        if launch is None:

            def launch(generation: int, owner: Owner) -> RunningTemplate:
                return TemplateProcess(reactor, self._settings, generation, owner)

        self.performer = Performer(
            self.desired, self.table, self.lanes, balancer, launch, open_lanes, settings.threads, self
        )
        self._fatal: Callable[[str], None] | None = fatal
        self._timer: IDelayedCall | None = None
        self._in_turn = False
        self._emptied: Deferred[None] | None = None
        balancer.drained = self._lane_drained
        balancer.request_lost = self.lanes.request_lost
        balancer.request_hung = self._request_hung

    def __repr__(self) -> str:
        return f"<Supervisor, wants {self.desired.count}, has {list(self.table.workers.values())}>"

    # -- wishes

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Start the first template."""
        super().startService()  # type: ignore[no-untyped-call]
        self._turn()

    def stopService(self) -> Deferred[None]:  # noqa: N802
        """Let running requests end, then end everything; the Deferred fires when no process is left."""
        super().stopService()  # type: ignore[no-untyped-call]
        emptied = self._emptied = Deferred()
        self.desired.stopping = True
        self.table.cut_drains_short(self._clock.seconds() + self.desired.drain_timeout)
        self._turn()
        return emptied

    def hurry(self) -> None:
        """Wait no longer for requests that run in workers that drain."""
        self.desired.drain_timeout = 0.0
        self.table.cut_drains_short(self._clock.seconds())
        self._turn()

    def scale(self, count: int) -> None:
        """Have this many workers from now on."""
        if count < 1:
            raise ValueError(f"{count} workers cannot serve")
        self.desired.count = count
        self._turn()

    def wish(self) -> Wish:
        """Give how many workers are wanted now, for one who comes after us."""
        return Wish(self.desired.count, self._settings.workers, self._settings.most_workers)

    def inherit(self, wish: Wish) -> None:
        """Go on with what was wished of one before us; where the settings are others than his, they count."""
        if wish[1:] == self.wish()[1:] and wish.workers != self.desired.count:
            self.scale(wish.workers)

    def take(self, settings: PoolSettings) -> None:
        """Have things as these settings say from now on; what is told to a template counts from the next one."""
        before, self._settings = self._settings, settings
        self.performer.threads = settings.threads
        self.desired.start_timeout = settings.start_timeout
        self.desired.drain_timeout = settings.drain_timeout
        self.desired.leave_timeout = settings.leave_timeout
        self.desired.terminate_timeout = settings.terminate_timeout
        if (before.workers, before.most_workers) != (settings.workers, settings.most_workers):
            self.scale(settings.workers)  # and otherwise as many as they have become
        self._turn()

    def recycle(self, number: int, why: str = "somebody asked for it") -> None:
        """Replace a worker, the new one first; raise ValueError if there is none of this number that serves."""
        ready = [w for w in self.table.workers.values() if w.number == number and w.life is Life.READY]
        if not ready:
            raise ValueError(f"worker {number} is not ready")
        for worker in ready:
            log.info("{worker} is replaced when its turn comes: {why}", worker=worker, why=why)
            worker.due = worker.due or why
        self._turn()

    def new_generation(self) -> None:
        """Have everything anew, from the code and settings as they are now."""
        newest = max(self.table.templates, default=0)
        self.desired.generation = max(self.desired.generation, newest) + 1
        self._turn()

    def snapshot(self) -> dict[str, object]:
        """Give the table as plain values, for a status page."""
        open_lanes, mishaps = self.lanes.open(), self.chronicle.mishaps()
        return report.snapshot(self.desired, self.table, open_lanes, mishaps, self._clock.seconds())

    # -- what the templates tell (Owner)

    def template_ready(self, generation: int, ready: control.Ready) -> None:
        template = self.table.templates[generation]
        if template.life is not Life.STARTING:
            return
        if (running := self.table.running()) and (fault := for_the_worse(ready, running)) is not None:
            now = self._clock.seconds()
            self.chronicle.not_taken_over(template, fault, now)
            template.stop(now, now + self.desired.terminate_timeout, fault.text)
            self.performer.quit(generation)
        else:
            template.get_ready(self._clock.seconds())
            template.said = ready
            log.info("{text}", text=report.template_ready(template, ready))
            for warning in ready.warnings:
                log.warn("{template}: {warning}", template=template, warning=warning)
        self._turn()

    def template_ended(self, generation: int, ending: Ending) -> None:
        self.chronicle.template_over(self.table.templates[generation], ending, self._clock.seconds())
        self._turn()

    def worker_forked(self, generation: int, number: int, pid: int) -> None:
        worker = self.table.workers[number, generation]
        worker.pid = pid
        if worker.life is Life.STOPPING:
            self.performer.signal(worker, signal.SIGTERM)
        self._check_ready(worker)
        self._turn()

    def fork_failed(self, generation: int, number: int, error: str) -> None:
        nothing = Ending(status=None)
        self._worker_over(self.table.workers[number, generation], f"could not be forked: {error}", nothing)

    def worker_ended(self, generation: int, number: int, ending: Ending) -> None:
        worker = self.table.workers[number, generation]
        self._worker_over(worker, report.how_ended(worker, ending), ending)

    def _worker_over(self, worker: Worker, how: str, ending: Ending) -> None:
        self.lanes.drop(worker)
        lost = self.lanes.forget(worker.key)
        self.chronicle.worker_over(worker, how, ending, lost, self._clock.seconds())
        self._turn()

    def _give_up(self, why: str) -> bool:
        """End everything if nothing has ever served: a start that fails is the operator's to mend."""
        if self._fatal is None or self.desired.stopping:
            return False
        fatal, self._fatal = self._fatal, None
        self.desired.stopping = True
        fatal(why)
        return True

    # -- what the lanes tell

    def _check_ready(self, worker: Worker) -> None:
        """Put a worker to use once its fork is known and all its lanes have answered, in whichever order."""
        lanes = self.lanes.get(worker.key)
        if worker.life is not Life.STARTING or worker.pid is None or lanes is None or not lanes.answered:
            return
        worker.get_ready(self._clock.seconds())
        self.table.took_over(worker.generation)
        self._fatal = None
        log.info("{worker} is ready", worker=worker)
        for lane in lanes.lanes:
            # The first request may kill it while its other lanes are being added.
            if worker.key in self.lanes:
                self._balancer.add(lane)

    def probes_answered(self, key: WorkerKey) -> None:
        self._check_ready(self.table.workers[key])
        self._turn()

    def lane_lost(self, key: WorkerKey, lane: Lane, why: str) -> None:
        worker = self.table.workers[key]
        if worker.live and worker.life is not Life.STOPPING:
            now = self._clock.seconds()
            worker.stop(now, now + LOST_GRACE, f"its lane was lost ({why})")
        self.lanes.drop(worker)
        self._turn()

    def _request_hung(self, lane: Lane, why: str) -> None:
        """Have its worker say where it stands and replaced; the lane is given up next."""
        key = self.lanes.owner(lane)
        worker = self.table.workers.get(key) if key is not None else None
        if worker is not None and worker.life in (Life.READY, Life.DRAINING):
            now = self._clock.seconds()
            worker.hung = True
            worker.stop(now, now + LAST_WORDS, why)
            self.performer.ask_for_stack(worker)
            self.lanes.request_lost(lane, why)

    def _lane_drained(self, lane: Lane) -> None:
        key = self.lanes.owner(lane)
        if key is not None and key in self.lanes:
            self.table.workers[key].in_flight -= 1
            self._turn()

    # -- planning and performing

    def _turn(self) -> None:
        """Plan and perform until there is nothing to do now, then sleep until there may be."""
        if self._in_turn:
            return  # a step had an effect at once; the turn under way plans again after it
        try:
            self._set_timer(self._perform_all())
            nobody = nobody_serves(self.desired, self.table.templates.values(), self.table.workers.values())
            expect_or_refuse(self._balancer, nobody, self.desired.stopping)
        except Exception:
            log.failure("The supervisor has failed, and looks again in {seconds:g} s", seconds=LOOK_AGAIN)
            self._set_timer(self._clock.seconds() + LOOK_AGAIN)
        if self._emptied is not None and self.table.empty:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def _perform_all(self) -> float | None:
        """Plan and perform until there is nothing to do now; give when to plan again."""
        self._in_turn = True
        try:
            while True:
                now = self._clock.seconds()
                planned, wake_at = plan(self.desired, self.table.templates.values(), self.table.workers.values(), now)
                if not planned:
                    return wake_at
                self._record_and_perform(planned, now)
        finally:
            self._in_turn = False

    def _record_and_perform(self, planned: list[Step], now: float) -> None:
        """Do some steps, all records first: what a step does to one process may have an effect on another at once."""
        recorded = []
        try:
            for step in planned:
                self.table.apply(step, self.desired, now)
                recorded.append(step)
        finally:
            # What has been recorded is done, whatever became of the record after it: it will not be planned again.
            for step in recorded:
                self.performer.perform(step)

    def _set_timer(self, wake_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_at is not None:
            self._timer = self._clock.callLater(max(0.0, wake_at - self._clock.seconds()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._turn()
