"""What the system says of a process's memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracd_cluster.workers.memory import memory_of, memory_of_all


def test_the_shared_part_is_shared_out(tmp_path: Path) -> None:
    """The PSS counts, where it is told."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps_rollup").write_text("55-7f ---p 0 [rollup]\nRss:  90 kB\nPss:  30 kB\nPss_Dirty: 9 kB\n")
    (tmp_path / "7" / "status").write_text("Name:\tpython\nVmRSS:\t   90 kB\n")
    assert 30 * 1024 == memory_of(7, str(tmp_path))


@pytest.mark.parametrize("rollup", [None, "", "Pss: much\n"])
def test_else_the_resident_set_counts(tmp_path: Path, rollup: str | None) -> None:
    """An old kernel, or a container that hides it."""
    (tmp_path / "7").mkdir()
    if rollup is not None:
        (tmp_path / "7" / "smaps_rollup").write_text(rollup)
    (tmp_path / "7" / "status").write_text("Name:\tpython\nVmRSS:\t   90 kB\n")
    assert 90 * 1024 == memory_of(7, str(tmp_path))


def test_who_has_gone_has_none(tmp_path: Path) -> None:
    """A worker may exit while it is looked at."""
    assert memory_of(7, str(tmp_path)) is None
    assert {} == memory_of_all([7], str(tmp_path))


@pytest.mark.needs("Linux")
def test_our_own() -> None:
    """The real thing: some megabytes."""
    found = memory_of_all([os.getpid()])
    assert 5 << 20 < found[os.getpid()] < 10 << 30
