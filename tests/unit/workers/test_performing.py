"""Steps on processes and lanes, and what becomes of those that cannot be performed."""

from __future__ import annotations

import pytest
from twisted.logger import LogEvent, LogLevel

from tests.unit.workers.pool import KILLED, Pool
from tracd_cluster.workers.performing import Performer
from tracd_cluster.workers.plan import FORK_TIMEOUT
from tracd_cluster.workers.steps import Kill, QuitTemplate


def performer(pool: Pool) -> Performer:
    """Give the one that performs for the supervisor of a pool."""
    return pool.supervisor.performer


def faults(log: list[LogEvent]) -> list[str]:
    """Give the exceptions that were logged."""
    return [f"{event['log_failure'].value}" for event in log if "log_failure" in event]


def test_each_step_goes_to_its_process(pool: Pool) -> None:
    """By the generation, and the worker's number."""
    pool.run()
    performer(pool).perform(Kill(2, 1))
    performer(pool).perform(QuitTemplate(1))
    assert ["template 1: SIGKILL to 2", "template 1: quit"] == pool.said()
    assert "<Performer, templates [1]>" == repr(performer(pool))


@pytest.mark.parametrize("fault", [OSError(24, "Too many open files"), RuntimeError("it is not what it was")])
def test_a_template_that_cannot_be_started_has_ended(pool: Pool, log: list[LogEvent], fault: Exception) -> None:
    """Whatever the reason: nothing waits for a process that is not there."""
    pool.run()
    pool.launch_error = fault
    pool.supervisor.new_generation()
    assert ([] if isinstance(fault, OSError) else [str(fault)]) == faults(log)
    assert any("cannot start its process" in line for line in pool.logged(LogLevel.critical))
    assert ["1.1 ready", "2.1 ready"] == pool.lives()
    pool.launch_error = None
    pool.supervisor.new_generation()
    assert ["template 3: start"] == pool.said()


@pytest.mark.parametrize("fault", [OSError(24, "Too many open files"), RuntimeError("it is not what it was")])
def test_a_worker_that_cannot_be_forked_has_ended(pool: Pool, log: list[LogEvent], fault: Exception) -> None:
    """It is tried again, and its lanes are closed."""
    pool.run()
    pool.templates[0].fault = fault
    pool.end(1)
    assert (set() if isinstance(fault, OSError) else {str(fault)}) == set(faults(log))
    assert any(f"could not be forked: {fault}" in line for line in pool.logged(LogLevel.error))
    assert all(lane.closed for lane in pool.lanes if lane.name == "worker 1")
    pool.templates[0].fault = None
    pool.clock.advance(FORK_TIMEOUT)
    assert ["template 1: fork 1"] == pool.said()


def test_a_step_that_fails_does_not_keep_the_next_ones_from_being_done(pool: Pool, log: list[LogEvent]) -> None:
    """All of them have been recorded, and would never be planned again."""
    pool.run()
    pool.supervisor.new_generation()
    pool.templates[1].fault = RuntimeError("it cannot be killed")
    pool.said()
    pool.supervisor.new_generation()
    assert ["it cannot be killed"] == faults(log)
    assert ["template 3: start"] == pool.said()
    pool.supervisor.template_ended(2, KILLED)
    pool.templates[2].get_ready()
    assert ["template 3: fork 1"] == pool.said()
