"""Workers are replaced when they have served enough, and nobody notices."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.gate import Gate
from tests.integration.load import Load, assert_no_ticket_lost_or_doubled
from tests.processes import wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")
PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/chrome/common/css/trac.css")
TURNS = 24
READY = re.compile(r"worker (\d+) \(generation 1, pid \d+\) is ready")
DUE = re.compile(r"worker (\d+) \(generation 1, pid \d+\) is replaced when its turn comes: it has served")


def turns(cluster: ClusterProcess) -> Counter[str]:
    """Count how often each slot was filled."""
    return Counter(READY.findall(cluster.log))


def memory(pid: int) -> int:
    """Give the resident set of a process, in bytes: what it has alone changes with what its children write to."""
    return int(psutil.Process(pid).memory_info().rss)


def test_recycling_under_load_loses_nothing(env: Path, start_cluster: StartCluster) -> None:
    """While every worker is replaced dozens of times, every page arrives and every ticket is there once."""
    cluster = start_cluster("-s", str(env), "--workers", "2", "--max-requests", "20")
    cluster.wait_for_workers(2)
    front, template = psutil.Process(cluster.front_pid), cluster.template_pid()
    load = Load(cluster.port).readers(4, *PAGES).writers(2)
    wait_until(lambda: turns(cluster)["1"] > 4, 30, "the first turns")
    before = memory(template), memory(front.pid), front.num_fds()
    wait_until(lambda: min(turns(cluster)[number] for number in "12") > TURNS, 60, f"{TURNS} turns of each worker")
    after = memory(template), memory(front.pid), front.num_fds()
    tally = load.stop()
    assert [] == tally.failures
    assert tally.good > 500
    assert assert_no_ticket_lost_or_doubled(env, tally) > 50
    assert after[0] - before[0] < 1 << 20, "the template grows"
    assert after[1] - before[1] < 4 << 20, "the front grows"
    assert after[2] - before[2] <= 12, "the front holds descriptors"
    log = cluster.log
    assert "#error" not in log
    assert "#critical" not in log
    assert "cut off" not in log
    assert cluster.template_pid() == template


def test_a_worker_that_has_grown_is_replaced(start_cluster: StartCluster) -> None:
    """Memory that an application never gives back comes back with the next worker."""
    cluster = start_cluster(*APPLICATION, "--workers", "1", "--max-memory", "60M")
    [old] = cluster.worker_pids()
    for _ in range(6):
        assert str(old).encode() == cluster.get("/leak").body
    wait_until(lambda: cluster.get("/pid").body != str(old).encode(), 20, "a fresh worker")
    log = cluster.wait_for_log("has ended as asked")
    assert re.search(r"worker 1 .* is replaced when its turn comes: it has served \d+ requests", log) is None
    assert re.search(r"worker 1 .* is replaced when its turn comes: its memory has grown to \d+ MB", log)


def test_workers_do_not_stay_for_ever(start_cluster: StartCluster) -> None:
    """With a lifetime every worker is replaced, one after the other, idle or not."""
    cluster = start_cluster(*APPLICATION, "--workers", "2", "--worker-lifetime", "2")
    old = tuple(cluster.wait_for_workers(2))
    load = Load(cluster.port).readers(2, "/")
    cluster.wait_for_workers(2, without=old)
    assert [] == load.stop().failures
    assert re.search(r"is replaced when its turn comes: it has served for \d s", cluster.log)


def test_a_long_request_is_not_cut_off_by_recycling(start_cluster: StartCluster) -> None:
    """The worker that is due ends what it is doing, however long, while another one serves in its place."""
    how = ("--workers", "1", "--threads", "2", "--max-requests", "5", "--drain-timeout", "0.01")
    cluster = start_cluster(*APPLICATION, *how)
    with ThreadPoolExecutor(1) as client, Gate() as gate:
        [old] = cluster.worker_pids()
        long = client.submit(cluster.get, gate.target)
        gate.wait_for(1)
        wait_until(lambda: cluster.get("/pid").body != str(old).encode(), 20, "another worker")
        for _ in range(20):
            assert cluster.get("/pid").body != str(old).encode()
        assert DUE.search(cluster.log)
        assert psutil.pid_exists(old)
        gate.open()
        assert 200 == long.result(30).status
    cluster.wait_for_log(f"worker 1 (generation 1, pid {old}) has ended as asked")
    assert "cut off" not in cluster.log
