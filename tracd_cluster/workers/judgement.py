"""Whether a generation that could serve may take over, and what is remembered of one that did not.

Trac leaves out a plugin that it cannot load, and goes on: a page that the plugin made would be gone, without an error
to be seen. So a generation in which something fails that works in the running one is thrown away like one that cannot
get ready. What has been broken before is no reason, nor is what is new: it would not get better by waiting. Nor is an
environment whose database is locked, or that needs an upgrade: it answers with Trac's own message, and the changes of
all the others are not to wait for it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tracd_cluster.workers.control import Fault, Ready
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.worker import Template


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the newest generation does not serve; ``at`` is a time in seconds since the epoch."""

    generation: int
    at: float
    error: str
    file: str = ""
    traceback: str = ""


def failure_of(template: Template, ending: Ending, now: float) -> Failure:
    """Say why a generation could not get ready."""
    failed = ending.failed
    if failed is not None:
        error = f"cannot {failed.step}: {failed.error}"
        return Failure(template.generation, now, error, failed.file, failed.traceback)
    return Failure(template.generation, now, template.fault or f"it {ending.how}{ending.words}")


def for_the_worse(new: Ready, running: Ready) -> Fault | None:
    """Give the first thing that works in the running generation and would not in the new one."""
    known = {(fault.kind, fault.environment, fault.what) for fault in running.faults}
    for fault in new.faults:
        if (fault.kind, fault.environment, fault.what) not in known and _was_tried(fault, running):
            return fault
    return None


def _was_tried(fault: Fault, running: Ready) -> bool:
    """Tell whether the running generation would know of the fault, had it been there."""
    if fault.kind == "page":
        return fault.environment in running.warmed
    if fault.kind == "plugin" and os.path.isabs(fault.what) and fault.what not in running.files:
        return False
    return fault.environment in running.opened
