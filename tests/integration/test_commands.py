"""Workers that are a command: what happens to them and to their requests when something goes wrong."""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.load import Load, assert_no_ticket_lost_or_doubled
from tests.processes import title, wait_until

PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/chrome/common/css/trac.css")
CSS = "/chrome/common/css/trac.css"


def tracds(cluster: ClusterProcess) -> dict[int, psutil.Process]:
    """Give the processes of the command by their ports."""
    found = {}
    for process in cluster.tree.children():
        words = title(process).split()
        if len(words) > 4 and words[1].endswith("/tracd") and "-p" in words:
            found[int(words[words.index("-p") + 1])] = process
    return found


def wait_for_tracds(cluster: ClusterProcess, count: int, without: int = 0) -> list[int]:
    """Wait until as many run and have got ready."""

    def there() -> list[int]:
        pids = sorted(process.pid for process in tracds(cluster).values())
        log = cluster.log
        ready = all(f"pid {pid}) is ready" in log for pid in pids)
        return pids if len(pids) == count and without not in pids and ready else []

    return wait_until(there, 30, f"{count} tracds")


def command(env: Path, *options: str) -> tuple[str, ...]:
    """Give the options that have stock tracd serve an environment."""
    return "--worker-command", " ".join(("tracd -s -p {port} -b {host}", *options, str(env)))


def small_server(folder: Path, first: str = "pass") -> tuple[str, ...]:
    """Give the options that have a server which does ``first``, sends a head, and then a body."""
    script = folder / "server.py"
    script.write_text(
        "import sys, threading, http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_GET(self):\n"
        f"        {first}\n"
        "        self.send_response(200); self.send_header('Content-Length', '5'); self.end_headers()\n"
        "        self.wfile.write(b'body\\n')\n"
        "h.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), H).serve_forever()\n"
    )
    return "--worker-command", f"python3 {script} {{host}} {{port}}"


def test_killing_tracds_under_load_fails_no_page(env: Path, start_cluster: StartCluster) -> None:
    """A tracd that is killed is replaced, and its pages come from another one."""
    cluster = start_cluster("-s", "--workers", "2", *command(env))
    wait_for_tracds(cluster, 2)
    load = Load(cluster.port).readers(4, *PAGES).writers(1)
    for _ in range(4):
        before, good = wait_for_tracds(cluster, 2), load.tally.good
        os.kill(before[0], signal.SIGKILL)
        wait_for_tracds(cluster, 2, without=before[0])
        wait_until(lambda good=good: load.tally.good > good + 5, 30, "more pages")  # type: ignore[misc]
    tally = load.stop()
    assert [] == tally.failures
    assert tally.good > 20
    assert_no_ticket_lost_or_doubled(env, tally)
    assert "was killed by SIGKILL" in cluster.log


def test_nothing_outlives_a_front_that_was_killed(env: Path, start_cluster: StartCluster) -> None:
    """With tracd -r each worker is two processes, and all of them go with the front, even by kill -9."""
    cluster = start_cluster("-s", "--workers", "2", *command(env, "-r"))
    wait_until(lambda: sum("tracd -s" in title(p) for p in cluster.tree.alive()) >= 4, 30, "tracds and their children")
    os.kill(cluster.front_pid, signal.SIGKILL)
    cluster.assert_nothing_left(grace=10)


def test_a_stop_leaves_nothing(env: Path, start_cluster: StartCluster) -> None:
    """SIGTERM ends the whole group of each command at once, and answers what was accepted first."""
    cluster = start_cluster("-s", "--workers", "2", *command(env, "-r"))
    load = Load(cluster.port).readers(8, *PAGES)
    wait_until(lambda: load.tally.good > 10, 30, "some load")
    cluster.stop()
    assert [] == load.wait().failures
    assert "did not end within" not in cluster.log


def test_a_command_that_hangs_is_replaced(tmp_path: Path, start_cluster: StartCluster) -> None:
    """A request past its deadline gets 504, and the worker that has not answered it is started anew."""
    hang = "if self.path == '/hang': threading.Event().wait()"
    cluster = start_cluster("--workers", "1", "--request-timeout", "1", *small_server(tmp_path, hang))
    assert cluster.get("/hang").status == 504
    assert cluster.get("/").status == 200
    assert "took longer than 1 s" in cluster.log


@pytest.mark.parametrize("words", ["no-such-program {port}", "python3 -c 'raise SystemExit(3)' {port}"])
def test_a_command_that_does_not_start_is_told(start_cluster: StartCluster, words: str) -> None:
    """The start fails with one message that says why."""
    cluster = start_cluster("--workers", "1", "--worker-command", words, wait=False)
    assert 1 == cluster.wait_until_ended(30)
    assert "cannot start: worker 1" in cluster.log
    assert "no-such-program: No such file or directory" in cluster.log or "exited with status 3" in cluster.log


def test_a_kept_connection_to_tracd_is_used_again(env: Path, start_cluster: StartCluster) -> None:
    """All files come over one connection."""
    cluster = start_cluster("-s", "--workers", "1", *command(env))
    (port,) = tracds(cluster)
    ends: set[int] = set()
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=30)
    for _ in range(30):
        connection.request("GET", CSS)
        assert connection.getresponse().read()
        found = psutil.Process(cluster.front_pid).net_connections("tcp")
        ends |= {end.laddr.port for end in found if end.status == "ESTABLISHED" and end.raddr.port == port}
    connection.close()
    assert 1 == len(ends)


def test_a_body_sent_behind_its_head_is_not_late(tmp_path: Path, start_cluster: StartCluster) -> None:
    """A server that holds a body back until the head is acknowledged, as tracd does, waits no 40 ms for that."""
    cluster = start_cluster("--workers", "1", *small_server(tmp_path))
    times: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=30)
    # The kernel acknowledges a connection's first packets at once by itself, and a busy machine is slow now and then.
    while len(times) < 60 or (statistics.median(times[30:]) > 0.03 and len(times) < 1000):
        start = time.perf_counter()
        connection.request("GET", "/")
        assert b"body\n" == connection.getresponse().read()
        times.append(time.perf_counter() - start)
    connection.close()
    assert statistics.median(times[30:]) < 0.03
