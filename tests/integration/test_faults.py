"""What goes wrong gets a clear word: applications that fail or hang, starts that cannot succeed."""

from __future__ import annotations

import http.client
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.processes import FROM_TREE, free_port, wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")


@pytest.fixture(scope="module")
def broken(start_module_cluster: StartCluster) -> ClusterProcess:
    """A service whose application does what it is told, good or bad."""
    cluster = start_module_cluster(*APPLICATION, "--workers", "2", "--request-timeout", "2")
    cluster.wait_for_workers(2)
    return cluster


def test_a_failing_application_is_answered_and_the_worker_goes_on(broken: ClusterProcess) -> None:
    """An exception is a 500 for the client, a traceback in the log with the worker's name, and no crash."""
    pids = broken.worker_pids()
    for _ in range(4):
        answer = broken.get("/raise")
        assert 500 == answer.status
        assert b"the application is broken" not in answer.body
    log = broken.wait_for_log("RuntimeError: the application is broken")
    line = next(line for line in log.splitlines() if "RuntimeError: the application is broken" in line)
    assert "worker" in line
    assert pids == broken.worker_pids()


def test_an_answer_that_fails_halfway_is_not_taken_for_whole(broken: ClusterProcess) -> None:
    """The client sees a broken connection, the worker goes on."""
    pids = broken.worker_pids()
    with pytest.raises((http.client.HTTPException, OSError)):
        broken.get("/halfway")
    assert pids == broken.worker_pids()
    assert 200 == broken.get("/").status


def test_a_page_that_kills_its_workers_gets_502(broken: ClusterProcess) -> None:
    """A request that has cost two workers is not tried again; the others do not notice."""
    assert 502 == broken.get("/die").status
    assert 200 == broken.get("/").status
    broken.wait_for_workers(2)


def test_a_hanging_worker_is_replaced(broken: ClusterProcess) -> None:
    """A request past its deadline is 504, and its worker makes room for a new one."""
    pids = broken.wait_for_workers(2)
    assert 504 == broken.get("/hang").status
    wait_until(lambda: len(broken.worker_pids()) == 2 and broken.worker_pids() != pids, 20, "a new worker")
    assert 200 == broken.get("/").status
    assert re.search(r"/hang \[\S+\] took longer than 2 s", broken.log)


def test_a_long_answer_of_unknown_length(broken: ClusterProcess) -> None:
    """Ten megabytes stream through, to a slow reader as to a fast one."""
    assert 10_000_000 == len(broken.get("/stream").body)
    with socket.create_connection(("127.0.0.1", broken.port), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(8192), b""))
    assert 10_000_000 == len(answer.partition(b"\r\n\r\n")[2])


def test_a_slow_upload_holds_no_worker(broken: ClusterProcess) -> None:
    """Uploads that are under way leave all workers to the others."""
    uploads = []
    for _ in range(20):
        client = socket.create_connection(("127.0.0.1", broken.port), timeout=20)
        client.sendall(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        uploads.append(client)
    assert 200 == broken.get("/").status
    for client in uploads:
        client.sendall(b"bc")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        client.close()


def test_crashes_over_and_over_back_off_and_say_so(start_cluster: StartCluster, tmp_path: Path) -> None:
    """Workers that die as they start are tried ever more rarely; meanwhile clients get 503 at once, then pages."""
    doom = tmp_path / "doom"
    cluster = start_cluster(
        "--no-preload", "--application", "tests.integration.doomed:application", "--workers", "1",
        environment={"DOOM": str(doom)},
    )  # fmt: skip
    doom.touch()
    assert cluster.get("/die").status in (502, 503)
    wait_until(lambda: cluster.get("/").status == 503, 30, "503 for lack of a worker")
    answer = cluster.get("/")
    assert 503 == answer.status
    assert "retry-after" in answer.headers
    log = cluster.wait_for_log("doomed from the start")
    assert "exited with status 3" in log
    doom.unlink()
    wait_until(lambda: cluster.get("/").status == 200, 60, "a worker after the wait")


# -- starts that cannot succeed


def end_of(cluster: ClusterProcess) -> tuple[int, str]:
    """Wait for the end of a service that could not start, and give its status and log."""
    status = cluster.wait_until_ended(30)
    return status, cluster.log


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["/no/such/environment"], 2, "path '/no/such/environment' does not exist; a Trac environment was expected"),
        ([], 2, "no environment: give the path of at least one, or -e with the folder that has them all"),
        (["--workers", "many", "/tmp"], 2, "argument --workers: 'many' is neither auto nor a number from 1 to 1000"),
        (["-s", "/usr"], 1, "/usr"),
    ],
)
def test_a_start_that_cannot_succeed(
    start_cluster: StartCluster, arguments: list[str], status: int, said: str
) -> None:
    """One clear message names the cause, there is no traceback, and the exit status is not 0."""
    ended, log = end_of(start_cluster(*arguments, wait=False))
    assert status == ended
    assert said in log
    assert "Traceback" not in log


def test_an_environment_that_needs_an_upgrade(env: Path, start_cluster: StartCluster) -> None:
    """The message says what to run."""
    with closing(sqlite3.connect(env / "db" / "trac.db")) as database, database:
        database.execute("UPDATE system SET value = '40' WHERE name = 'database_version'")
    status, log = end_of(start_cluster("-s", str(env), wait=False))
    assert 1 == status
    assert f'trac-admin "{env}" upgrade' in log
    assert "Traceback" not in log


def test_a_port_that_is_taken(env: Path, start_cluster: StartCluster) -> None:
    """The message names the address and what can be done."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, log = end_of(start_cluster("-s", str(env), "--listen", f"tcp:{port}:interface=127.0.0.1", wait=False))
    assert 1 == status
    assert f"cannot listen on tcp:{port}:interface=127.0.0.1: Address already in use" in log
    assert "Traceback" not in log


def test_a_daemon_that_cannot_start_says_so_too(env: Path, tmp_path: Path) -> None:
    """The command that starts a daemon ends with the message and a status that is not 0, and leaves no pid file."""
    pidfile, log = tmp_path / "pid", tmp_path / "log"
    twistd = [str(Path(sys.executable).with_name("twistd")), f"--pidfile={pidfile}", f"--logfile={log}"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = ["-b", "127.0.0.1", "-p", str(taken.getsockname()[1])]
        command = [*twistd, "tracd-cluster", *where, "-s", str(env)]
        ended = subprocess.run(command, env=FROM_TREE, capture_output=True, text=True, timeout=60, check=False)
    assert 1 == ended.returncode
    assert "cannot listen on tcp:port=" in ended.stdout + ended.stderr
    assert "Address already in use" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert not pidfile.exists()


def test_a_daemon_serves_and_ends(env: Path, tmp_path: Path) -> None:
    """As a daemon it serves, its workers make files that others may read, and it ends without a trace."""
    pidfile, port = tmp_path / "pid", free_port()
    twistd = [str(Path(sys.executable).with_name("twistd")), f"--pidfile={pidfile}", f"--logfile={tmp_path / 'log'}"]
    command = [*twistd, "tracd-cluster", "-b", "127.0.0.1", "-p", str(port), "--workers", "1", "-s", str(env)]
    subprocess.run(command, env=FROM_TREE, timeout=60, check=True)
    front = psutil.Process(int(pidfile.read_text()))
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/about")
        assert 200 == connection.getresponse().status
        connection.close()
        processes = [front, *front.children(recursive=True)]
        umasks = [
            line for line in Path(f"/proc/{processes[-1].pid}/status").read_text().splitlines() if "Umask" in line
        ]
        assert ["Umask:\t0022"] == umasks
        front.terminate()
        assert [] == psutil.wait_procs(processes, timeout=20)[1]
        assert not pidfile.exists()
    finally:
        if front.is_running():
            front.kill()


def test_an_endpoint_that_is_none(env: Path, start_cluster: StartCluster) -> None:
    """A word that Twisted does not know as an endpoint is named."""
    status, log = end_of(start_cluster("-s", str(env), "--listen", "carrier-pigeon:80", wait=False))
    assert 1 == status
    assert "cannot listen on carrier-pigeon:80" in log
    assert "Traceback" not in log
