"""Does to processes and lanes what the steps of a plan say; their records have been changed before.

A step that cannot be done is told as the end of what it was to begin, whatever the reason: a record without a process
would be waited for. One that ends something has a deadline, after which the plan goes further.

Lifetime. ``_templates`` holds a template's process from its start until its record is forgotten, which is not before
its workers have exited: it is the way to their signals. The lanes are in ``lanes``.
"""

from __future__ import annotations

import signal
from functools import partial
from typing import Protocol

from twisted.logger import Logger

from tracd_cluster.balancer import Balancer, Lane
from tracd_cluster.workers import control, report, steps
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.lane_table import LaneTable
from tracd_cluster.workers.lanes import OpenLanes
from tracd_cluster.workers.running import Launch, RunningTemplate
from tracd_cluster.workers.steps import Desired, Step
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.template_process import Owner
from tracd_cluster.workers.worker import Worker, WorkerKey

log = Logger()


class Told(Owner, Protocol):
    """Who hears of what becomes of the steps."""

    def lane_lost(self, key: WorkerKey, lane: Lane, why: str) -> None: ...

    def probes_answered(self, key: WorkerKey) -> None: ...


class Performer:
    """Performs steps. ``threads`` is how many each worker of the next template has."""

    def __init__(
        self,
        desired: Desired,
        table: Table,
        lanes: LaneTable,
        balancer: Balancer,
        launch: Launch,
        open_lanes: OpenLanes,
        threads: int,
        told: Told,
    ) -> None:
        self.threads = threads
        self._desired = desired
        self._table = table
        self._lanes = lanes
        self._balancer = balancer
        self._launch = launch
        self._open_lanes = open_lanes
        self._told = told
        self._templates: dict[int, RunningTemplate] = {}

    def __repr__(self) -> str:
        return f"<Performer, templates {sorted(self._templates)}>"

    def perform(self, step: Step) -> None:
        """Do what a step says; a fault of our own is logged, for the steps that follow have been recorded too."""
        try:
            self._perform(step)
        except Exception:
            log.failure("{step} could not be performed", step=step)

    def ask_for_stack(self, worker: Worker) -> None:
        """Have a worker print where it stands."""
        self._templates[worker.generation].ask_for_stack(worker.number)

    def signal(self, worker: Worker, number: int) -> None:
        """Send a worker a signal, if it is there."""
        self._templates[worker.generation].signal_worker(worker.number, number)

    def quit(self, generation: int) -> None:
        """Ask a template to end."""
        self._templates[generation].quit()

    def _perform(self, step: Step) -> None:
        match step:
            case steps.StartTemplate(generation):
                self._start_template(generation)
            case steps.QuitTemplate(generation):
                self.quit(generation)
            case steps.KillTemplate(generation, fault):
                if fault:
                    self._templates[generation].ask_for_stack(None)
                self._templates[generation].kill()
            case steps.ForgetTemplate(generation):
                self._templates.pop(generation, None)
            case steps.Fork(number, generation):
                self._fork(self._table.workers[number, generation])
            case steps.Drain(number, generation):
                self._drain(self._table.workers[number, generation])
            case steps.Terminate(number, generation):
                self._terminate(self._table.workers[number, generation])
            case steps.Kill(number, generation):
                self._kill(self._table.workers[number, generation])

    def _start_template(self, generation: int) -> None:
        try:
            process = self._launch(generation, self._told)
        except Exception as error:
            if not isinstance(error, OSError):
                log.failure("template {generation} could not be started", generation=generation)
            failed = control.Failed("start its process", str(error), "")
            self._told.template_ended(generation, Ending(status=None, failed=failed))
        else:
            self._templates[generation] = process
            self._table.templates[generation].pid = process.pid
            self._table.templates[generation].threads = self.threads

    def _fork(self, worker: Worker) -> None:
        key = worker.key
        try:
            threads = self._table.templates[worker.generation].threads
            lanes = self._open_lanes(threads, f"worker {worker.number}", partial(self._told.lane_lost, key))
            self._lanes.put(key, lanes)
            self._templates[worker.generation].fork(worker.number, lanes.theirs)
        except Exception as error:
            if not isinstance(error, OSError):
                log.failure("{worker} could not be forked", worker=worker)
            self._told.fork_failed(worker.generation, worker.number, str(error))
        else:
            lanes.probe(partial(self._told.probes_answered, key))

    def _drain(self, worker: Worker) -> None:
        if (lanes := self._lanes.get(worker.key)) is not None:
            worker.in_flight = lanes.withdraw(self._balancer)

    def _terminate(self, worker: Worker) -> None:
        if worker.in_flight:
            log.warn("{text}", text=report.drain_over(worker, self._desired))
        self._lanes.drop(worker)
        self.signal(worker, signal.SIGTERM)

    def _kill(self, worker: Worker) -> None:
        if worker.healthy:
            log.warn("{text}", text=report.terminate_over(worker, self._desired))
        self._lanes.drop(worker)
        self.signal(worker, signal.SIGKILL)
