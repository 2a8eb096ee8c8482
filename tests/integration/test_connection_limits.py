"""So many connections and open files, against real processes: people get in, and nothing spins."""

from __future__ import annotations

import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.test_client_limits import get
from tests.processes import wait_until

Silent = list[socket.socket]


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Connections that are closed at the end."""
    with ExitStack() as stack:
        found: Silent = []
        yield found
        for each in found:
            stack.callback(each.close)


def connect(cluster: ClusterProcess, source: str, silent: Silent) -> socket.socket:
    """Connect from one of our own addresses."""
    silent.append(socket.create_connection(("127.0.0.1", cluster.port), 20, (source, 0)))
    return silent[-1]


def is_over(client: socket.socket) -> bool:
    """Tell whether the server has closed a connection that was not to be answered yet."""
    client.settimeout(0.3)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_one_client_has_so_many_and_the_others_do_not_notice(
    env: Path, start_cluster: StartCluster, silent: Silent
) -> None:
    """Those beyond are closed; who closes some has others."""
    cluster = start_cluster("--workers", "1", "-s", str(env), "--client-connections", "5")
    clients = [connect(cluster, "127.7.0.1", silent) for _ in range(8)]
    wait_until(lambda: sum(map(is_over, clients)) == 3, 20, "three that are closed")
    assert 200 == get(cluster.port, "127.8.0.1", "/about").status
    assert "127.7.0.1, or its network, has too many (--client-connections 5)" in cluster.log
    for client in clients:
        client.close()
    wait_until(lambda: not is_over(connect(cluster, "127.7.0.1", silent)), 20, "a connection that stays")


def test_silent_connections_make_room_for_who_asks(env: Path, start_cluster: StartCluster, silent: Silent) -> None:
    """Twenty people come to a server that is full of connections on which nothing happens, or hardly anything."""
    cluster = start_cluster("--workers", "1", "-s", str(env), "--max-connections", "10")
    for number in range(10):
        client = connect(cluster, f"127.7.{number}.1", silent)
        if number % 2:
            client.sendall(b"GET /-/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(12).startswith(b"HTTP/1.1 ")
        else:
            client.sendall(b"GET /-/nothing HTT")
    assert {200} == {get(cluster.port, f"127.8.{number}.1", "/about").status for number in range(20)}


def test_the_service_asks_for_as_many_open_files_as_it_needs(env: Path, start_cluster: StartCluster) -> None:
    """The soft limit of a shell is no matter; of the hard one --check tells (test_check.py)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        cluster = start_cluster("--workers", "1", "-s", str(env), "--max-connections", "600")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "files may be open" not in cluster.log
    assert 600 < psutil.Process(cluster.front_pid).rlimit(resource.RLIMIT_NOFILE)[0] < 1000
    cluster.stop()


def test_no_descriptor_left_is_no_end(env: Path, start_cluster: StartCluster, silent: Silent) -> None:
    """Where even so none is left, who comes is closed, the front does not spin, and goes on when there are some."""
    cluster = start_cluster("--workers", "1", "-s", str(env))
    front = psutil.Process(cluster.front_pid)
    limits = front.rlimit(resource.RLIMIT_NOFILE)
    front.rlimit(resource.RLIMIT_NOFILE, (front.num_fds() + 3, limits[1]))
    clients = [connect(cluster, f"127.7.{number}.1", silent) for number in range(20)]
    wait_until(lambda: sum(map(is_over, clients)) >= 15, 30, "those that are closed")
    before = sum(front.cpu_times()[:2])
    assert not is_over(clients[0]) or not is_over(clients[1])
    for client in clients[10:]:
        is_over(client)
    # It has had seconds of time, and would have used up all of them.
    assert sum(front.cpu_times()[:2]) - before < 1.0
    front.rlimit(resource.RLIMIT_NOFILE, limits)
    assert 200 == get(cluster.port, "127.8.0.1", "/about").status


def test_the_limits_change_without_a_restart(
    env: Path, start_cluster: StartCluster, silent: Silent, tmp_path: Path
) -> None:
    """HUP takes them up; those who are inside stay."""
    file = tmp_path / "options.toml"
    file.write_text("max-connections = 100\n")
    cluster = start_cluster("--config", str(file), "--workers", "1", "-s", str(env))
    clients = []
    for number in range(6):
        clients.append(connect(cluster, f"127.7.{number}.1", silent))
        clients[-1].sendall(b"POST /about HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    assert 200 == get(cluster.port, "127.8.0.1", "/about").status
    file.write_text("max-connections = 3\n")
    cluster.tree.signal(signal.SIGHUP)
    cluster.wait_for_log("Changed: max-connections")
    wait_until(lambda: is_over(connect(cluster, "127.8.0.1", silent)), 20, "one that is closed")
    assert not any(map(is_over, clients[:2]))
