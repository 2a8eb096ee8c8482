"""Hundreds of clients who say hardly anything, again and again: pages go on, and nothing of them stays."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.overload import Program
from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.load import Load
from tests.processes import wait_until

SLOW, IDLE = 200, 400
WIKI = "/wiki/WikiStart"


def sockets(cluster: ClusterProcess) -> int:
    """Count the descriptors of the front."""
    return len(os.listdir(f"/proc/{cluster.front_pid}/fd"))


def sent_away(access_log: str) -> bool:
    """Tell whether all have been sent away, and have come again."""
    return access_log.count(" 408 ") > 2 * SLOW and access_log.count("trac.css") > 2 * IDLE


def test_pages_go_on_beside_the_silent(start_cluster: StartCluster, env: Path, tmp_path: Path) -> None:
    """Those who never end a request get 408, those who ask no more are closed, and who asks has pages all the time."""
    access = tmp_path / "access.log"
    cluster = start_cluster(
        "--workers", "2", "--head-timeout", "1", "--idle-timeout", "3", "--access-log", str(access), "-s", str(env)
    ).wait_until_serving(WIKI)
    before = sockets(cluster)
    crowd = Program("crowd", cluster.port, SLOW, IDLE)
    try:
        crowd.hear()
        load = Load(cluster.port).readers(2, WIKI)
        wait_until(lambda: sent_away(access.read_text()), 60, "the end of all who are silent")
        tally = load.stop()
    finally:
        crowd.kill()
    assert [] == tally.failures
    assert tally.good > 0
    # Some are the front's own: the second worker's, or of a file that it keeps in memory.
    wait_until(lambda: sockets(cluster) < before + SLOW // 10, 20, "the end of what the crowd has left")
    assert 200 == cluster.get(WIKI).status
    assert "Traceback" not in cluster.log
