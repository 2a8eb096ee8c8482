"""Both servers, started with the same arguments and ended whatever a test does."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.integration.dropin.server import OURS, PROGRAMS, Server


class StartServer(Protocol):
    """Starts one of the servers, and waits until it serves ``path`` unless that is empty."""

    def __call__(self, program: str, *arguments: str, path: str = "/", **how: Any) -> Server: ...


MakeProject = Callable[[str], Path]
"""Makes an environment of its own under a name or path of the caller's choice, and gives where it is."""


@pytest.fixture(params=PROGRAMS, scope="module")
def program(request: pytest.FixtureRequest) -> str:
    """The server under test: a test that takes it runs against both."""
    return str(request.param)


def _servers(folder: Path) -> Iterator[StartServer]:
    servers: list[Server] = []

    def start(program: str, *arguments: str, path: str = "/", **how: Any) -> Server:
        server = Server(folder, program, *arguments, **how)
        servers.append(server)
        return server.wait_until_serving(path) if path else server

    try:
        yield start
        for server in servers:
            if server.program == OURS and server.tree.process.poll() is None:
                assert 0 == server.interrupt(), server.stderr
    finally:
        for server in servers:
            server.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers that end with the test."""
    yield from _servers(tmp_path)


@pytest.fixture(scope="module")
def start_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers that the tests of one module share."""
    yield from _servers(tmp_path_factory.mktemp("servers"))


def _maker(sample_env: Path, folder: Path) -> MakeProject:
    def make(name: str) -> Path:
        return Path(shutil.copytree(sample_env, folder / name, ignore=shutil.ignore_patterns("git")))

    return make


@pytest.fixture
def project(sample_env: Path, tmp_path: Path) -> MakeProject:
    """Make environments of this test's own."""
    return _maker(sample_env, tmp_path / "projects")


@pytest.fixture(scope="module")
def module_project(sample_env: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeProject:
    """Make environments that the tests of one module share."""
    return _maker(sample_env, tmp_path_factory.mktemp("projects"))


@pytest.fixture
def everyones_folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
