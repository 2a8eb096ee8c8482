"""The logs of a real service: what came of each request, and its name wherever it is told of."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from pathlib import Path

from tests.integration.conftest import StartCluster
from tests.integration.daemon import running
from tests.processes import wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")


def lines(path: Path, count: int) -> list[str]:
    """Wait for so many lines, and give them."""
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= count, 10, f"{count} lines in {path}")
    return path.read_text().splitlines()


def test_each_request_has_a_line_with_its_name(start_cluster: StartCluster, tmp_path: Path) -> None:
    """The number that the client sees is in the access log, on the error page and in the messages."""
    access, page = tmp_path / "access.log", tmp_path / "page.html"
    page.write_text("<h1>Harbour</h1>$reason $advice <i>$request</i>")
    cluster = start_cluster(
        *APPLICATION, "--workers", "1", "--access-log", str(access), "--access-log-format", "json",
        "--log-format", "json", "--error-page", str(page), "--request-timeout", "1",
    )  # fmt: skip
    before = len(lines(access, 1))
    good, hung = cluster.get("/?a=b"), cluster.get("/hang")
    assert (200, 504) == (good.status, hung.status)
    request_id = hung.headers["x-request-id"]
    assert f"<i>{request_id}</i>" in hung.body.decode()
    assert hung.body.startswith(b"<h1>Harbour</h1>")
    first, second = map(json.loads, lines(access, before + 2)[before:])
    assert ("/?a=b", 200, "worker", "worker 1", 1, True) == tuple(
        first[key] for key in ("target", "status", "by", "worker", "generation", "whole")
    )
    assert ("/hang", 504, request_id) == (second["target"], second["status"], second["id"])
    assert 0.7 <= second["worker_seconds"] <= second["total_seconds"] < 5
    messages = [json.loads(line) for line in cluster.log.splitlines() if line.startswith("{")]
    assert [message for message in messages if str(request_id) in message["message"] and message["level"] == "error"]


def test_the_access_log_is_opened_again_and_nothing_is_lost(tmp_path: Path) -> None:
    """As logrotate does it; what is asked right before a stop is written too."""
    access = tmp_path / "access.log"
    with running(tmp_path, *APPLICATION, "--workers", "1", "--access-log", str(access)) as daemon:
        daemon.wait_until_ready(1)
        client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        for number in range(40):
            if number == 20:
                access.rename(tmp_path / "access.log.1")
                os.kill(daemon.pid, signal.SIGUSR1)
                wait_until(access.exists, 10, "a new file")
            client.request("GET", f"/?{number}")
            client.getresponse().read()
        client.close()
        daemon.stop()
    text = (tmp_path / "access.log.1").read_text() + access.read_text()
    assert [*map(str, range(40))] == re.findall(r'"GET /\?(\d+) HTTP/1.1" 200 ', text)
    assert '"GET /?39' in access.read_text()
