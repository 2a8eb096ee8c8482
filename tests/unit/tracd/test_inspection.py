"""What can be seen of an environment's database from outside; the rest is in integration/test_inspection.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tracd_cluster.tracd.inspection import NETWORK_FILE_SYSTEMS, file_system_of, in_wal_mode, most_connections


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


@pytest.mark.parametrize(
    ("workers", "threads", "envs", "pool", "expected"),
    [(4, 1, 1, 10, 4), (4, 4, 1, 10, 16), (4, 1, 20, 10, 40), (4, 1, 20, 2, 8)],
)
def test_connections_are_counted(workers: int, threads: int, envs: int, pool: int, expected: int) -> None:
    """A thread holds one for each environment that it has served, and a process no more than its pool."""
    assert expected == most_connections(workers, threads, envs, pool)
