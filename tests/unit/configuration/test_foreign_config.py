"""What goes together with other workers, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracd_cluster.configuration.config import configure, load
from tracd_cluster.configuration.config_file import in_file
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.pool import CommandSettings

COMMAND = "--worker-command=tracd -s -p {port} ENV"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([COMMAND, "--upstream", "http://x"], "give one of them"),
        (["--upstream", "http://x", "."], "give no environment with it"),
        (["--upstream", "http://x", "-e", "."], "give no environment with it"),
        ([COMMAND, "-r"], "give it in --worker-command"),
        ([".", "--upstream-connections", "3"], "--upstream-connections says nothing without --upstream"),
        ([COMMAND, "--upstream-resolver", "127.0.0.1"], "--upstream-resolver says nothing without --upstream"),
        ([".", "--command-base-path", "/x"], "--command-base-path says nothing without --worker-command"),
        ([".", "--health-path", "/x"], "--health-path says nothing without"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], why: str) -> None:
    """The message says what to do instead."""
    with pytest.raises(ConfigError, match=why):
        load(arguments)


def test_a_command_needs_no_environment() -> None:
    """It is the command that names it; the base path is ours unless said otherwise."""
    settings = load([COMMAND, "--base-path=/site", "-s"])
    words = ("tracd", "-s", "-p", "{port}", "ENV")
    assert CommandSettings(words=words, folder=str(Path.cwd()), base_path="/site") == settings.pool.command
    assert "" == settings.auth.single_project
    settings = load([COMMAND, "--base-path=/site", "--command-base-path=/"])
    assert settings.pool.command is not None
    assert "" == settings.pool.command.base_path


def test_upstreams() -> None:
    """Passwords are passed on where the front asks for none; health checks use a name that clients use."""
    settings = load(["--upstream", "http://x", "--upstream", "http://y;weight=2", "-p", "8000"]).foreign
    assert ["http://x", "http://y;weight=2"] == [str(each) for each in settings.upstreams]
    assert (True, "localhost:8000", 16) == (settings.passwords, settings.health_host, settings.connections)
    hosts = ["--allowed-host=*.example.org", "--allowed-host=trac.example.org"]
    settings = load(["--upstream", "http://x", *hosts]).foreign
    assert "trac.example.org" == settings.health_host


def test_passwords_stay_where_they_are_checked(tmp_path: Path) -> None:
    """A server that the front answers for has no need of them."""
    (tmp_path / "users").write_text("")
    settings = load(["--upstream", "http://x", "--basic-auth", f"*,{tmp_path / 'users'},Trac"])
    assert not settings.foreign.passwords


def test_they_are_shown_as_a_file_has_them(tmp_path: Path) -> None:
    """What --show-config prints is read again as the same."""
    arguments = ["--upstream", "http://x;weight=2", "--upstream-resolver", "127.0.0.1:5353", "--health-path", "/well"]
    for given in (arguments, [COMMAND, "--command-base-path", "/x"]):
        configuration, _ = configure(given, "tracd-cluster")
        path = tmp_path / "shown.toml"
        path.write_text(configuration.show())
        again, _ = configure(["--config", str(path)], "tracd-cluster")
        keys = [option.key for option in in_file() if option.group == "other workers"]
        for key in keys:
            before, after = configuration.values[key], again.values[key]
            assert before == (list(after) if key == "upstream" and after else after)
