"""``make demo``, from the first page to Ctrl-C."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ProcessTree, free_port, wait_until


class Demo:
    """A running demo."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        argv = [sys.executable, "-m", "sample.demo"]
        self.tree = ProcessTree(argv, folder / "output.txt", {"PORT": str(port), "HOST": "127.0.0.1"})

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.tree.output.read_text()

    def wait_until_announced(self) -> None:
        """Wait until it says where to look."""

        def announced() -> bool:
            assert self.tree.process.poll() is None, self.output
            return "Ctrl-C ends it." in self.output

        wait_until(announced, 60, "the demo's announcement")

    def interrupt(self) -> int:
        """Do what Ctrl-C does, and give the status."""
        os.killpg(self.tree.pid, signal.SIGINT)
        return self.tree.wait(20)


@pytest.fixture
def demo(sample_env: Path, tmp_path: Path) -> Iterator[Demo]:
    """A demo on a free port, with an environment that is there already."""
    shutil.copytree(sample_env, tmp_path / ".demo" / "tidewatch", ignore=shutil.ignore_patterns("git"))
    demo = Demo(tmp_path, free_port())
    try:
        yield demo
    finally:
        demo.tree.kill()


def test_it_serves_what_it_says_where_it_says(demo: Demo) -> None:
    """The address that is printed leads to the sample project."""
    demo.wait_until_announced()
    assert f"http://localhost:{demo.port}/" in demo.output
    assert "admin, password harbour" in demo.output
    https_port = int(demo.output.partition("https://localhost:")[2].partition("/")[0])
    certificate = demo.tree.output.parent / ".demo" / "certificate" / "localhost.pem"
    context = ssl.create_default_context(cafile=certificate)
    encrypted = http.client.HTTPSConnection("localhost", https_port, timeout=20, context=context)
    encrypted.request("GET", "/wiki")
    assert 200 == encrypted.getresponse().status
    encrypted.close()
    connection = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=20)
    connection.request("GET", "/wiki")
    answer = connection.getresponse()
    assert 200 == answer.status
    assert b"Tide tables and warnings for small harbours" in answer.read()
    connection.close()


def test_ctrl_c_ends_it_well_and_leaves_nothing(demo: Demo) -> None:
    """It ends with status 0, so that make has nothing to complain about, and no process stays behind."""
    demo.wait_until_announced()
    assert 0 == demo.interrupt()
    assert demo.output.endswith("Stopped.\n")
    wait_until(lambda: not demo.tree.alive(), 1, "the end of all processes")


def test_a_port_that_is_taken_is_named_with_the_cure(tmp_path: Path) -> None:
    """Who has something else on port 8000 is told what to type."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        demo = Demo(tmp_path, port)
        try:
            assert 1 == demo.tree.wait(20)
        finally:
            demo.tree.kill()
    expected = (
        f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another: make demo PORT={port + 1}\n"
    )
    assert expected == demo.output
