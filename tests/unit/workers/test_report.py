"""What the log says of processes, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.workers import report
from tracd_cluster.workers.control import Ready
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.steps import Desired
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.worker import NEVER, Life, Template, Worker

DESIRED = Desired(count=2)


def worker(life: Life, **fields: Any) -> Worker:
    """Make the record of worker 1."""
    return Worker(number=1, generation=1, life=life, **{"since": 100.0, "pid": 11, **fields})


def template(life: Life, **fields: Any) -> Template:
    """Make the record of template 2."""
    return Template(generation=2, life=life, **{"since": 100.0, "pid": 22, **fields})


@pytest.mark.parametrize(
    ("one", "status", "how"),
    [
        (worker(Life.READY), -9, "was killed by SIGKILL (kill -9, or the kernel out of memory)"),
        (worker(Life.STOPPING, fault="it hung", deadline=NEVER), -9, "was killed because it hung"),
        (worker(Life.STOPPING, fault="it hung", deadline=NEVER), 1, "exited with status 1"),
        (worker(Life.STOPPING, fault="its lane was lost", deadline=101.0), -11, "was killed by SIGSEGV"),
    ],
)
def test_a_kill_of_ours_is_told_with_our_reason(one: Worker, status: int, how: str) -> None:
    """The operator is not sent to look for who did it."""
    assert report.how_ended(one, Ending(status=status)).startswith(how)


@pytest.mark.parametrize(
    ("one", "desired", "then"),
    [
        (worker(Life.EXITED, not_before=100.0), DESIRED, "; replaced"),
        (worker(Life.EXITED, not_before=100.5), DESIRED, "; the next one is started in 0.5 s"),
        (worker(Life.EXITED, not_before=100.0), Desired(count=2, stopping=True), ""),
        (worker(Life.EXITED, not_before=100.0), Desired(count=0), ""),
    ],
)
def test_what_becomes_of_the_slot(one: Worker, desired: Desired, then: str) -> None:
    """Whether anything is to be done by hand."""
    assert then == report.next_worker(one, desired)


def test_a_template_that_is_not_warm_says_so() -> None:
    """Starts will be slow."""
    text = report.template_ready(template(Life.READY), Ready(1.25, False, (), (), ()))
    assert "template 2 (pid 22) is ready after 1.25 s, 0 files loaded, not warmed: each worker warms itself" == text


@pytest.mark.parametrize(
    ("one", "others", "workers", "then"),
    [
        (template(Life.EXITED, not_before=100.5), [], [], "; the next template is started in 0.5 s"),
        (
            template(Life.EXITED, not_before=100.0, served=1),
            [],
            [worker(Life.READY)],
            "; workers of generation 1 go on; the next template is started at once",
        ),
        (
            template(Life.EXITED, not_before=100.0),
            [Template(generation=1, since=0.0, life=Life.READY)],
            [worker(Life.READY)],
            "; workers of generation 1 go on, and this generation is thrown away",
        ),
    ],
)
def test_what_becomes_of_a_generation(one: Template, others: list[Template], workers: list[Worker], then: str) -> None:
    """Who serves now, and what comes next."""
    table = Table({t.generation: t for t in [*others, one]}, {w.key: w for w in workers})
    assert then == report.next_template(one, table, DESIRED)
    assert "" == report.next_template(one, table, Desired(count=2, stopping=True))
