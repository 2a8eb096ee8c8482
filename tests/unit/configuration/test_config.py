"""The command line: what it becomes, and what is said when it is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.configuration.test_config_file import write_config
from tracd_cluster.configuration.config import configure, load
from tracd_cluster.errors import ConfigError


@pytest.fixture
def env(tmp_path: Path) -> str:
    """Give a folder that stands for an environment."""
    return str(tmp_path)


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    """Give a file that stands for one with passwords."""
    path = tmp_path / "passwords"
    path.write_text("")
    return str(path)


def test_options_may_stand_anywhere(env: str) -> None:
    """As with tracd, options stand before or after the environments and may be abbreviated."""
    settings = load(["-s", env, "-p", "8080", "--base=/trac/", "--workers", "3"])
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


def test_an_environment_may_be_called_like_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind two hyphens stand only environments, as with tracd."""
    (tmp_path / "-x").mkdir()
    (tmp_path / "y").mkdir()
    monkeypatch.chdir(tmp_path)
    assert (str(tmp_path / "y"), str(tmp_path / "-x")) == load(["y", "--", "-x"]).pool.projects.env_paths
    with pytest.raises(SystemExit):
        load(["--", "-p"])


def test_a_spool_that_is_smaller_than_the_largest_body(env: str) -> None:
    """It is told of, since one option then says more than is so."""
    settings = load([env, "--max-body", "10M", "--spool-limit", "9M"])
    assert (10 << 20, 9 << 20) == (settings.front.max_body, settings.front.spool_limit)
    [warning] = settings.warnings
    assert "--spool-limit 9437184" in warning
    assert "--max-body 10485760" in warning
    assert () == load([env, "--max-body", "10M", "--spool-limit", "10M"]).warnings
    assert () == load([env]).warnings


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


def test_the_first_entry_for_a_project_counts(env: str, password_file: str) -> None:
    """As with tracd, which says so in the same words; Basic and Digest may stand side by side."""
    settings = load([env, "-a", f"one,{password_file},R", "--basic-auth", f"one,{password_file},S",
                     "--basic-auth", f"*,{password_file},"])  # fmt: skip
    entries = [(entry.kind, entry.project, entry.realm) for entry in settings.auth.entries]
    assert [("digest", "one", "R"), ("basic", "*", "")] == entries
    assert "Ignoring duplicate authentication option for project: one" in settings.warnings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--protocol", "https"], "--protocol=https needs --certfile"),
        (["--require-login"], "--require-login protects the index of projects as well"),
        (["--require-login=one"], "--require-login=one needs an --auth or --basic-auth for one or *"),
        (["--remote-user-header", "X-User"], "--remote-user-header X-User needs --trusted-proxy"),
        (["-r", "-d"], "argument -d/--daemonize: not allowed with argument -r/--auto-reload"),
        (["--http10", "--http11"], "argument --http11: not allowed with argument --http10"),
        (["--user", "4000000"], "there is no such user to take a group from; give --group too"),
    ],
)
def test_what_does_not_go_together_is_told(env: str, options: list[str], said: str) -> None:
    """The message says what is missing, or what excludes what."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        load([env, *options])


def test_a_login_can_be_required(env: str, password_file: str) -> None:
    """All of a single project, or projects by their names."""
    name = Path(env).name
    auth = load(["-s", env, "-a", f"{name},{password_file},R", "--require-login"]).auth
    assert (frozenset("*"), name) == (auth.required, auth.single_project)
    auth = load([env, "-a", f"*,{password_file},R", "--require-login=one", "--require-login=two"]).auth
    assert {"one", "two"} == auth.required
    assert not load([env]).auth.wanted


def test_names_of_no_project_are_pointed_out(env: str, password_file: str) -> None:
    """A misspelled project would be open to everybody, in silence."""
    settings = load([env, "-a", f"on,{password_file},R"])
    assert ("no environment is called on, which an option of signing in names",) == settings.warnings


def test_a_port_of_the_protocols_own(env: str, password_file: str) -> None:
    """443 for https, as with tracd."""
    front = load([env, "--protocol=https", "--certfile", password_file]).front
    assert ((), ("tcp:port=443:backlog=1024",)) == (front.endpoints, front.secure_endpoints)
    assert front.tls is not None
    assert (password_file, None, True) == (front.tls.certificate, front.tls.key, front.keep_alive)
    assert not load([env, "--http10"]).front.keep_alive


def test_what_is_in_force_is_a_file_again(tmp_path: Path, password_file: str) -> None:
    """--show-config says where each value comes from, and what it prints means the same as what it was made of."""
    env = tmp_path / 'a "name"'
    env.mkdir()
    config = write_config(tmp_path / "c.toml", "workers = 3\n")
    arguments = [str(env), "-p", "81", "-b", "unix:/x=y", "--config", config, "-a", f"*,{password_file},R",
                 "--trusted-proxy", "unix", "--trusted-proxy", "10.0.0.0/8", "--umask", "7", "--require-login=x",
                 "--remote-user-header", "Remote-User"]  # fmt: skip
    configuration, action = configure([*arguments, "--show-config"], "tracd-cluster")
    assert "show_config" == action
    shown = configuration.show()
    assert "port = 81  # command line\n" in shown
    assert f"workers = 3  # {config}:1\n" in shown
    assert 'protocol = "http"  # default\n' in shown
    assert "# certfile =\n" in shown
    assert configuration.settings == load(["--config", write_config(tmp_path / "again.toml", shown)])
