"""The process that checks passwords, as a real one."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.processes import FROM_TREE, title, wait_until
from tracd_cluster.auth.passwords import hash_password
from tracd_cluster.auth.verifier import PROGRAM

ENDLESS = "$2b$31$" + "." * 53
"""A hash that takes a day to check."""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for questions."""
    process = subprocess.Popen(
        PROGRAM, env=FROM_TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        yield process
        process.kill()


def ask(process: subprocess.Popen[bytes], password: str, hash_: str) -> bytes:
    """Ask a question and wait for the answer."""
    tell(process, password, hash_)
    assert process.stdout is not None
    return process.stdout.readline()


def tell(process: subprocess.Popen[bytes], password: str, hash_: str) -> None:
    """Ask a question."""
    assert process.stdin is not None
    process.stdin.write(json.dumps({"hash": hash_, "password": password}).encode() + b"\n")
    process.stdin.flush()


def test_it_answers_one_line_with_one(process: subprocess.Popen[bytes]) -> None:
    """Right, wrong, a hash that is none, a password that is no text; and afterwards it still answers."""
    hash_ = hash_password("pässword", "bcrypt", 4)
    assert b"1\n" == ask(process, "pässword", hash_)
    assert b"0\n" == ask(process, "password", hash_)
    assert b"0\n" == ask(process, "", "")
    assert b"0\n" == ask(process, "\udc80", hash_)
    assert b"1\n" == ask(process, "pässword", hash_)


def test_it_gives_way_to_others(process: subprocess.Popen[bytes]) -> None:
    """Pages of those who have logged in come first, and a list of processes shows what it is."""
    ask(process, "", "")
    found = psutil.Process(process.pid)
    assert psutil.Process().nice() + 10 == found.nice()
    assert "tracd-cluster: password checks" == title(found)


def test_it_ends_with_its_input(process: subprocess.Popen[bytes]) -> None:
    """A front that closes its end has no more to do."""
    ask(process, "", "")
    assert process.stdin is not None
    process.stdin.close()
    assert 0 == process.wait(10)


def test_ctrl_c_is_for_the_front(process: subprocess.Popen[bytes]) -> None:
    """Signals that a terminal sends to the whole group leave it to the front what ends when."""
    ask(process, "", "")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    assert b"0\n" == ask(process, "", "")


def test_a_check_that_nobody_waits_for_does_not_last(process: subprocess.Popen[bytes]) -> None:
    """An endless hash, and the front gone, leave no process that computes for days."""
    ask(process, "", "")
    tell(process, "x", ENDLESS)
    wait_until(lambda: psutil.Process(process.pid).cpu_times().user > 0.5, 20, "work on the hash")
    process.send_signal(signal.SIGPROF)
    assert -signal.SIGPROF == process.wait(10)


def checks_passwords(cluster: ClusterProcess) -> bool:
    """Tell whether a service has its process for passwords."""
    return any("password checks" in title(one) for one in cluster.tree.children())


def test_it_does_not_outlive_a_front_that_is_killed(tmp_path: Path, start_cluster: StartCluster) -> None:
    """Killed without a word, the service leaves no process behind; nor does an ordinary stop."""
    users = tmp_path / "htpasswd"
    users.write_text(f"ann:{hash_password('secret', 'sha')}\n")
    auth = ("--basic-auth", f"*,{users},Trac", "--application", "tests.integration.apps:misbehaving")
    for end in (signal.SIGKILL, signal.SIGTERM):
        cluster = start_cluster(*auth, "--workers", "1")
        wait_until(partial(checks_passwords, cluster), 20, "the process for passwords")
        cluster.tree.signal(end)
        cluster.tree.wait(20)
        cluster.assert_nothing_left(5)
