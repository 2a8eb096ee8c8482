"""The pool that the supervisor's tests begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, capturedLogs

from tests.unit.workers.pool import Pool


@pytest.fixture
def log() -> Iterator[list[LogEvent]]:
    """All that is logged during a test."""
    with capturedLogs() as events:
        assert isinstance(events, list)
        yield events


@pytest.fixture
def pool(log: list[LogEvent]) -> Iterator[Pool]:
    """A pool of two that has not been started; whatever a test does, its records stay sound."""
    pool = Pool(log)
    yield pool
    pool.supervisor.table.check()
    pool.balancer.check_invariants()
