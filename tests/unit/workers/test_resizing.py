"""What an elastic pool sees of itself, and does about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.logger import LogEvent

from tests.unit.workers.pool import Pool, Request
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers.resizing import CALM, Resizing, resizing_of

SETTINGS = PoolSettings(workers=1, most_workers=3, processors=2, grow_after=0.3, shrink_after=60.0)


class ElasticPool(Pool):
    """A pool of one that may have three, with the one who looks at it."""

    def __init__(self, log: list[LogEvent]) -> None:
        super().__init__(log, workers=1)
        self.balancer.clock = self.clock.seconds
        made = resizing_of(SETTINGS, self.supervisor, self.balancer, self.clock)
        assert made is not None
        self.resizing: Resizing = made
        self.run()
        self.resizing.startService()

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)

    @property
    def wanted(self) -> int:
        return self.supervisor.desired.count


@pytest.fixture
def elastic(log: list[LogEvent]) -> ElasticPool:
    """One that has just got ready."""
    return ElasticPool(log)


def test_a_fixed_number_needs_nobody_to_look(pool: Pool) -> None:
    """Nor has a pool that cannot grow anybody who could make it shrink."""
    fixed = PoolSettings(workers=2, most_workers=2)
    assert resizing_of(fixed, pool.supervisor, pool.balancer, pool.clock) is None


def test_it_grows_when_somebody_has_waited_and_not_before(elastic: ElasticPool) -> None:
    """The looks are close enough together to be in time."""
    elastic.balancer.claim(Request())
    elastic.pass_time(5)
    assert 1 == elastic.wanted, "nobody waits"
    waiting = Request()
    elastic.balancer.claim(waiting)
    elastic.pass_time(0.25)
    assert 1 == elastic.wanted
    elastic.pass_time(0.1)
    assert 2 == elastic.wanted
    [line] = [line for line in elastic.logged() if "The pool" in line]
    assert re.fullmatch("The pool grows to 2: a request has waited 3[0-5]0 ms", line)
    assert ["template 1: fork 2"] == elastic.said()
    elastic.fork(2)
    assert waiting.lane is not None


def test_it_waits_for_the_one_it_has_asked_for(elastic: ElasticPool) -> None:
    """A fork that takes long is no reason for another."""
    for _ in range(3):
        elastic.balancer.claim(Request())
    elastic.pass_time(2)
    assert 2 == elastic.wanted
    elastic.fork(2)
    elastic.pass_time(CALM)
    assert 3 == elastic.wanted


def test_quick_requests_alone_do_not_make_it_larger_than_the_machine(elastic: ElasticPool) -> None:
    """They wait because there is too much to do, and more workers would not do more."""
    elastic.supervisor.scale(2)
    lanes: list[Any] = [elastic.balancer.claim(Request()), *elastic.fork(2)]
    lanes[1] = elastic.balancer.claim(Request())
    for _ in range(8):
        elastic.balancer.claim(Request())
    for _ in range(100):
        for lane in lanes:
            elastic.balancer.claim(Request())
            elastic.pass_time(0.05)
            lane.served += 1
            elastic.balancer.release(lane)
    assert elastic.balancer.waited(elastic.clock.seconds()) > 0.3
    assert 2 == elastic.wanted


def test_it_shrinks_after_the_quiet_time(elastic: ElasticPool) -> None:
    """To its least, one by one."""
    elastic.supervisor.scale(3)
    elastic.fork(2)
    elastic.fork(3)
    elastic.pass_time(14)
    assert 3 == elastic.wanted
    elastic.pass_time(2)
    assert 2 == elastic.wanted, "more than the processors"
    elastic.end(3, 0)
    elastic.pass_time(60)
    assert 1 == elastic.wanted
    assert "The pool shrinks to 1: no more are needed" in elastic.logged()


def test_a_worker_at_work_stays(elastic: ElasticPool) -> None:
    """The one that would go has a long request: it goes afterwards."""
    elastic.supervisor.scale(2)
    [lane] = elastic.fork(2)
    assert lane is elastic.balancer.claim(Request())
    elastic.pass_time(100)
    assert 2 == elastic.wanted
    elastic.balancer.release(lane)
    elastic.pass_time(61)
    assert 1 == elastic.wanted


def test_a_number_outside_the_bounds_is_somebodys_wish(elastic: ElasticPool) -> None:
    """It is kept."""
    elastic.supervisor.scale(5)
    for number in (2, 3, 4, 5):
        elastic.fork(number)
    elastic.pass_time(200)
    assert 5 == elastic.wanted


def test_it_stops(elastic: ElasticPool) -> None:
    """And leaves nothing behind."""
    elastic.resizing.stopService()
    assert [] == elastic.clock.getDelayedCalls()
