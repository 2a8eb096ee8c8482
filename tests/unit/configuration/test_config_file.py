"""The configuration file: the same names, the same readers, and errors that name the line."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tracd_cluster.configuration.config import configure, load
from tracd_cluster.errors import ConfigError


def write_config(path: Path, text: str) -> str:
    """Write a configuration file."""
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(path)


def test_a_file_has_the_same_names(tmp_path: Path) -> None:
    """Relative paths in it start at its own folder, wherever the command is given."""
    (tmp_path / "users").write_text("")
    (tmp_path / "one").mkdir()
    config = write_config(tmp_path / "c.toml", """
        envs = ["one"]
        port = 8080
        workers = "3"
        hostname = "::1"
        max-body = "2k"
        require-login = true
        auth = ["*,users,Realm"]
        queue-timeout = 1.5
        no-freeze = true
        umask = "027"
    """)  # fmt: skip
    settings = load(["--config", config])
    assert (str(tmp_path / "one"),) == settings.pool.projects.env_paths
    assert ("tcp6:port=8080:interface=\\:\\:1:backlog=1024",) == settings.front.endpoints
    assert (3, False, 0o027) == (settings.pool.workers, settings.pool.freeze, settings.pool.umask)
    assert (2048, 1.5) == (settings.front.max_body, settings.front.queue_timeout)
    assert [str(tmp_path / "users")] == [entry.file for entry in settings.auth.entries]
    assert {"*"} == settings.auth.required


def test_the_command_line_wins(tmp_path: Path) -> None:
    """What stands there replaces all that the file says of it, and what the file says against it."""
    config = write_config(tmp_path / "c.toml", """
        port = 8080
        hostname = ["10.0.0.1", "10.0.0.2"]
        env-parent-dir = "."
        http10 = true
    """)  # fmt: skip
    settings = load(["--config", config, "-p", "1", "-b", "::1", "-s", str(tmp_path), "--http11"])
    assert ("tcp6:port=1:interface=\\:\\:1:backlog=1024",) == settings.front.endpoints
    assert settings.pool.projects.single_env
    assert settings.pool.projects.env_parent_dir is None
    assert settings.front.keep_alive


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 1\nwrokers = 3\n", ":2: there is no option wrokers; the nearest one is workers"),
        ("# x\n\nport = 'high'\n", ":3: port: 'high' is not a port number from 0 to 65535"),
        ("port = true\n", ":1: port: True is neither a text nor a number"),
        ("single-env = 1\n", ":1: single-env: 1 is neither true nor false"),
        ("auth = ['a,b']\n", ":1: auth: 'a,b' has 2 parts between commas"),
        ("port = [1]\n", ":1: port: [1] is neither a text nor a number"),
        ("check = true\n", ":1: there is no option check"),
        ("[trac]\nport = 1\n", ":1: there is no option trac"),
        ("port = \n", ": Invalid value (at line 1, column 8)"),
        ("single-env = true\nenv-parent-dir = '.'\n",
         ":1: argument -s/--single-env: not allowed with argument -e/--env-parent-dir"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """An operator finds the line that has to be mended."""
    config = write_config(tmp_path / "c.toml", text)
    with pytest.raises(ConfigError, match=re.escape(config + said)):
        load(["--config", config])


def test_the_file_is_read_again_under_the_same_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon has changed its folder meanwhile, and what is wrong is told with its line."""
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path / "c.toml", "queue = 5\nworkers = 3\n")
    (tmp_path / "env").mkdir()
    configuration, _ = configure(["--config", "c.toml", "--workers", "2", "env"], "x")
    monkeypatch.chdir("/")
    assert configuration.settings == configuration.reread()
    write_config(tmp_path / "c.toml", "queue = 7\nworkers = 4\n")
    again = configuration.reread()
    assert (7, 2, (f"{tmp_path}/env",)) == (again.front.queue, again.pool.workers, again.pool.projects.env_paths)
    write_config(tmp_path / "c.toml", "queue = 7\nworkers = 'x'\n")
    with pytest.raises(ConfigError, match=re.escape(f"{config}:2: workers: 'x'")):
        configuration.reread()
