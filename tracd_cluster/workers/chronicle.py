"""Tells of every process that has ended, in the log, and remembers those that ended badly, for the status."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from twisted.logger import Logger

from tracd_cluster.workers import report
from tracd_cluster.workers.control import Fault
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.judgement import Failure, failure_of
from tracd_cluster.workers.steps import Desired
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.worker import FREE_STRIKES, Template, Worker

KEPT = 20
"""Mishaps kept: enough to see a pattern. Each may hold the stack of a hung worker, a few kilobytes."""

log = Logger(namespace="tracd_cluster.workers")


@dataclass(frozen=True, slots=True)
class Mishap:
    """One worker that crashed or hung. ``at`` is in seconds of the supervisor's clock, which is the Unix time."""

    at: float
    worker: str
    how: str
    hung: bool
    requests: Sequence[str]
    """What was lost with it, as in ``GET /report/3, user ines``; of a hung one the first is what hung."""
    last_words: Sequence[str]


class Chronicle:
    """What has become of the processes.

    ``give_up`` is called with the reason when a start fails; it gives whether everything ends because of it, which
    then is told there.
    """

    def __init__(self, desired: Desired, table: Table, give_up: Callable[[str], bool]) -> None:
        self._desired = desired
        self._table = table
        self._give_up = give_up
        self._mishaps: deque[Mishap] = deque(maxlen=KEPT)
        self.ended = dict.fromkeys(report.REASONS, 0)
        """How many workers have ended, by the reason; those of the service's own end are not among them."""

    def mishaps(self) -> list[dict[str, object]]:
        """Give the last mishaps as plain values, the latest at the end."""
        return [asdict(mishap) for mishap in self._mishaps]

    def template_over(self, template: Template, ending: Ending, now: float) -> None:
        """Note the end of a template, and tell of it."""
        asked, was_ready = template.asked_to_end, template.ready_at is not None
        text = report.template_ended(template, ending)
        template.told = "" if asked else text
        if not asked and not template.served:
            self._table.failed(failure_of(template, ending, now))
        template.end(now, ending.from_outside and not template.killed)
        then = report.next_template(template, self._table, self._desired)
        if ending.failed is not None and ending.failed.traceback:
            log.info("{template}: {traceback}", template=template, traceback=ending.failed.traceback)
        if asked:
            log.info("{text}", text=text)
        elif was_ready:
            log.error("{text}{then}", text=text, then=then)
        elif not self._give_up(report.cannot_start(ending, text)):
            log.critical("{text}{then}", text=text, then=then)

    def not_taken_over(self, template: Template, fault: Fault, now: float) -> None:
        """Tell why a template that could serve is not to: it would serve less well than the running one."""
        self._table.failed(Failure(template.generation, now, fault.text, fault.file, fault.traceback))
        log.error("{text}\n{traceback}", text=report.not_taken_over(template, fault), traceback=fault.traceback)

    def worker_over(self, worker: Worker, how: str, ending: Ending, requests: Sequence[str], now: float) -> None:
        """Note the end of a worker with which ``requests`` were lost, and tell of it in one line."""
        asked = worker.asked_to_end
        if not self._desired.stopping and (why := report.why_ended(worker, self._desired)):
            self.ended[why] += 1
        worker.end(now, ending.from_outside and not worker.killed)
        if asked:
            log.info("{worker} has ended as asked: it {how}", worker=worker, how=how)
            return
        self._mishaps.append(Mishap(now, str(worker), how, worker.hung, requests, ending.last_words))
        words = ending.words
        if worker.strikes <= FREE_STRIKES or not self._give_up(f"cannot start: {worker} {how}{words}"):
            then = report.next_worker(worker, self._desired) + report.under_way(worker, requests)
            log.error("{worker} {how}{then}{words}", worker=worker, how=how, then=then, words=words)
