"""Who is found to have served enough, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent, LogLevel
from twisted.python.failure import Failure

from tests.unit.workers.pool import Pool, Request
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers.recycling import INTERVAL, MEASURED_EVERY, Recycling, recycling_of

MB = 1 << 20


class Thread:
    """Measures at once, what the test says."""

    def __init__(self) -> None:
        self.memory: dict[int, int] = {}
        self.asked: list[list[int]] = []
        self.error: Exception | None = None

    def __call__(self, function: Callable[..., object], pids: Iterable[int]) -> Deferred[dict[int, int]]:
        self.asked.append(list(pids))
        if self.error is not None:
            failed: Deferred[dict[int, int]] = Deferred()
            failed.errback(Failure(self.error))  # type: ignore[no-untyped-call]
            return failed
        return succeed(dict(self.memory))


def recycling(pool: Pool, thread: Thread, **limits: Any) -> Recycling:
    """Start to look at a pool."""
    made = recycling_of(PoolSettings(**limits), pool.supervisor, pool.clock, thread)
    assert made is not None
    made.startService()
    return made


def test_without_limits_nobody_looks(pool: Pool) -> None:
    """A pool is left alone unless somebody asks."""
    assert recycling_of(PoolSettings(), pool.supervisor, pool.clock, Thread()) is None


def test_a_worker_that_served_enough_is_replaced_the_new_one_first(pool: Pool) -> None:
    """From the look to the last step."""
    lanes = pool.run()
    looking = recycling(pool, Thread(), max_requests=10)
    lanes[0].served = 10
    pool.clock.advance(INTERVAL)
    assert ["template 1: fork 3"] == pool.said()
    assert [
        "worker 1 (generation 1, pid 101) is replaced when its turn comes: it has served 10 requests"
    ] == pool.logged()
    pool.clock.advance(INTERVAL)
    assert [] == pool.logged(), "it is said once"
    pool.fork(3)
    assert ["template 1: SIGTERM to 1"] == pool.said()
    pool.end(1, 0)
    assert ["template 1: fork 1"] == pool.said()
    pool.fork(1)
    assert ["template 1: SIGTERM to 3"] == pool.said()
    pool.end(3, 0)
    looking.stopService()
    assert [] == pool.clock.getDelayedCalls()


def test_one_at_a_time(pool: Pool) -> None:
    """Both are due; the second waits until the first slot is filled again, and the stand-in serves for both."""
    for lane in pool.run():
        lane.served = 10
    looking = recycling(pool, Thread(), max_requests=10)
    pool.clock.advance(INTERVAL)
    pool.fork(3)
    pool.end(1, 0)
    assert ["template 1: fork 3", "template 1: SIGTERM to 1", "template 1: fork 1"] == pool.said()
    pool.fork(1)
    assert ["template 1: SIGTERM to 2"] == pool.said()
    pool.end(2, 0)
    pool.fork(2)
    assert ["template 1: fork 2", "template 1: SIGTERM to 3"] == pool.said()
    looking.stopService()


def test_memory_is_measured_now_and_then_in_a_thread(pool: Pool) -> None:
    """Only of those that serve; one that has grown too large goes, one that has only just begun does not."""
    lanes = pool.run()
    lanes[0].served = lanes[1].served = 1
    thread = Thread()
    looking = recycling(pool, thread, max_memory=100 * MB)
    pool.clock.pump([INTERVAL] * 2)
    assert [[101, 102]] == thread.asked
    assert [] == pool.said()
    thread.memory = {101: 90 * MB, 102: 101 * MB}
    pool.clock.pump([INTERVAL] * int(MEASURED_EVERY / INTERVAL + 2))
    assert ["template 1: fork 3"] == pool.said()
    assert "worker 2 (generation 1, pid 102) is replaced when its turn comes: its memory has grown to 101 MB" in (
        pool.logged(LogLevel.info)
    )
    assert [101, 102] == thread.asked[-1]
    looking.stopService()


def test_a_measurement_that_fails_is_told_and_tried_again(pool: Pool, log: list[LogEvent]) -> None:
    """Nothing else stops because of it."""
    pool.run()
    thread = Thread()
    thread.error = OSError("no threads")
    looking = recycling(pool, thread, max_memory=MB)
    pool.clock.pump([INTERVAL] * int(MEASURED_EVERY / INTERVAL + 3))
    assert 2 == len(thread.asked)
    assert "The memory of the workers could not be measured" in pool.logged(LogLevel.critical)
    looking.stopService()


# -- the wish


def test_somebody_may_ask_for_it(pool: Pool) -> None:
    """A running request ends first, however long it takes."""
    pool.run()
    busy: Any = pool.balancer.claim(Request())
    pool.supervisor.recycle(2)
    pool.fork(3)
    assert "2.1 draining" in pool.lives()
    snapshot: Any = pool.supervisor.snapshot()
    assert "somebody asked for it" == snapshot["workers"][1]["due"]
    pool.balancer.release(busy)
    assert ["template 1: fork 3", "template 1: SIGTERM to 2"] == pool.said()


@pytest.mark.parametrize("number", [0, 3])
def test_a_worker_that_is_not_there_cannot_be_recycled(pool: Pool, number: int) -> None:
    """And the one who asked hears of it."""
    pool.run()
    with pytest.raises(ValueError, match=f"worker {number} is not ready"):
        pool.supervisor.recycle(number)


def test_a_recycled_worker_has_all_the_time_a_request_may_take(log: list[LogEvent]) -> None:
    """Unlike at a stop, which cuts it short."""
    pool = Pool(log, workers=1, drain_timeout=1.0, leave_timeout=600.0)
    pool.run()
    pool.balancer.claim(Request())
    pool.supervisor.recycle(1)
    pool.fork(2)
    pool.said()
    pool.clock.advance(599)
    assert [] == pool.said()
    pool.supervisor.stopService()
    pool.end(2, 0)
    pool.said()
    pool.clock.advance(1)
    assert ["template 1: SIGTERM to 1"] == pool.said()
    assert any("is cut off after 1 s of draining" in line for line in pool.logged())
