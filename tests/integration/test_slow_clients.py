"""Slow clients by the hundred: none of them holds a worker, and nothing of theirs is left when the front dies."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crowd import Crowd, Plan
from tests.integration.conftest import StartCluster
from tests.integration.daemon import ctl
from tests.processes import wait_until

FILE = "/raw-attachment/wiki/WikiStart/heavy.bin"
PAGE = "/wiki/WikiFormatting"
EACH = 100
"""Clients of each of three kinds; ``make bench`` has a thousand."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="slow-") as folder:
        yield Path(folder)


def test_slow_readers_and_uploaders_hold_no_worker(env: Path, start_cluster: StartCluster, folder: Path) -> None:
    """Workers are idle while all of them are under way, and in the end everybody has got and sent everything."""
    heavy = folder / "heavy.bin"
    heavy.write_bytes(b"heavy" * 100_000)
    admin = Path(sys.executable).with_name("trac-admin")
    subprocess.run(
        [admin, env, "attachment", "add", "wiki:WikiStart", heavy], check=True, capture_output=True, timeout=60
    )
    control = str(folder / "ctl")
    anybody = ("--client-requests", "0", "--client-rate", "0", "--client-connections", "0")  # all have one address
    options = ("--workers", "2", "--control", control, "--queue-timeout", "100", "--queue-target", "0", *anybody)
    cluster = start_cluster(*options, "-s", str(env))

    def report() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ctl("--json", "--control", control, "status").stdout)["report"]
        return found

    plan = Plan(readers={FILE: EACH, PAGE: EACH}, uploaders=EACH, begin=100_000, size=200_000)
    with Crowd(cluster.port, plan) as crowd:
        wait_until(lambda: not any(worker["asked"] for worker in report()["workers"]), 20, "idle workers")
        assert report()["connections"] >= EACH * 2  # short pages are in the kernel, and read to their end by now
        spooled = report()["spooled"]
        assert EACH * 100_000 <= spooled <= EACH * 200_000
        assert 200 == cluster.get("/about", {"Cookie": "somebody=1"}).status
        found = crowd.hurry()
    assert {"well": 3 * EACH, "wrong": {}} == found
    assert 0 == report()["spooled"]


def test_nothing_of_an_upload_is_left_when_the_front_is_killed(
    env: Path, start_cluster: StartCluster, folder: Path
) -> None:
    """Its file has no name from the start; so it goes with the process that has it open."""
    cluster = start_cluster("-s", str(env), "--workers", "1", environment={"TMPDIR": str(folder)})
    head = b"POST /newticket HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=20) as client:
        client.sendall(head + b"x" * 300_000)
        front = Path(f"/proc/{cluster.front_pid}/fd")

        def spooled() -> int:
            files = [each for each in front.iterdir() if each.is_symlink() and str(folder) in str(each.readlink())]
            return sum(each.stat().st_size for each in files if each.exists() or "deleted" in str(each.readlink()))

        wait_until(lambda: spooled() == 300_000, 10, "the upload on disk")
        assert [] == [path for path in folder.rglob("*") if path.is_file()]
        cluster.tree.signal(signal.SIGKILL)
        cluster.wait_until_ended()
    assert [] == [path for path in folder.rglob("*") if path.is_file()]
