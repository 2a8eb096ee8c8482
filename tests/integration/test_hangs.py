"""A request that takes too long: 504, where it stood in the log, and another worker at once."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import psutil
import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.gate import Gate
from tests.processes import wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")
INES = {"Authorization": "Basic " + base64.b64encode(b"ines:secret").decode()}


@pytest.fixture(scope="module")
def cluster(start_module_cluster: StartCluster, tmp_path_factory: pytest.TempPathFactory) -> ClusterProcess:
    """One worker, one second for each request, and users with names."""
    users = tmp_path_factory.mktemp("users") / "htpasswd"
    users.write_text("ines:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")  # "secret"
    cluster = start_module_cluster(
        *APPLICATION, "--workers", "1", "--request-timeout", "1",
        "--basic-auth", f"*,{users},here", "--require-login",
    )  # fmt: skip
    cluster.wait_for_workers(1)
    return cluster


@pytest.mark.parametrize(
    ("path", "stands_at"), [("/hang", r"in hang$"), ("/hang-in-c", r"re/__init__.py.* in match$")]
)
def test_the_log_says_where_a_hung_request_stood(cluster: ClusterProcess, path: str, stands_at: str) -> None:
    """Its stack, its URL and its user are in the log, even if it hangs in a library of C; then it is killed."""
    [old] = cluster.worker_pids()
    before = len(cluster.log)
    assert 504 == cluster.get(path + "?x=1", INES).status
    wait_until(lambda: not psutil.pid_exists(old), 10, "the end of the worker")
    wait_until(lambda: "was killed because" in cluster.log[before:], 10, "word of it")
    log = cluster.log[before:]
    assert f"worker 1: GET {path}?x=1, user ines [" in log
    assert re.search(rf"worker 1: +File \".*{stands_at}", log, re.MULTILINE)
    killed = re.search(
        rf"worker 1 \(generation 1, pid {old}\) was killed because GET {re.escape(path)}\?x=1, user ines "
        r"\[[0-9a-f]{8}-[0-9a-f]+\] took longer than 1 s; replaced; its last words:\n.*most recent call first", log
    )  # fmt: skip
    assert killed, log
    assert log.index("most recent call first") < killed.start(), "the stack comes first"


def test_another_worker_is_there_before_the_hung_one_has_gone(cluster: ClusterProcess) -> None:
    """Nobody waits for the last words: with one worker only, the next page comes within a moment."""
    quickest = 9.0
    for _ in range(3):
        assert 504 == cluster.get("/hang", INES).status
        start = monotonic()
        assert 200 == cluster.get("/", INES).status
        quickest = min(quickest, monotonic() - start)
    assert quickest < 0.4, "as long as the last words take, or longer, each time"


def test_some_requests_may_take_longer(start_cluster: StartCluster) -> None:
    """The limit goes by what is asked for: who came first goes on when the time of the other one is up."""
    limits = ("--request-timeout", "1", "--request-timeout-for", "patient=30")
    cluster = start_cluster(*APPLICATION, "--workers", "2", *limits)
    cluster.wait_for_workers(2)
    with ThreadPoolExecutor(1) as patient, Gate() as gate:
        answer = patient.submit(cluster.get, f"{gate.target}&patient")
        gate.wait_for(1)
        assert 504 == cluster.get(gate.target).status
        gate.open()
        assert 200 == answer.result(30).status


def test_where_a_worker_stands_can_be_asked_at_any_time(cluster: ClusterProcess) -> None:
    """``kill -USR1`` of a worker's process prints its stack and does no harm."""
    cluster.wait_for_workers(1)
    [pid] = cluster.worker_pids()
    before = len(cluster.log)
    psutil.Process(pid).send_signal(10)
    wait_until(lambda: "most recent call first" in cluster.log[before:], 10, "its stack")
    assert 200 == cluster.get("/", INES).status
    assert [pid] == cluster.worker_pids()


def test_a_warm_up_that_hangs_is_ended(env: Path, start_cluster: StartCluster) -> None:
    """A plugin that never comes back from its import does not hold up the start for ever."""
    (env / "plugins" / "stuck.py").write_text("import threading\nthreading.Event().wait()\n")
    cluster = start_cluster("-s", str(env), "--start-timeout", "8", wait=False)
    assert 1 == cluster.wait_until_ended(30)
    assert "was killed because it did not get ready within 8 s" in cluster.log
    assert "stuck.py" in cluster.log
