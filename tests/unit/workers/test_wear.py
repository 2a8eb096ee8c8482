"""When a worker has served enough."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tracd_cluster.workers.wear import JITTER, WearLimits, why_due
from tracd_cluster.workers.worker import Life, Worker

MB = 1 << 20


def worker(pid: int = 0) -> Worker:
    """Make a worker that got ready at 1000; with pid 0 there is no jitter."""
    return Worker(number=1, generation=1, since=1000.0, ready_at=1000.0, life=Life.READY, pid=pid)


@pytest.mark.parametrize(
    ("limits", "served", "memory", "now", "why"),
    [
        (WearLimits(), 10**9, 10**12, 1e9, ""),
        (WearLimits(requests=20), 19, None, 1e9, ""),
        (WearLimits(requests=20), 20, None, 1000.0, "it has served 20 requests"),
        (WearLimits(lifetime=60.0), 0, None, 1059.0, ""),
        (WearLimits(lifetime=60.0), 0, None, 1060.0, "it has served for 60 s"),
        (WearLimits(memory=50 * MB), 1, None, 1000.0, ""),
        (WearLimits(memory=50 * MB), 1, 50 * MB, 1000.0, ""),
        (WearLimits(memory=50 * MB), 1, 51 * MB, 1000.0, "its memory has grown to 51 MB"),
        (WearLimits(memory=50 * MB), 0, 51 * MB, 1000.0, ""),
        (WearLimits(requests=1), 0, None, 1000.0, ""),
    ],
)
def test_each_limit_by_itself(limits: WearLimits, served: int, memory: int | None, now: float, why: str) -> None:
    """One that has served nothing is as large as its successor would be."""
    assert why == why_due(limits, worker(), served, memory, now)


def test_workers_of_one_start_do_not_come_due_together() -> None:
    """Their process numbers follow each other; their limits do not."""
    limits = WearLimits(requests=1000)
    due_at = sorted(
        next(served for served in range(1001) if why_due(limits, worker(pid), served, None, 1000.0))
        for pid in range(4321, 4329)
    )
    assert 1000 * (1 - JITTER) <= due_at[0]
    assert due_at[-1] <= 1000
    assert min(later - earlier for earlier, later in pairwise(due_at)) >= 10


def test_there_may_be_no_limit() -> None:
    """Then nobody needs to look."""
    assert not WearLimits().any
    assert WearLimits(lifetime=1.0).any
