"""A sample environment, made once, and services that are ended whatever a test does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.dropin.server import Python
from tests.integration.everyones import python_for_everybody
from tests.needs import require
from tests.processes import ROOT


class StartCluster(Protocol):
    """Starts a service, and waits until it serves unless told otherwise."""

    def __call__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, wait: bool = True
    ) -> ClusterProcess: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try what has failed once more, and say so: browsers and clocks have their moments on a busy machine.

    Not so what is marked ``once``: there one failure in a hundred times is a fault of ours.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("once") is None:
            item.add_marker(pytest.mark.flaky(reruns=1))


def make_environment(path: Path, *options: str) -> Path:
    """Make a sample environment in a process of its own, so that Trac's state stays out of the tests' process."""
    subprocess.run([sys.executable, "-m", "sample.environment", str(path), *options], cwd=ROOT, check=True, timeout=60)
    return path


def _cluster_factory(folder: Path) -> Iterator[StartCluster]:
    clusters: list[ClusterProcess] = []

    def start(*arguments: str, environment: Mapping[str, str] | None = None, wait: bool = True) -> ClusterProcess:
        cluster = ClusterProcess(folder, *arguments, environment=environment)
        clusters.append(cluster)
        return cluster.wait_until_serving() if wait else cluster

    try:
        yield start
        for cluster in clusters:
            if cluster.tree.process.poll() is None:
                cluster.stop()
            cluster.assert_nothing_left()
    finally:
        for cluster in clusters:
            cluster.kill()


@pytest.fixture(scope="session")
def sample_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment to copy, where visitors without an account may write; nobody serves it itself."""
    return make_environment(tmp_path_factory.mktemp("sample") / "tidewatch", "--open")


@pytest.fixture
def env(sample_env: Path, tmp_path: Path) -> Path:
    """An environment of this test's own."""
    return copy_environment(sample_env, tmp_path)


@pytest.fixture(scope="module")
def module_env(sample_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the tests of one module share."""
    return copy_environment(sample_env, tmp_path_factory.mktemp("module"))


def copy_environment(source: Path, folder: Path) -> Path:
    """Copy an environment, but for its repository, which is only read."""
    copy = shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("git"))
    return Path(copy)


@pytest.fixture
def start_cluster(tmp_path: Path) -> Iterator[StartCluster]:
    """Start services that end with the test; each must end well and leave no process."""
    yield from _cluster_factory(tmp_path)


@pytest.fixture(scope="module")
def start_module_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCluster]:
    """Start services that the tests of one module share."""
    yield from _cluster_factory(tmp_path_factory.mktemp("cluster"))


CopyEnvironment = Callable[[str], Path]


@pytest.fixture
def copy_env(sample_env: Path, tmp_path: Path) -> CopyEnvironment:
    """Make copies of the environment under names of the test's choice, side by side in ``projects``."""

    def copy(name: str) -> Path:
        path = tmp_path / "projects" / name
        shutil.copytree(sample_env, path, ignore=shutil.ignore_patterns("git"))
        return path

    return copy


@pytest.fixture(scope="session")
def everyones_python() -> Iterator[Python]:
    """An interpreter that every user may run; only root can try."""
    require("root")
    with python_for_everybody() as python:
        yield python
