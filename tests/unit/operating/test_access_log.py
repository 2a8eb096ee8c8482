"""The access log is written now and then, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tracd_cluster.errors import StartError
from tracd_cluster.front.record import Record
from tracd_cluster.operating.access_log import INTERVAL, MOST_KEPT, AccessLog
from tracd_cluster.settings.log import LogSettings


def made(path: Path) -> tuple[AccessLog, Clock]:
    """Make a log that is running."""
    clock = Clock()
    log = AccessLog(LogSettings(access=str(path)), clock)
    log.startService()
    return log, clock


def lines(path: Path) -> list[str]:
    """Give what has been written."""
    return path.read_text().splitlines()


def take(log: AccessLog, *addresses: str) -> None:
    """Let requests end."""
    for address in addresses:
        log.take(Record(0.0, address, None, b"1"))


def test_lines_are_written_together(tmp_path: Path) -> None:
    """Not at once, but within the interval; the rest at the end."""
    log, clock = made(tmp_path / "log")
    take(log, "a", "b")
    assert [] == lines(tmp_path / "log")
    clock.advance(INTERVAL)
    assert ["a", "b"] == [line[0] for line in lines(tmp_path / "log")]
    take(log, "c")
    log.stopService()
    assert 3 == len(lines(tmp_path / "log"))
    assert 0o640 & ~0o022 == (tmp_path / "log").stat().st_mode & 0o777 & ~0o022


def test_many_are_not_kept(tmp_path: Path) -> None:
    """Memory is bounded by writing sooner."""
    log, _ = made(tmp_path / "log")
    take(log, *["a"] * (MOST_KEPT + 1))
    assert MOST_KEPT + 1 == len(lines(tmp_path / "log"))


def test_a_renamed_file_is_followed_by_a_new_one(tmp_path: Path) -> None:
    """What came before the word of it goes to the old file."""
    log, _ = made(tmp_path / "log")
    take(log, "a")
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.reopen()
    take(log, "b")
    log.stopService()
    assert ["a", "b"] == [lines(tmp_path / name)[0][0] for name in ("log.1", "log")]


def test_a_full_disk_is_told_once_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full is a disk that is full."""
    log, clock = made(Path("/dev/full"))
    take(log, "a")
    clock.advance(INTERVAL)
    take(log, "b")
    clock.advance(INTERVAL)
    assert log.running
    log.path = os.devnull
    log.reopen()
    take(log, "c")
    log.stopService()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """At the start, not at the first request."""
    with pytest.raises(StartError, match=r"cannot write the access log .*: Is a directory"):
        AccessLog(LogSettings(access=str(tmp_path)), Clock())
