"""Whose a lane is, and what was lost on it."""

from __future__ import annotations

from typing import Any

from tests.fakes import FakeLane
from tracd_cluster.balancer import Balancer
from tracd_cluster.workers.lane_table import LaneTable
from tracd_cluster.workers.lanes import open_pairs
from tracd_cluster.workers.worker import Worker


def test_a_lane_is_known_until_its_worker_is_forgotten() -> None:
    """What was under way on it tells of itself after it was closed."""
    balancer = Balancer(10)
    table, worker = LaneTable(balancer), Worker(number=1, generation=1, since=0.0)
    lanes = open_pairs(FakeLane, 2, "worker 1", lambda lane, why: None)
    for end in lanes.theirs:
        end.close()
    table.put(worker.key, lanes)
    one, two = lanes.lanes
    assert (lanes, (1, 1), {(1, 1): 0}) == (table.get(worker.key), table.owner(one), table.served())
    table.drop(worker)
    assert (None, (1, 1), {}) == (table.get(worker.key), table.owner(two), table.served())
    assert worker.key not in table
    table.request_lost(one, "GET /a")
    table.request_lost(two, "GET /b")
    assert ["GET /a", "GET /b"] == table.forget(worker.key)
    assert table.owner(one) is None
    table.request_lost(one, "GET /c")
    assert [] == table.forget(worker.key)


def test_what_ran_on_dropped_lanes_counts_as_served() -> None:
    """A worker that served is no failed start (Note [Strikes])."""
    balancer: Any = Balancer(10)
    table, worker = LaneTable(balancer), Worker(number=1, generation=1, since=0.0)
    lanes = open_pairs(FakeLane, 1, "worker 1", lambda lane, why: None)
    for end in lanes.theirs:
        end.close()
    table.put(worker.key, lanes)
    balancer.add(lanes.lanes[0])
    balancer._idle.pop()  # claimed
    table.drop(worker)
    table.drop(worker)
    assert (1, 0) == (worker.served, worker.in_flight)
