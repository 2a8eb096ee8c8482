"""A pidfile changes hands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from tracd_cluster.operating.pidfile import write_pid


def test_it_names_us_then(tmp_path: Path) -> None:
    """In one step, and nothing else is left in the folder."""
    path = tmp_path / "pid"
    path.write_text("99999999999")
    write_pid(str(path))
    assert str(os.getpid()) == path.read_text()
    assert ["pid"] == os.listdir(tmp_path)


def test_in_a_folder_that_takes_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written as it is; where not even that can be, the log says so."""
    path = tmp_path / "pid"
    path.write_text("99999999999")

    def refuse(source: str, target: str) -> None:
        os.unlink(source)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    write_pid(str(path))
    assert str(os.getpid()) == path.read_text()
    path.unlink()
    with capturedLogs() as events:
        write_pid(str(path))
    assert "cannot write {path}" in str(events[0]["log_format"])
