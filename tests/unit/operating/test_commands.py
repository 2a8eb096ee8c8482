"""Commands, driven by hand over a pool on paper."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.front.wire import make_front
from tests.unit.workers.pool import Pool
from tracd_cluster.operating.commands import Commands, Work
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.operating.protocol import End, Request
from tracd_cluster.workers.supervisor import Supervisor


class Cluster:
    """A service of which only the pool is there, and that only on paper."""

    def __init__(self, pool: Pool) -> None:
        self.front, _ = make_front()
        self.balancer = pool.balancer
        self.pool: Supervisor | Elsewhere = pool.supervisor
        self.news: list[str] = []
        self.stopped = 0
        self.upgrade: Any = "not now"
        self.commands = Commands(self, self.stop, lambda: self.upgrade, lambda: 5.0)

    def reload(self) -> list[str]:
        if self.news:
            self.pool.new_generation()
        return self.news or ["nothing has changed"]

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def cluster(pool: Pool) -> Cluster:
    """A service with two workers that are ready."""
    pool.run()
    return Cluster(pool)


def end_of(work: Work) -> End:
    """Give how a command ends that has nothing (more) to wait for."""
    with pytest.raises(StopIteration) as stop:
        next(work)
    end: End = stop.value.value
    return end


def test_status(cluster: Cluster) -> None:
    """The table, with what only the front knows."""
    report = end_of(cluster.commands.begin(Request("status"))).report
    assert report is not None
    assert (os.getpid(), 5.0, 0, 0) == (report["pid"], report["seconds"], report["connections"], report["waiting"])
    assert [1, 2] == [worker["number"] for worker in report["workers"]]
    assert {"memory"} <= set(report["templates"][0])


def test_restart(cluster: Cluster, pool: Pool) -> None:
    """It waits until the new generation serves."""
    work = cluster.commands.begin(Request("restart"))
    assert "generation 2: its template is starting" == next(work)
    pool.templates[1].get_ready()
    pool.fork(1, 2)
    assert "generation 2: 1 of 2 workers ready" == next(work)
    pool.fork(2, 2)
    assert End(0, "generation 2 serves with 2 workers") == end_of(work)
    begun = end_of(cluster.commands.begin(Request("restart", wait=False)))
    assert End(0, "generation 3 has been asked for") == begun


def test_reload(cluster: Cluster, pool: Pool) -> None:
    """What was taken is told, and the take-over is waited for if there is one."""
    assert End(0, "nothing has changed") == end_of(cluster.commands.begin(Request("reload")))
    cluster.news = ["--auth: taken", "--port: refused"]
    work = cluster.commands.begin(Request("reload"))
    next(work)
    pool.templates[1].get_ready()
    pool.fork(1, 2)
    pool.fork(2, 2)
    assert End(0, "--auth: taken\n--port: refused\ngeneration 2 serves with 2 workers") == end_of(work)


def test_scale(cluster: Cluster, pool: Pool) -> None:
    """It waits, and gives up when somebody wants another number."""
    work = cluster.commands.begin(Request("scale", 3))
    assert "2 of 3 workers ready" == next(work)
    pool.fork(3)
    assert End(0, "3 workers are ready") == end_of(work)
    work = cluster.commands.begin(Request("scale", 4))
    next(work)
    pool.supervisor.scale(2)
    assert 1 == end_of(work).status
    assert End(0, "5 workers are wanted") == end_of(cluster.commands.begin(Request("scale", 5, wait=False)))


def test_drain(cluster: Cluster, pool: Pool) -> None:
    """Somebody stands in for that worker, it ends, and another one comes in its place."""
    work = cluster.commands.begin(Request("drain", 2))
    assert "worker 2 (generation 1, pid 102) goes when its successor is ready" in next(work)
    pool.fork(3)
    pool.end(2, 0)
    assert "worker 2 (generation 1, pid 102) has ended, the next one is starting" == next(work)
    pool.fork(2)
    end = end_of(work)
    assert 0 == end.status
    assert end.say.endswith("has ended, worker 2 (generation 1, pid 102) is in its place")
    assert End(1, "there is no worker 7 that could be drained") == end_of(cluster.commands.begin(Request("drain", 7)))
    assert "is draining" in end_of(cluster.commands.begin(Request("drain", 1, wait=False))).say


def test_stop_is_not_over_before_the_process_is(cluster: Cluster) -> None:
    """It is asked for once."""
    work = cluster.commands.begin(Request("stop"))
    assert ["stopping"] * 3 == [next(work) for _ in range(3)]
    assert 1 == cluster.stopped


def test_upgrade(cluster: Cluster) -> None:
    """Refused with a reason, or waited for."""
    assert End(1, "not now") == end_of(cluster.commands.begin(Request("upgrade")))
    cluster.upgrade = SimpleNamespace(outcome=None, state="starting")
    work = cluster.commands.begin(Request("upgrade"))
    assert "starting" == next(work)
    cluster.upgrade.outcome = End(0, "pid 8 serves")
    assert End(0, "pid 8 serves") == end_of(work)
    cluster.upgrade.outcome = None
    assert End(0, "starting") == end_of(cluster.commands.begin(Request("upgrade", wait=False)))
