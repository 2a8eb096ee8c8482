"""The admin addresses of a real service: who gets what, what it counts, and that it holds nothing up."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.admin.visitor import PASSWORD, Visitor, basic, password_file
from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.daemon import Daemon, running
from tests.integration.deploy.test_monitoring import documented
from tests.integration.foreign import Teller
from tests.integration.gate import Gate
from tests.processes import free_port, wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")


class Watched:
    """A service with an admin port and an admin socket."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.socket = folder / "admin.sock"
        where = ("--admin", f"127.0.0.1:{self.port}", "--admin", f"unix:{self.socket}")
        words = ("--admin-password-file", str(password_file(folder)), "--workers", "2", *APPLICATION, *arguments)
        self.daemon = Daemon(folder, *where, *words)
        self.stranger = Visitor(self.port)
        self.operator = Visitor(self.port, PASSWORD)
        self.local = Visitor(self.socket)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A service that the tests of this module share."""
    made = Watched(tmp_path_factory.mktemp("s"), "--public-health", "--allowed-host", "trac.example.org")
    try:
        made.daemon.wait_until_ready(2)
        yield made
        made.daemon.stop()
        assert not made.socket.exists()
    finally:
        made.daemon.kill()


# -- health


def test_health_is_told_to_everybody(watched: Watched) -> None:
    """A load balancer has neither a password nor a name of ours; on the public port neither."""
    for visitor in (watched.stranger, watched.local, Visitor(watched.daemon.port)):
        assert (200, b"ok\n") == visitor.ask("/-/healthz", Host="10.0.0.1")[::2]
        assert (200, b"ready\n") == visitor.ask("/-/readyz", Host="nobody.example")[::2]
        assert (200, b"") == visitor.ask("/-/readyz", "HEAD")[::2]


def test_only_health_is_public(watched: Watched) -> None:
    """Of everything else, a worker knows nothing either."""
    for path in ("/-/", "/-/metrics", "/-/status.json", "/-/healthz/", "/-/healthzz"):
        assert 500 == Visitor(watched.daemon.port).ask(path)[0]  # the application has no such page


# -- who gets what


@pytest.mark.parametrize("path", ["/", "/-/", "/-/admin.js", "/-/status.json", "/-/metrics", "/-/nothing", "/x"])
def test_a_port_asks_for_the_password(watched: Watched, path: str) -> None:
    """Whatever is asked for, what is there is not told before."""
    status, fields, _ = watched.stranger.ask(path)
    assert (401, 'Basic realm="tracd-cluster", charset="UTF-8"') == (status, fields["www-authenticate"])


def test_a_wrong_password_is_told_late_and_logged(watched: Watched) -> None:
    """In the line that fail2ban reads; nobody else waits meanwhile."""
    began = monotonic()
    assert 401 == watched.stranger.ask("/-/", Authorization=basic("wrong horse battery", "eve\n"))[0]
    assert monotonic() - began >= 1.0
    assert r"Login failed from 127.0.0.1 for user 'eve\n': it was not the password" in watched.daemon.log
    assert PASSWORD not in watched.daemon.log


@pytest.mark.parametrize("field", ["Bearer x", "basic " + basic("")[6:]])
def test_what_is_no_password_opens_nothing(watched: Watched, field: str) -> None:
    """Neither do its beginnings."""
    assert 401 == watched.stranger.ask("/-/metrics", Authorization=field)[0]


def test_a_socket_is_guarded_by_its_mode(watched: Watched) -> None:
    """Whoever can open it needs no password; that is its owner."""
    assert stat.S_IMODE(watched.socket.stat().st_mode) == 0o600
    assert 200 == watched.local.ask("/-/")[0]
    assert 2 == len(watched.local.status()["workers"])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9180", "trac.example.org.evil.example", "", "["])
def test_other_names_are_refused(watched: Watched, host: str) -> None:
    """A site whose name leads here (DNS rebinding) gets nothing, at the socket neither."""
    for visitor in (watched.operator, watched.local):
        assert 421 == visitor.ask("/-/status.json", Host=host)[0]


@pytest.mark.parametrize("host", ["localhost:9180", "LOCALHOST", "127.0.0.1", "[::1]:80", "trac.example.org:1"])
def test_our_names_and_addresses_are_served(watched: Watched, host: str) -> None:
    """An address cannot be anybody else's name."""
    assert 200 == watched.operator.ask("/-/", Host=host)[0]


def test_what_browsers_may_do_with_it(watched: Watched) -> None:
    """Nothing but its own files; no frame, no cache, no other site."""
    for path in ("/-/", "/-/status.json", "/-/metrics", "/-/nothing"):
        _, fields, _ = watched.operator.ask(path)
        assert "default-src 'none'; script-src 'self'" in fields["content-security-policy"]
        assert "frame-ancestors 'none'" in fields["content-security-policy"]
        assert ("no-store", "nosniff") == (fields["cache-control"], fields["x-content-type-options"])
        assert "same-origin" == fields["cross-origin-resource-policy"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_data_is_not_told_to_other_sites(watched: Watched, site: str) -> None:
    """The page itself can be linked to."""
    assert 403 == watched.operator.ask("/-/status.json", Sec_Fetch_Site=site)[0]
    assert 403 == watched.operator.ask("/-/metrics", Sec_Fetch_Site=site)[0]
    assert 200 == watched.operator.ask("/-/", Sec_Fetch_Site=site)[0]


# -- changes


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Tracd_Cluster_Token": ""},
        {"X_Tracd_Cluster_Token": "0" * 64},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
def test_another_site_changes_nothing(watched: Watched, headers: dict[str, str]) -> None:
    """Not with a token that is wrong, nor with the right one if a browser says who sends it."""
    for visitor in (watched.operator, watched.local):
        before = visitor.status()["generation_wanted"]
        assert 403 == visitor.do({"command": "restart", "wait": False}, **headers)[0]
        assert before == visitor.status()["generation_wanted"]


def test_no_token_no_change(watched: Watched) -> None:
    """Nor with the other address's."""
    body = b'{"command": "restart", "wait": false}'
    assert 403 == watched.operator.ask("/-/do", "POST", body)[0]
    token = watched.local.status()["token"]
    assert token != watched.operator.status()["token"]
    assert 403 == watched.operator.ask("/-/do", "POST", body, X_Tracd_Cluster_Token=token)[0]
    assert 401 == watched.stranger.ask("/-/do", "POST", body, X_Tracd_Cluster_Token=token)[0]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/-/do", "POST"), ("POST", "/-/status.json", "GET"), ("PUT", "/-/", "GET"), ("DELETE", "/-/", "GET")],
)
def test_methods_that_are_not_there(watched: Watched, method: str, path: str, allowed: str) -> None:
    """They are named that are."""
    token = watched.operator.status()["token"]
    status, fields, _ = watched.operator.ask(path, method, b"", X_Tracd_Cluster_Token=token)
    assert (405, allowed) == (status, fields["allow"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"command": "stop", "wait": false}',
        b'{"command": "upgrade", "wait": false}',
        b'{"command": "status", "wait": false}',
        b'{"command": "restart"}',
        b'{"command": "scale", "count": 0, "wait": false}',
    ],
)
def test_what_the_buttons_cannot_do(watched: Watched, body: bytes) -> None:
    """Nothing that ends the service, and nothing that is not understood."""
    token = watched.operator.status()["token"]
    assert 400 == watched.operator.ask("/-/do", "POST", body, X_Tracd_Cluster_Token=token)[0]


def test_a_long_body_is_cut_off(watched: Watched) -> None:
    """By its length, or when it turns out to be long: nobody fills the front's memory."""
    for framing in (b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"):
        with socket.create_connection(("127.0.0.1", watched.port), timeout=20) as client:
            client.sendall(b"POST /-/do HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n")
            with contextlib.suppress(OSError):
                client.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
                assert b"" == client.recv(1000)


def test_more_connections_than_there_may_be(watched: Watched) -> None:
    """They are closed, and the service goes on; there is room again when some have gone."""
    clients = [socket.create_connection(("127.0.0.1", watched.port), timeout=20) for _ in range(40)]
    try:
        assert any(client.recv(1) == b"" for client in clients[-4:])
        assert b"hello\n" == watched.daemon.get("/")
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: _served(watched.operator), 10, "room for one more")


def _served(visitor: Visitor) -> bool:
    try:
        return visitor.ask("/-/healthz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


# -- what is told and counted


def test_a_slow_request_and_the_line(watched: Watched) -> None:
    """Who is at what, who waits, and afterwards how long it took; of the query nothing, there may be secrets in it."""
    began = watched.operator.metric('tracd_cluster_worker_seconds_count{kind="page"}')
    with Gate() as gate:
        target = f"{gate.target}&token=secret"
        clients = [threading.Thread(target=watched.daemon.get, args=(target,)) for _ in range(3)]
        for client in clients:
            client.start()
        wait_until(lambda: watched.operator.status()["line"]["waiting"] == 1, 10, "one in line")
        waits = monotonic()
        wait_until(lambda: shortest(watched.operator.status()) > 0.7, 10, "slow requests")
        status = watched.operator.status()
        assert 2 == status["busy"] == watched.operator.metric("tracd_cluster_workers_busy")
        assert 1 == watched.operator.metric("tracd_cluster_waiting")
        assert {("GET", "/wait")} == {(one["method"], one["path"]) for w in status["workers"] for one in w["asked"]}
        waited = monotonic() - waits
        gate.open()
        for client in clients:
            client.join(30)
    status = watched.operator.status()
    slow = status["slow"][:3]
    assert {("GET", "/wait", 200, "")} == {(one["method"], one["path"], one["status"], one["user"]) for one in slow}
    line, *others = sorted((one["line"] for one in slow), reverse=True)
    assert line >= waited > 0.3 > max(others)
    # The one that waited found the gate open.
    assert [False, True, True] == sorted(one["seconds"] >= 0.7 for one in slow)
    assert "secret" not in str(status)
    assert began + 3 == watched.operator.metric('tracd_cluster_worker_seconds_count{kind="page"}')


def shortest(status: dict[str, Any]) -> float:
    """Give how long every worker has been at something, in seconds; 0 if one is at nothing."""
    return min(max((one["seconds"] for one in worker["asked"]), default=0.0) for worker in status["workers"])


def test_a_client_that_leaves_is_told_of(watched: Watched) -> None:
    """It has waited in vain, for as long as it did; its worker is still at it."""

    def under_way() -> list[float]:
        return [one["seconds"] for w in watched.local.status()["workers"] for one in w["asked"]]

    with Gate() as gate:
        began = monotonic()
        with socket.create_connection(("127.0.0.1", watched.daemon.port)) as client:
            client.sendall(f"GET {gate.target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            wait_until(lambda: max(under_way(), default=0.0) > 0.6, 10, "a wait")
        wait_until(lambda: watched.local.status()["slow"][0]["status"] == 499, 10, "what the client left")
        took = monotonic() - began
        assert 0.6 < watched.local.status()["slow"][0]["seconds"] < took
        assert 1 == len(under_way())
    wait_until(lambda: not under_way(), 10, "a worker that has come to the end of it")


def test_crashes_with_their_requests(watched: Watched) -> None:
    """They are counted, and told of with what was under way."""
    crashes = watched.operator.metric('tracd_cluster_restarts_total{reason="crash"}')
    assert 502 == Visitor(watched.daemon.port).ask("/die", "POST")[0]
    wait_until(lambda: len(watched.operator.status()["mishaps"]) == 1, 10, "the crash")
    [mishap] = watched.operator.status()["mishaps"]
    assert "SIGKILL" in mishap["how"]
    assert mishap["requests"][0].startswith("POST /die")
    assert crashes + 1 == watched.operator.metric('tracd_cluster_restarts_total{reason="crash"}')
    assert watched.operator.metric('tracd_cluster_requests_total{kind="page",status="5xx"}') >= 1
    watched.daemon.wait_until_ready(2)


def test_the_buttons_do_what_the_commands_do(watched: Watched) -> None:
    """New workers, more of them, fewer of them; the log says who wanted it."""
    generation = watched.local.status()["generation_wanted"] + 1
    assert (200, f"generation {generation} has been asked for") == watched.local.do(
        {"command": "restart", "wait": False}
    )
    assert "The operator asks to restart on the status page, from the admin socket" in watched.daemon.log
    wait_until(
        lambda: {w["generation"] for w in watched.daemon.report()["workers"]} == {generation}, 20, "the new generation"
    )
    assert (200, "3 workers are wanted") == watched.operator.do({"command": "scale", "count": 3, "wait": False})
    assert "The operator asks to scale 3 on the status page, from 127.0.0.1" in watched.daemon.log
    watched.daemon.wait_until_ready(3)
    assert (200, "worker 3") == _first_words(watched.operator.do({"command": "drain", "worker": 3, "wait": False}))
    watched.daemon.wait_until_ready(3)
    assert (409, "there is no worker 9 that could be drained") == watched.operator.do(
        {"command": "drain", "worker": 9, "wait": False}
    )
    assert 200 == watched.operator.do({"command": "scale", "count": 2, "wait": False})[0]
    watched.daemon.wait_until_ready(2)
    metric = watched.operator.metric
    assert 2 == metric('tracd_cluster_workers{life="ready"}') == metric("tracd_cluster_workers_wanted")
    assert 1 == metric('tracd_cluster_restarts_total{reason="scaled"}')
    assert 1 == metric('tracd_cluster_restarts_total{reason="recycled"}')
    assert 2 <= metric('tracd_cluster_restarts_total{reason="generation"}')
    assert generation == metric('tracd_cluster_generations_total{result="taken"}')


def _first_words(answer: tuple[int, str]) -> tuple[int, str]:
    status, said = answer
    return status, " ".join(said.split()[:2])


def test_the_metrics_are_those_of_the_documentation(watched: Watched) -> None:
    """With the same types, and each value of a label that is listed is there from the start, at 0."""
    text = watched.operator.metrics()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    for name, (kind, labels) in documented().items():
        if re.search("_server_|_tls_|_certificate_", name):
            continue  # only where there are servers elsewhere, or HTTPS
        assert kind == kinds.get(name), name
        for label, values in labels.items():
            for value in values:
                sample = rf'^{name}(_count)?{{[^}}]*{label}="{re.escape(value)}"'
                assert re.search(sample, text, re.MULTILINE), (name, value)



@pytest.mark.needs("promtool")
def test_prometheus_finds_nothing_to_complain_of(watched: Watched) -> None:
    """Neither of the text nor of the names."""
    watched.daemon.get("/")
    text = watched.operator.metrics()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert watched.operator.metric("tracd_cluster_sent_bytes_total") > 100
    memory = 'tracd_cluster_worker_memory_bytes{worker="1"}'
    wait_until(lambda: memory in watched.operator.metrics(), 10, "the memory of a worker that may have just come")
    assert watched.operator.metric(memory) > 1e6
    assert watched.operator.metric("tracd_cluster_loop_lag_seconds_count") > 10


# -- on its own


def test_a_port_without_a_password_has_no_page(tmp_path: Path, start_cluster: StartCluster) -> None:
    """All users of the host can reach it: it names nobody, and changes nothing."""
    port = free_port()
    cluster = start_cluster("--admin", str(port), *APPLICATION, "--workers", "1")
    visitor = Visitor(port)
    assert 200 == visitor.ask("/-/metrics")[0]
    assert 200 == visitor.ask("/-/readyz")[0]
    for path in ("/-/", "/-/status.json", "/-/admin.js"):
        status, _, body = visitor.ask(path)
        assert (403, True) == (status, b"--admin-password-file" in body)
    assert 403 == visitor.ask("/-/do", "POST", b'{"command": "restart", "wait": false}')[0]
    assert 421 == visitor.ask("/-/metrics", Host="evil.example")[0]
    assert 500 == cluster.get("/-/healthz").status  # not asked for


def test_readiness_follows_the_workers(tmp_path: Path, start_cluster: StartCluster) -> None:
    """Not before one is there, and not once the service has been asked to stop; alive it is all the while."""
    port = free_port()
    sock = tmp_path / "admin.sock"
    where = ("--admin", str(port), "--admin", f"unix:{sock};mode=660")
    words = (*where, *APPLICATION, "--workers", "1", "--drain-delay", "1", "--public-health")
    cluster = start_cluster(*words, wait=False)
    wait_until(lambda: _served(Visitor(port)), 20, "the admin port")
    assert stat.S_IMODE(sock.stat().st_mode) == 0o660
    wait_until(lambda: Visitor(port).ask("/-/readyz")[0] == 200, 20, "a worker")
    with contextlib.closing(Visitor(port).connection()) as kept:
        kept.request("GET", "/-/readyz")
        assert b"ready\n" == kept.getresponse().read()
        cluster.tree.signal(signal.SIGTERM)
        unready = (503, b"not ready: the service is stopping\n")
        wait_until(lambda: Visitor(port).ask("/-/readyz")[::2] == unready, 10, "word of the stop")
        assert 200 == Visitor(port).ask("/-/healthz")[0]
        assert 503 == cluster.get("/-/readyz").status
        cluster.wait_until_ended()
    assert not sock.exists()


def test_an_open_page_goes_along_in_an_upgrade(tmp_path: Path) -> None:
    """Who looks on is told by the new front within a second, over the same port and the same socket."""
    port, sock = free_port(), tmp_path / "admin.sock"
    words = ("--admin", str(port), "--admin-password-file", str(password_file(tmp_path)), "--admin", f"unix:{sock}")
    with running(tmp_path, *words, *APPLICATION, "--workers", "1") as daemon:
        daemon.wait_until_ready(1)
        old = daemon.pid
        with contextlib.closing(Visitor(port, PASSWORD).connection()) as kept:
            kept.request("GET", "/-/healthz")
            kept.getresponse().read()
            done = daemon.ctl("upgrade")
            assert 0 == done.returncode, f"{done.stderr}\n{daemon.log}"
            assert old != daemon.pid
            for visitor in (Visitor(port, PASSWORD), Visitor(sock)):
                assert daemon.pid == visitor.status()["pid"]
                assert (200, "generation 2") == _first_words(visitor.do({"command": "restart", "wait": False}))
                daemon.wait_until_ready(1)
                assert 200 == visitor.ask("/-/readyz")[0]
                break
            assert daemon.pid == Visitor(sock).status()["pid"]
            assert stat.S_IMODE(sock.stat().st_mode) == 0o600
        daemon.stop()
        assert not sock.exists()


def test_the_password_can_be_changed(tmp_path: Path, start_cluster: StartCluster) -> None:
    """SIGHUP takes it; one that is too short changes nothing. Tokens of the old one are worth nothing."""
    port = free_port()
    path = password_file(tmp_path)
    cluster = start_cluster("--admin", str(port), "--admin-password-file", str(path), *APPLICATION, "--workers", "1")
    token = Visitor(port, PASSWORD).status()["token"]
    password_file(tmp_path, "short")
    cluster.tree.signal(signal.SIGHUP)
    cluster.wait_for_log("has 5 bytes; 12 are the least; the password that was read before stays in force")
    assert 200 == Visitor(port, PASSWORD).ask("/-/")[0]
    password_file(tmp_path, "another horse battery")
    cluster.tree.signal(signal.SIGHUP)
    wait_until(lambda: Visitor(port, "another horse battery").ask("/-/")[0] == 200, 10, "the new password")
    assert 401 == Visitor(port, PASSWORD).ask("/-/")[0]
    body = b'{"command": "restart", "wait": false}'
    assert 403 == Visitor(port, "another horse battery").ask("/-/do", "POST", body, X_Tracd_Cluster_Token=token)[0]


def test_servers_elsewhere(tmp_path: Path, start_cluster: StartCluster) -> None:
    """There is no worker to be seen, but each server, and why one is not in use."""
    one, other = Teller("one", "127.0.0.1", free_port()), Teller("other", "127.0.0.1", free_port())
    port = free_port()
    try:
        urls = [f"http://127.0.0.1:{each.port}" for each in (one, other)]
        words = ("--admin", str(port), "--admin-password-file", str(password_file(tmp_path)))
        cluster = start_cluster("-s", *words, *(word for url in urls for word in ("--upstream", url)))
        visitor = Visitor(port, PASSWORD)
        wait_until(lambda: [s["used"] for s in visitor.status()["servers"]] == [True, True], 10, "both servers")
        other.close()

        def in_use() -> list[bool]:
            cluster.get("/")  # whoever comes finds out before the next health check does
            return sorted(server["used"] for server in visitor.status()["servers"])

        wait_until(lambda: in_use() == [False, True], 20, "one server")
        status = visitor.status()
        assert (False, []) == (status["here"], status["workers"])
        used = {s["server"]: s["used"] for s in status["servers"]}
        for url in urls:
            assert float(used[url]) == visitor.metric(f'tracd_cluster_server_used{{server="{url}"}}')
        assert (409, True) == _refused(visitor.do({"command": "scale", "count": 2, "wait": False}))
        assert 200 == visitor.ask("/-/readyz")[0]
        one.close()
        wait_until(lambda: in_use() == [False, False], 20, "no server")
        assert (503, b"not ready: no worker is ready\n") == visitor.ask("/-/readyz")[::2]
    finally:
        one.close()
        other.close()


def _refused(answer: tuple[int, str]) -> tuple[int, bool]:
    return answer[0], "elsewhere" in answer[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--admin", "0.0.0.0:{port}"), "can be reached from other hosts and needs --admin-password-file"),
        (("--admin-password-file", __file__), "opens a port of --admin, and none is given"),
        (("--admin", "{port}", "--admin-password-file", "{file}"), "12 are the least"),
        (("--admin", "unix:/nowhere/at/all"), "--admin unix:/nowhere/at/all: cannot listen"),
    ],
)
def test_what_keeps_it_from_starting(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """One message that names the option, and a status that is not 0."""
    file = password_file(tmp_path, "short")
    filled = [word.format(port=free_port(), file=file) for word in words]
    with ClusterProcess(tmp_path, *filled, *APPLICATION) as cluster:
        assert 0 != cluster.tree.wait(20)
        assert said in cluster.log


def test_a_password_file_that_others_can_read(tmp_path: Path) -> None:
    """It is no secret then."""
    file = password_file(tmp_path)
    os.chmod(file, 0o644)
    with ClusterProcess(tmp_path, "--admin", "0", "--admin-password-file", str(file), *APPLICATION) as cluster:
        assert 1 == cluster.tree.wait(20)
        assert f"is open to everybody on this host: chmod o= {file}" in cluster.log
