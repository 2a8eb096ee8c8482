"""What can be seen of environments and their databases from outside; the rest is in integration/test_check.py."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import FROM_TREE
from tracd_cluster.tracd.inspection import NETWORK_FILE_SYSTEMS, file_system_of, in_wal_mode


@pytest.mark.parametrize(("mode", "expected"), [("WAL", True), ("DELETE", False)])
def test_the_mode_of_a_database_is_read_from_its_file(tmp_path: Path, mode: str, expected: bool) -> None:
    """SQLite itself writes it there; nothing is opened or locked for the look."""
    path = tmp_path / "trac.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("CREATE TABLE x (y)")
        database.commit()
    assert expected == in_wal_mode(str(path))


def test_a_database_that_is_not_there_gets_no_advice(tmp_path: Path) -> None:
    """That it is missing is said elsewhere, and once."""
    assert in_wal_mode(str(tmp_path / "gone.db"))


def test_the_file_system_of_a_path_is_named(tmp_path: Path) -> None:
    """The innermost mount counts, also behind a symbolic link, and for a file that is not there."""
    assert "proc" == file_system_of("/proc/self/status")
    link = tmp_path / "link"
    link.symlink_to("/proc/self")
    assert "proc" == file_system_of(str(link / "status"))
    assert file_system_of("/") == file_system_of("/no/such/file")
    assert {"proc", ""}.isdisjoint({file_system_of("/"), *NETWORK_FILE_SYSTEMS})


def inspect(projects: dict[str, object], files: list[str]) -> tuple[int, list[dict[str, str]], str]:
    """Ask a process of its own, and give its status, its findings, and what it complains of."""
    usual: dict[str, object] = {"env_paths": [], "env_parent_dir": None, "single_env": False, "base_path": ""}
    question = {"projects": {**usual, **projects}}
    done = subprocess.run(
        [sys.executable, "-m", "tracd_cluster.tracd.inspection"],
        input=json.dumps({**question, "files": files}), env=FROM_TREE, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Each environment, each file, one sentence each; and the process itself ends well."""
    (tmp_path / "empty").mkdir()
    gone, users = str(tmp_path / "gone"), str(tmp_path / "users")
    status, findings, _ = inspect({"env_paths": [str(tmp_path / "empty"), gone]}, [users])
    assert 0 == status
    assert {"hint": f"changes of {users} will not be noticed: No such file or directory: {users}"} == findings[0]
    problems = [finding["problem"] for finding in findings[1:]]
    assert 2 == len(problems)
    assert any(f"environment {gone}: no such directory" == problem for problem in problems)
    assert any(f"{tmp_path}/empty/VERSION is missing" in problem for problem in problems)


def test_a_parent_folder_without_environments_is_only_a_hint(tmp_path: Path) -> None:
    """A service may be set up before its first environment."""
    expected = [{"hint": f"there is no environment in {tmp_path} yet"}]
    assert (0, expected) == inspect({"env_parent_dir": str(tmp_path)}, [])[:2]


def test_a_parent_folder_that_cannot_be_listed_is_a_problem(tmp_path: Path) -> None:
    """It is named with the reason."""
    gone = tmp_path / "gone"
    status, findings, _ = inspect({"env_parent_dir": str(gone)}, [])
    assert (0, [{"problem": f"No such file or directory: {gone}"}]) == (status, findings)


def test_what_is_asked_wrongly_ends_with_its_reason() -> None:
    """Whoever asks sees that it has failed, and the last line says why."""
    status, findings, complaint = inspect({"odd": 1}, [])
    assert (1, []) == (status, findings)
    assert "odd" in complaint.strip().splitlines()[-1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_that_may_not_be_read_is_a_hint(tmp_path: Path) -> None:
    """Workers' user needs to read password files only for their changes to be noticed."""
    users = tmp_path / "users"
    users.touch(0)
    [hint, *_] = inspect({"env_parent_dir": str(tmp_path)}, [str(users)])[1]
    assert "permission denied" in hint["hint"]
