"""The operator reads one sentence that names the cause."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.environments import (
    CannotServe,
    Project,
    explain,
    problem_with,
    trac_paths,
    unreadable_settings,
    why_trac_is_missing,
)


def make(path: Path) -> Path:
    """Make what looks like an environment from outside."""
    (path / "conf").mkdir(parents=True)
    (path / "VERSION").write_text("Trac Environment Version 1\n")
    (path / "conf" / "trac.ini").write_text("")
    return path


def test_an_environment_that_looks_right_has_no_problem(tmp_path: Path) -> None:
    """A good environment is not refused."""
    assert problem_with(str(make(tmp_path / "good"))) is None


def test_a_missing_environment_is_named_as_missing(tmp_path: Path) -> None:
    """A typing error in a path is seen for what it is."""
    assert "no such directory" == problem_with(str(tmp_path / "typo"))


def test_a_folder_that_is_no_environment_gets_the_cure(tmp_path: Path) -> None:
    """Someone new to Trac learns how to make an environment."""
    told = problem_with(str(tmp_path))
    assert (
        f'it is not a Trac environment, {tmp_path}/VERSION is missing; trac-admin "{tmp_path}" initenv makes one'
        == told
    )
    path = make(tmp_path / "half")
    (path / "conf" / "trac.ini").unlink()
    assert "trac.ini is missing" in str(problem_with(str(path)))


def test_a_file_is_no_environment(tmp_path: Path) -> None:
    """The path of trac.ini instead of the environment's is told as that."""
    file = tmp_path / "trac.ini"
    file.write_text("")
    assert f"Not a directory: {file}/VERSION" == problem_with(str(file))


def test_permission_errors_name_user_and_file() -> None:
    """It is clear whose permissions to change, and on what."""
    told = explain(PermissionError(13, "Permission denied", "/srv/x/log/trac.log"))
    assert told.startswith("permission denied: the user ")
    assert f"(uid {os.getuid()})" in told
    assert told.endswith("cannot use /srv/x/log/trac.log")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "/srv/x"), "No space left on device: /srv/x"),
        (ValueError("two\n\n  lines"), "two lines"),
        (KeyError(), "KeyError"),
    ],
)
def test_any_error_becomes_one_line(error: Exception, told: str) -> None:
    """Nobody has to look for the message in a traceback."""
    assert told == explain(error)


def test_a_missing_trac_is_told_with_what_to_install() -> None:
    """The first start on a new machine says what to do."""
    told = why_trac_is_missing(ModuleNotFoundError("No module named 'trac'", name="trac"))
    assert f'Trac is not installed for {sys.executable}: install "Trac>=1.6"' == told


def test_a_setuptools_without_pkg_resources_is_told_with_the_cure() -> None:
    """The commonest failure of a fresh installation of Trac 1.6 has a one-line answer."""
    told = why_trac_is_missing(ModuleNotFoundError("No module named 'pkg_resources'", name="pkg_resources"))
    assert told.startswith("Trac needs pkg_resources, and setuptools ")
    assert told.endswith('install "setuptools<82"')


def test_other_import_errors_are_shown() -> None:
    """A broken library under Trac is named."""
    assert "Trac cannot be imported: SyntaxError: bad" == why_trac_is_missing(SyntaxError("bad"))


def test_paths_are_spelled_as_trac_looks_them_up() -> None:
    """An environment is opened once, not once for each way to write its path."""
    one = trac_paths(ProjectSettings(env_paths=("/srv//x/", "/srv/y/../z"), single_env=True, base_path="/b"))
    assert ProjectSettings(env_paths=("/srv/x", "/srv/z"), single_env=True, base_path="/b") == one
    parent = trac_paths(ProjectSettings(env_paths=("/a",), env_parent_dir="/srv/", single_env=True))
    assert ("/srv", False) == (parent.env_parent_dir, parent.single_env)


def test_a_fault_prints_as_its_message() -> None:
    """The last line of a worker that cannot start is readable."""
    fault = CannotServe("open", "environment /x: gone", "Traceback")
    assert ("environment /x: gone", "environment /x") == (str(fault), str(Project("x", "/x")))


def test_settings_that_cannot_be_parsed_are_named(tmp_path: Path) -> None:
    """Of an environment and what it inherits, it is said which file to mend."""
    path = make(tmp_path / "project")
    ini = path / "conf" / "trac.ini"
    assert "" == unreadable_settings(str(path))
    ini.write_text("[inherit]\nfile = shared.ini\n")
    shared = ini.with_name("shared.ini")
    shared.write_text("nonsense\n")
    assert str(shared) == unreadable_settings(str(path))
    shared.unlink()
    assert "" == unreadable_settings(str(path))
    ini.write_bytes(b"[trac]\nx = \xff\n")
    assert str(ini) == unreadable_settings(str(path))
