"""Nothing is lost and nothing done twice, whatever is killed or stopped in the middle of it."""

from __future__ import annotations

import os
import random
import signal
import socket
from collections import Counter
from pathlib import Path

import psutil

from tests.integration.conftest import StartCluster
from tests.integration.load import Load, assert_no_ticket_lost_or_doubled
from tests.processes import wait_until

PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/chrome/common/css/trac.css")
KILLS = 40


def test_killing_workers_all_the_time_loses_nothing(env: Path, start_cluster: StartCluster) -> None:
    """With one worker killed after the other, every page arrives and every ticket is there once.

    Nobody's page is asked of a third worker: the next one is killed when all readers have had a page since the last.
    """
    cluster = start_cluster("-s", str(env), "--workers", "4")
    cluster.wait_for_workers(4)
    load = Load(cluster.port).readers(len(PAGES), *PAGES).writers(2)
    wait_until(lambda: len(load.tally.tickets) > 4, 20, "tickets of both writers")
    chance = random.Random(7)
    for _ in range(KILLS):
        before = load.tally.done.copy()
        os.kill(chance.choice(wait_until(cluster.worker_pids, 20, "a worker")), signal.SIGKILL)
        wait_until(lambda before=before: pages_since(load, before) == len(PAGES), 30, "a page for every reader")  # type: ignore[misc]
    tally = load.stop()
    assert [] == tally.failures
    assert tally.good > 100
    assert assert_no_ticket_lost_or_doubled(env, tally) > 10
    cluster.wait_for_workers(4)


def pages_since(load: Load, before: Counter[str]) -> int:
    """Count the readers who have had two pages since then: the first of them may have been on its way."""
    return sum(count - before[kind] > 1 for kind, count in load.tally.done.copy().items() if kind.startswith("kept"))


def test_killing_everything_but_the_front_loses_no_page(env: Path, start_cluster: StartCluster) -> None:
    """With the template and all workers killed at once, clients wait a moment and get their pages."""
    cluster = start_cluster("-s", str(env), "--workers", "2")
    old = cluster.wait_for_workers(2)
    load = Load(cluster.port).readers(4, *PAGES).writers(1)
    wait_until(lambda: load.tally.good > 20, 20, "some load")
    for pid in [cluster.template_pid(), *old]:
        os.kill(pid, signal.SIGKILL)
    before = load.tally.good
    cluster.wait_for_workers(2, without=tuple(old))
    wait_until(lambda: load.tally.good > before + 20, 20, "pages from the new workers")
    tally = load.stop()
    assert [] == tally.failures
    assert_no_ticket_lost_or_doubled(env, tally)


def test_a_template_killed_alone_is_not_noticed(env: Path, start_cluster: StartCluster) -> None:
    """While a new template warms, the workers of the old one go on; then those of the new one take over."""
    cluster = start_cluster("-s", str(env), "--workers", "2")
    old = cluster.wait_for_workers(2)
    load = Load(cluster.port).readers(4, *PAGES)
    wait_until(lambda: load.tally.good > 20, 20, "some load")
    os.kill(cluster.template_pid(), signal.SIGKILL)
    cluster.wait_for_workers(2, without=tuple(old))
    wait_until(lambda: not any(psutil.pid_exists(pid) and _runs(pid) for pid in old), 20, "the end of the old workers")
    assert [] == load.stop().failures


def test_a_stop_under_load_loses_nothing_that_was_accepted(env: Path, start_cluster: StartCluster) -> None:
    """A stop answers everyone who had got through, then leaves no process."""
    cluster = start_cluster("-s", str(env), "--workers", "2")
    load = Load(cluster.port).readers(30, *PAGES).writers(2)
    wait_until(lambda: load.tally.good > 60, 30, "some load")
    cluster.stop()
    tally = load.wait()
    assert [] == tally.failures
    assert 32 == tally.refused
    assert_no_ticket_lost_or_doubled(env, tally)


def test_asking_twice_to_stop_ends_what_hangs(start_cluster: StartCluster) -> None:
    """A second Ctrl-C does not wait for a page that hangs, and leaves neither a traceback nor a process."""
    cluster = start_cluster("--application", "tests.integration.apps:misbehaving", "--workers", "2")
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=20) as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: cluster.get("/").status == 200, 10, "the other worker")
        cluster.tree.signal(signal.SIGINT)
        cluster.wait_for_log("shutting down")
        cluster.tree.signal(signal.SIGINT)
        status = cluster.wait_until_ended(12)
    assert -signal.SIGINT == status
    assert "Asked again to stop" in cluster.log
    assert "Traceback" not in cluster.log


def test_no_process_outlives_a_front_that_was_killed(env: Path, start_cluster: StartCluster) -> None:
    """Workers and template go by themselves when the front is gone, busy or not."""
    cluster = start_cluster("-s", str(env), "--workers", "3")
    load = Load(cluster.port).readers(4, "/query?max=0")
    wait_until(lambda: load.tally.good > 4, 30, "some load")
    os.kill(cluster.front_pid, signal.SIGKILL)
    load.wait()
    cluster.assert_nothing_left(grace=10)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
