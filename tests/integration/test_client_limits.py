"""What one client may have, against real processes: the rest of the world goes on."""

from __future__ import annotations

import http.client
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from tests.integration.cluster import Answer, ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.dropin.accounts import basic, htpasswd
from tests.processes import wait_until

REPORT = "/query?status=new&order=priority&id=%d"


def get(port: int, source: str, path: str, **fields: str) -> Answer:
    """Get a page from one of our own addresses."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))) as connection:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def at_once(port: int, source: str, count: int) -> list[Answer]:
    """Ask for different pages at the same time."""
    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(lambda number: get(port, source, REPORT % number), range(count)))


def statuses(answers: list[Answer]) -> set[int]:
    """Give the statuses that there are."""
    return {answer.status for answer in answers}


def test_who_asks_too_often_is_refused_and_nobody_else(env: Path, start_cluster: StartCluster, tmp_path: Path) -> None:
    """Another address, a file, a colleague of the same address and an address that is allowed get what they want."""
    users = htpasswd(tmp_path / "users", {"admin": "secret"})
    cluster = start_cluster(
        *("--workers", "1", "-s", str(env), "--basic-auth", f"*,{users},Trac", "--page-cache", "0"),
        *("--client-rate", "0.2", "--client-burst", "4", "--client-allow", "127.0.0.64/26"),
    )
    css = "/chrome/common/css/trac.css"
    assert 200 == get(cluster.port, "127.8.0.1", css).status
    answers = [get(cluster.port, "127.7.0.1", REPORT % number) for number in range(8)]
    assert [200] * 4 == [answer.status for answer in answers[:4]]
    refused = answers[-1]
    assert 429 == refused.status
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert len(refused.body) < 1500
    assert b"<h1>Too Many Requests</h1>" in refused.body
    assert {200} == {get(cluster.port, "127.7.0.1", css).status for _ in range(8)}
    assert 200 == get(cluster.port, "127.8.0.1", REPORT % 1).status
    signed_in = [get(cluster.port, "127.7.0.1", "/login", **basic("admin", "secret")).status for _ in range(12)]
    assert {302, 303} & set(signed_in)
    assert 429 not in signed_in
    assert {200} == {get(cluster.port, "127.0.0.70", REPORT % number).status for number in range(12)}
    assert "too many requests from 127.7.0.1" in cluster.log
    assert "--client-rate 0.2" in cluster.log


def test_so_many_at_once(env: Path, start_cluster: StartCluster) -> None:
    """Of twenty requests at once some get no worker; afterwards all places are free."""
    cluster = start_cluster("--workers", "1", "-s", str(env), "--page-cache", "0", "--client-requests", "3")
    assert {200, 429} == statuses(at_once(cluster.port, "127.7.0.1", 20))
    for _ in range(3):
        answers = at_once(cluster.port, "127.7.0.1", 3)
        assert {200} == statuses(answers)


def test_clients_that_go_take_their_places_with_them(env: Path, start_cluster: StartCluster) -> None:
    """Whoever has asked a hundred times and gone has its places again when the workers are done."""
    cluster = start_cluster("--workers", "2", "-s", str(env), "--page-cache", "0", "--client-requests", "2")
    for number in range(100):
        with socket.create_connection(("127.0.0.1", cluster.port), 30, ("127.7.0.1", 0)) as client:
            client.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % (REPORT % number).encode())
    served(cluster, "127.7.0.1")
    assert {200} == statuses(at_once(cluster.port, "127.7.0.1", 2))


def served(cluster: ClusterProcess, source: str) -> None:
    """Wait until an address is served again."""
    wait_until(lambda: get(cluster.port, source, REPORT % 0).status == 200, 30, "a page")


def test_new_limits_without_a_restart(env: Path, start_cluster: StartCluster, tmp_path: Path) -> None:
    """HUP takes them up."""
    file = tmp_path / "options.toml"
    file.write_text('client-allow = ["127.7.0.0/16"]\npage-cache = 0\n')
    cluster = start_cluster("--config", str(file), "--workers", "1", "-s", str(env), "--client-requests", "1")
    assert {200} == statuses(at_once(cluster.port, "127.7.0.1", 8))
    file.write_text("client-allow = []\npage-cache = 0\n")
    cluster.tree.signal(signal.SIGHUP)
    cluster.wait_for_log("Changed: client-allow")
    assert {200, 429} == statuses(at_once(cluster.port, "127.7.0.1", 8))


def test_behind_a_proxy_its_clients_are_counted(env: Path, start_cluster: StartCluster) -> None:
    """The proxy's own address is nobody's."""
    cluster = start_cluster(
        *("--workers", "1", "-s", str(env), "--page-cache", "0", "--trusted-proxy", "127.0.0.1"),
        *("--client-rate", "0.1", "--client-burst", "2"),
    )

    def ask(client: str) -> list[int]:
        return [get(cluster.port, "127.0.0.1", REPORT % n, X_Forwarded_For=client).status for n in range(4)]

    assert [200, 200, 429, 429] == ask("192.0.2.1")
    assert [200, 200, 429, 429] == ask("2001:db8::1")
    assert {200} == {get(cluster.port, "127.0.0.1", REPORT % number).status for number in range(6)}
