"""The command line: what it becomes, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracd_cluster.config import load
from tracd_cluster.errors import ConfigError


@pytest.fixture
def env(tmp_path: Path) -> str:
    """Give a folder that stands for an environment."""
    return str(tmp_path)


def test_options_may_stand_anywhere(env: str) -> None:
    """As with tracd, options stand before or after the environments and may be abbreviated."""
    settings = load(["-s", env, "-p", "8080", "--base=/trac/", "--work", "3"])
    assert (env,) == settings.pool.projects.env_paths
    assert settings.pool.projects.single_env
    assert ("tcp:port=8080:backlog=1024",) == settings.front.endpoints
    assert "/trac" == settings.front.base_path == settings.pool.projects.base_path
    assert 3 == settings.pool.workers


def test_an_environment_becomes_absolute(env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon changes its folder; paths are taken from where the command was given."""
    monkeypatch.chdir(Path(env).parent)
    assert (env,) == load([Path(env).name]).pool.projects.env_paths


@pytest.mark.parametrize(
    ("options", "endpoints"),
    [
        (["-b", "::1"], ["tcp6:port=80:interface=\\:\\:1:backlog=1024"]),
        (["-b", "10.0.0.1", "-b", "[::]"],
         ["tcp:port=80:interface=10.0.0.1:backlog=1024", "tcp6:port=80:interface=\\:\\::backlog=1024"]),
        (["-b", "unix:/run/t:x"], ["unix:address=/run/t\\:x:mode=660:lockfile=1:backlog=1024"]),
        (["--listen", "tcp:1"], ["tcp:1"]),
        (["--listen", "tcp:1", "--listen", "tcp:2", "-b", "a"],
         ["tcp:port=80:interface=a:backlog=1024", "tcp:1", "tcp:2"]),
    ],
)  # fmt: skip
def test_where_to_listen(env: str, options: list[str], endpoints: list[str]) -> None:
    """Addresses of every kind become endpoints."""
    assert tuple(endpoints) == load([env, *options]).front.endpoints


def test_sizes_and_times(env: str) -> None:
    """Sizes take units."""
    front = load([env, "--max-body", "10M", "--queue-timeout", "1.5", "--queue", "0"]).front
    assert (10 << 20, 1.5, 0) == (front.max_body, front.queue_timeout, front.queue)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "99999"], "argument -p/--port: '99999' is not a port number from 0 to 65535"),
        (["-p", "http"], "argument -p/--port: 'http' is not a port number"),
        (["--workers", "0"], "argument --workers: '0' is neither auto nor a number from 1 to 1000"),
        (["--max-body", "lots"], "argument --max-body: 'lots' is not a size such as 65536, 64k or 1G"),
        (["--queue-timeout", "-1"], "argument --queue-timeout: '-1' is not a number of seconds above 0"),
        (["--base-path", "/a/../b"], "argument --base-path: '/a/../b' is not the path of a URL"),
        (["--threads", "none"], "argument --threads: 'none' is not a number from 1 to 64"),
        (["/no/such"], "path '/no/such' does not exist; a Trac environment was expected"),
        (["/etc/hostname"], "path '/etc/hostname' is not a folder"),
        (["--bogus"], "unrecognized arguments: --bogus"),
    ],
)
def test_a_wrong_option_is_named(
    env: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option, the value and what was expected, and the status is not 0."""
    with pytest.raises(SystemExit) as end:
        load([env, *arguments])
    assert 2 == end.value.code
    assert said in capsys.readouterr().err


def test_options_that_do_not_go_together(env: str) -> None:
    """What no single option shows is told too."""
    with pytest.raises(ConfigError, match="no environment"):
        load([])
    with pytest.raises(ConfigError, match="-s serves one environment, but 2 are given"):
        load(["-s", env, env])
    with pytest.raises(ConfigError, match="argument -s/--single-env: not allowed with argument -e/--env-parent-dir"):
        load(["-s", "-e", env])
