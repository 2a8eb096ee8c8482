"""What the supervisor says of its processes: the lines of the log, and the table as plain values."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tracd_cluster.workers.control import Fault, Ready
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.lanes import WorkerLanes
from tracd_cluster.workers.steps import Desired
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.worker import Life, Template, Worker, WorkerKey

REASONS = ("crash", "recycled", "hung", "generation", "scaled")
"""Why a worker can have ended while others serve on."""


def why_ended(worker: Worker, desired: Desired) -> str:
    """Give the one of the reasons for which a worker that is just ending does so; a stand-in that goes has none."""
    if worker.hung:
        return "hung"
    if not worker.asked_to_end:
        return "crash"
    if worker.due:
        return "recycled"
    if worker.generation < desired.generation:
        return "generation"
    return "" if worker.stand_in else "scaled"


def how_ended(process: Worker | Template, ending: Ending) -> str:
    """Say how a process ended, and name our own reason where it was we who killed it."""
    if process.killed and process.fault and ending.status in (-signal.SIGKILL, None):
        return f"was killed because {process.fault}"
    return ending.how


def next_worker(worker: Worker, desired: Desired) -> str:
    """Say what becomes of the slot of a worker that has ended."""
    if desired.stopping or worker.number > desired.count:
        return ""
    wait = worker.not_before - worker.since
    return f"; the next one is started in {wait:g} s" if wait > 0 else "; replaced"


def under_way(worker: Worker, requests: Sequence[str]) -> str:
    """Say what was lost with a worker that crashed; that of a hung one is told as the reason of its end."""
    return "" if worker.hung or not requests else f"; under way was {' and '.join(requests)}"


def drain_over(worker: Worker, desired: Desired) -> str:
    """Say that a worker is terminated though it is at work."""
    seconds = desired.drain_timeout if desired.stopping else desired.leave_timeout
    return f"{worker} is cut off after {seconds:g} s of draining, requests under way: {worker.in_flight}"


def terminate_over(worker: Worker, desired: Desired) -> str:
    """Say that a worker is killed though it was only to end."""
    return f"{worker} did not end within {desired.terminate_timeout:g} s of SIGTERM and is killed"


def template_ready(template: Template, ready: Ready) -> str:
    """Say that a template can fork."""
    if template.pid is None:
        return f"generation {template.generation} is of a command that each worker runs"
    state = "warm" if ready.preloaded else "not warmed: each worker warms itself"
    return f"{template} is ready after {ready.seconds:.2f} s, {len(ready.files)} files loaded, {state}"


def template_ended(template: Template, ending: Ending) -> str:
    """Say how a template ended: in its own words where it had some."""
    if template.asked_to_end:
        return f"{template} has ended as asked: it {ending.how}"
    if ending.failed is not None:
        return f"{template} cannot {ending.failed.step}: {ending.failed.error}"
    return f"{template} {how_ended(template, ending)}{ending.words}"


def not_taken_over(template: Template, fault: Fault) -> str:
    """Say why a generation that could serve is not to."""
    where = f" ({fault.file})" if fault.file and fault.file not in fault.text else ""
    return f"{template} does not take over: environment {fault.environment}: {fault.text}{where}"


def cannot_start(ending: Ending, text: str) -> str:
    """Say why serving cannot begin, for one who does not know of templates; ``text`` is what the log would say."""
    if ending.failed is not None:
        return f"cannot {ending.failed.step}: {ending.failed.error}"
    return f"cannot start: {text}"


def next_template(template: Template, table: Table, desired: Desired) -> str:
    """Say who serves, and what comes, after the end of a template."""
    if desired.stopping:
        return ""
    serving = sorted({w.generation for w in table.workers.values() if w.life is Life.READY})
    on = f"; workers of generation {serving[-1]} go on" if serving else ""
    forking = any(other.life is Life.READY for other in table.templates.values())
    if template.failed and forking:
        return f"{on}, and this generation is thrown away"
    wait = template.not_before - template.since
    return f"{on}; the next template is started " + (f"in {wait:g} s" if wait > 0 else "at once")


def snapshot(
    desired: Desired,
    table: Table,
    lanes: Mapping[WorkerKey, WorkerLanes],
    mishaps: list[dict[str, object]],
    now: float,
) -> dict[str, object]:
    """Give what is wanted and what there is as plain values; the open lanes know more than the records do."""
    return {
        "workers_wanted": desired.count,
        "generation_wanted": desired.generation,
        "stopping": desired.stopping,
        "last_failure": None if table.last_failure is None else asdict(table.last_failure),
        "templates": [
            {**_plain(template, now), "served": template.served, "files": len(template.files)}
            for template in table.templates.values()
        ],
        "workers": [
            {
                **_plain(worker, now),
                "number": worker.number,
                "in_flight": worker.in_flight if worker.life is Life.DRAINING else None,
                "due": worker.due,
                **_working(worker, lanes.get(worker.key), now),
            }
            for worker in table.workers.values()
        ],
        "mishaps": mishaps,
    }


def _working(worker: Worker, lanes: WorkerLanes | None, now: float) -> dict[str, object]:
    if lanes is None:
        return {"served": worker.served, "asked": []}
    asked = [
        {"method": method, "path": path, "user": user, "seconds": now - since}
        for method, path, user, since in lanes.asked()
    ]
    return {"served": lanes.served, "asked": asked}


def _plain(process: Worker | Template, now: float) -> dict[str, object]:
    return {
        "generation": process.generation,
        "pid": process.pid,
        "life": process.life.value,
        "seconds": now - process.since,
        "healthy": process.healthy,
        "fault": process.fault or process.told,
        "strikes": process.strikes,
    }
