"""Servers elsewhere: lost and found again, found by name, trusted by their certificates."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.foreign import Teller, tracd
from tests.integration.load import Load
from tests.processes import ProcessTree, free_port, wait_until
from tracd_cluster.upstream.dialling import SILENCE

PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/chrome/common/css/trac.css")


class NameServer:
    """A real name server, with a zone that the test changes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._zone = folder / "zone.json"
        self.set()
        argv = [sys.executable, "-m", "tests.integration.nameserver", str(self.port), str(self._zone)]
        self.tree = ProcessTree(argv, folder / "nameserver.log")

    def set(self, **records: Any) -> None:
        """Change the zone: underscores and hyphens of the names are as in names of services."""
        draft = self._zone.with_suffix(".new")
        draft.write_text(json.dumps({f"{name}.test": found for name, found in records.items()} | self.more))
        draft.rename(self._zone)

    more: dict[str, Any] = {}  # noqa: RUF012


@pytest.fixture
def names(tmp_path: Path) -> Iterator[NameServer]:
    """A name server that ends with the test."""
    server = NameServer(tmp_path)
    yield server
    server.tree.kill()


@pytest.fixture
def tellers() -> Iterator[dict[str, Teller]]:
    """Servers that tell their names, on one port of several loopback addresses."""
    port = free_port()
    made = {name: Teller(name, f"127.0.0.{number}", port) for number, name in ((2, "two"), (3, "three"), (4, "four"))}
    yield made
    for each in made.values():
        each.close()


def who_answers(cluster: ClusterProcess, count: int = 40) -> Counter[str]:
    """Ask many times, and count who has answered."""
    found: Counter[str] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=30)
    for _ in range(count):
        connection.request("GET", "/who")
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, body
        found[body] += 1
    connection.close()
    return found


def test_a_server_that_is_killed_under_load_costs_no_page(
    env: Path, tmp_path: Path, start_cluster: StartCluster
) -> None:
    """It is put out at once, its pages come from the other one, and after its restart it is used again."""
    one, two = tracd(tmp_path, env), tracd(tmp_path, env)
    try:
        for server in (one, two):
            server.wait()
        cluster = start_cluster("--upstream", one.url, "--upstream", two.url, "--upstream-connections", "4")
        wait_until(lambda: cluster.log.count("is in use") == 2, 20, "both servers")
        load = Load(cluster.port).readers(4, *PAGES)
        wait_until(lambda: load.tally.good > 10, 30, "some load")
        one.kill()
        cluster.wait_for_log(f"{one.url} is out for 0.5 s")
        good = load.tally.good
        wait_until(lambda: load.tally.good > good + 10, 30, "pages from the other one")
        one.again()
        wait_until(lambda: cluster.log.count(f"{one.url} is in use") == 2, 20, "the return of the first one")
        good = load.tally.good
        wait_until(lambda: load.tally.good > good + 10, 30, "more pages")
        assert [] == load.stop().failures
    finally:
        one.kill()
        two.kill()


def test_a_server_that_is_slow_to_read_is_no_host_that_has_gone(start_cluster: StartCluster) -> None:
    """Nothing of a large upload is acknowledged while the server reads none of it; it is waited for all the same."""
    size = 4 << 20
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=_read_late, args=(listener, 1.3 * SILENCE), daemon=True)
        thread.start()
        cluster = start_cluster("--upstream", f"http://127.0.0.1:{listener.getsockname()[1]}")
        answer = cluster.request("POST", "/upload", b"x" * size)
        assert (200, str(size).encode()) == (answer.status, answer.body)
        assert "is out for" not in cluster.log
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _read_late(listener: socket.socket, pause: float) -> None:
    """Answer health checks at once, and an upload after a pause, with its size."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer_late, args=(connection, pause), daemon=True).start()


def _answer_late(connection: socket.socket, pause: float) -> None:
    with connection, connection.makefile("rb") as stream:
        method = stream.readline().split()[0]
        if method == b"POST":
            threading.Event().wait(pause)
        head = iter(stream.readline, b"\r\n")
        sizes = [int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:")]
        said = str(len(stream.read(sizes[0] if sizes else 0))).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))


def test_a_server_that_is_overloaded_gets_a_pause(start_cluster: StartCluster, tellers: dict[str, Teller]) -> None:
    """Three answers of 503 in a row are passed on, and the next request goes to somebody else."""
    two, three = tellers["two"], tellers["three"]
    cluster = start_cluster(
        "--upstream", f"http://127.0.0.2:{two.port};weight=1000", "--upstream", f"http://127.0.0.3:{three.port}",
        "--health-path", "/",
    )  # fmt: skip
    wait_until(lambda: cluster.log.count("is in use") == 2, 20, "both servers")
    two.status = 503
    statuses = [cluster.get("/x").status for _ in range(8)]
    assert 3 == statuses.count(503)
    assert 200 == statuses[-1]
    cluster.wait_for_log("it answered 503")


def test_connections_are_reused_and_weights_hold(start_cluster: StartCluster, tellers: dict[str, Teller]) -> None:
    """Forty pages cost a connection or two; who has three times the weight gets three times as many."""
    two, three = tellers["two"], tellers["three"]
    cluster = start_cluster(
        "--upstream", f"http://127.0.0.2:{two.port};weight=3", "--upstream", f"http://127.0.0.3:{three.port}"
    )
    wait_until(lambda: cluster.log.count("is in use") == 2, 20, "both servers")
    before = two.accepted + three.accepted
    assert {"two": 30, "three": 10} == dict(who_answers(cluster))
    # Health checks have connections of their own.
    assert two.accepted + three.accepted - before <= 6
    assert {"127.0.0.1"} == {fields["X-Forwarded-For"] for fields in two.fields}
    assert not any(name.lower().startswith("tracd-cluster") for fields in two.fields for name in fields)


def test_names_are_followed_and_the_last_good_answer_is_kept(
    start_cluster: StartCluster, names: NameServer, tellers: dict[str, Teller]
) -> None:
    """New addresses are used when the old answer is out of date; failing name servers change nothing."""
    names.set(trac={"A": ["127.0.0.2", "127.0.0.3"]})
    port = tellers["two"].port
    cluster = start_cluster(
        "--upstream", f"http://trac.test:{port}", "--upstream-resolver", f"127.0.0.1:{names.port}"
    )
    wait_until(lambda: cluster.log.count("is in use") == 2, 20, "both servers")
    assert {"two": 20, "three": 20} == dict(who_answers(cluster))
    names.set(trac={"A": ["127.0.0.3", "127.0.0.4"]})
    cluster.wait_for_log("http://127.0.0.4")
    wait_until(lambda: set(who_answers(cluster, 10)) == {"three", "four"}, 10, "the new servers")
    assert f"http://127.0.0.2:{port} (trac.test) is no server of trac.test any more" in cluster.log
    failures: tuple[dict[str, Any], ...] = ({"trac": None}, {}, {"trac": {"A": []}})
    for broken in failures:
        failed = cluster.log.count("No address of trac.test was found")
        names.set(**broken)
        wait_until(lambda failed=failed: cluster.log.count("No address of trac.test") > failed, 20, "the failure")  # type: ignore[misc]
        assert {"three", "four"} == set(who_answers(cluster, 10))
        names.set(trac={"A": ["127.0.0.3", "127.0.0.4"]})
        # Asked again, it is found again, and the next failure is a first one.
        cluster.wait_for_log("its 2 known servers stay")
        wait_until(lambda: _asked_well(cluster, names), 20, "a good answer")


def _asked_well(cluster: ClusterProcess, names: NameServer) -> bool:
    """Tell that a good answer has come since: a fourth server in it is seen."""
    names.set(trac={"A": ["127.0.0.2", "127.0.0.3", "127.0.0.4"]})
    seen = set(who_answers(cluster, 10)) == {"two", "three", "four"}
    if seen:
        names.set(trac={"A": ["127.0.0.3", "127.0.0.4"]})
        wait_until(lambda: set(who_answers(cluster, 10)) == {"three", "four"}, 10, "two servers again")
    return seen


def test_records_of_services(start_cluster: StartCluster, names: NameServer, tellers: dict[str, Teller]) -> None:
    """SRV records name the ports; their weights hold, and a higher priority number is a reserve."""
    port = tellers["two"].port
    names.more = {
        "_http._tcp.trac.test": {"SRV": [[1, 30, port, "a.test"], [1, 10, port, "b.test"], [2, 99, port, "c.test"]]}
    }
    names.set(a={"A": ["127.0.0.2"]}, b={"A": ["127.0.0.3"]}, c={"A": ["127.0.0.4"]})
    cluster = start_cluster(
        "--upstream", "http+srv://_http._tcp.trac.test", "--upstream-resolver", f"127.0.0.1:{names.port}"
    )
    wait_until(lambda: cluster.log.count("is in use") == 3, 20, "all servers")
    assert {"two": 30, "three": 10} == dict(who_answers(cluster))
    tellers["two"].close()
    tellers["three"].close()
    assert {"four": 10} == dict(who_answers(cluster, 10))
    assert 2 == cluster.log.count("is out for")


def _tls(folder: Path, host: str) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def test_a_tls_server_has_to_be_who_it_is_called(tmp_path: Path, start_cluster: StartCluster) -> None:
    """A certificate for the right name is taken; connections are kept there too."""
    teller = Teller("secret", context=_tls(tmp_path, "localhost"))
    cluster = start_cluster(
        "--upstream", f"https://localhost:{teller.port}", "--upstream-ca", str(tmp_path / "ca.pem")
    )
    before = teller.accepted
    assert {"secret": 20} == dict(who_answers(cluster, 20))
    assert teller.accepted - before <= 3
    teller.close()


@pytest.mark.parametrize(
    ("host", "ca", "why"),
    [
        ("other.example.org", True, "its certificate is for another host name"),
        ("localhost", False, "TLS failed: certificate verify failed"),
    ],
)
def test_a_tls_server_that_is_somebody_else_gets_nothing(
    tmp_path: Path, start_cluster: StartCluster, host: str, ca: bool, why: str
) -> None:
    """The log says what is wrong, clients get 503, and not a byte of a request has left."""
    teller = Teller("secret", context=_tls(tmp_path, host))
    options = ["--upstream-ca", str(tmp_path / "ca.pem")] if ca else []
    cluster = start_cluster(
        "--upstream", f"https://localhost:{teller.port}", *options, "--queue-timeout", "2", wait=False
    )
    cluster.wait_for_log(f"https://127.0.0.1:{teller.port} (localhost) is not used: {why}")
    assert 503 == cluster.get("/secret").status
    assert [] == teller.asked
    teller.close()


def test_the_check_says_what_it_finds(tmp_path: Path, tellers: dict[str, Teller]) -> None:
    """Each server is asked once, and what is wrong is a problem."""
    two = tellers["two"]
    dead = free_port()
    argv = [sys.executable, "-m", "tracd_cluster.cli", "-p", str(free_port()), "--check"]
    tree = ProcessTree(
        [*argv, "--upstream", f"http://127.0.0.2:{two.port}", "--upstream", f"http://127.0.0.1:{dead}",
         "--upstream", "http://nowhere.invalid:80"],
        tmp_path / "check.log",
    )  # fmt: skip
    assert 1 == tree.wait(60)
    said = tree.output.read_text()
    assert f"hint: http://127.0.0.2:{two.port} is well" in said
    assert f"problem: http://127.0.0.1:{dead} is not well: no connection" in said
    assert "problem: no address of nowhere.invalid was found" in said
    assert "2 problems" in said


