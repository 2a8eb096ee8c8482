"""What the options of the admin listener mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with a password; nobody reads it here."""
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    return str(path)


def test_nothing_of_it_is_there_unless_it_is_wanted(tmp_path: Path) -> None:
    """No address, and nothing on the public ports."""
    settings = load([str(tmp_path)]).admin
    assert ((), None, False) == (settings.addresses, settings.password_file, settings.public_health)


def test_several_addresses(tmp_path: Path, file: str) -> None:
    """A port and a socket, as they were written."""
    words = ["--admin", "9180", "--admin", "unix:/run/a.sock", "--admin-password-file", file, "--public-health"]
    settings = load([*words, str(tmp_path)])
    assert ["9180", "unix:/run/a.sock"] == [str(address) for address in settings.admin.addresses]
    assert (file, True, ()) == (settings.admin.password_file, settings.admin.public_health, settings.warnings)


def test_other_hosts_need_a_password(tmp_path: Path, file: str) -> None:
    """And whoever lets them in hears that it can be read on the way."""
    words = ["--admin", "10.0.0.5:9180", str(tmp_path)]
    with pytest.raises(ConfigError, match=r"9180 can be reached from other hosts and needs"):
        load(words)
    [warning] = load(["--admin-password-file", file, *words]).warnings
    assert warning.startswith("--admin 10.0.0.5:9180 is not encrypted")
    assert () == load(["--admin", "10.0.0.5:9180;open", str(tmp_path)]).warnings


@pytest.mark.parametrize("where", [[], ["--admin", "unix:/run/a.sock"]])
def test_a_password_for_nothing(tmp_path: Path, file: str, where: list[str]) -> None:
    """A socket's mode is its guard: whoever gives a password for it means something else."""
    with pytest.raises(ConfigError, match="--admin-password-file opens a port of --admin, and none is given"):
        load([*where, "--admin-password-file", file, str(tmp_path)])
