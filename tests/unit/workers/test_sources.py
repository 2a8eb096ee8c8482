"""What has changed of the running code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracd_cluster.workers.sources import Look, changed, look_at


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A plugin."""
    file = tmp_path / "plugin.py"
    file.write_text("one")
    return file


def test_nothing_changes_by_being_looked_at(file: Path, tmp_path: Path) -> None:
    """Two looks at files, folders and what is not there are the same."""
    paths = (str(file), str(tmp_path), str(tmp_path / "gone"))
    assert set(paths) == look_at(paths).keys()
    assert look_at(paths)[str(tmp_path / "gone")] is None
    assert [] == changed(look_at(paths), look_at(paths))


def test_a_write_is_seen_even_within_a_second(file: Path) -> None:
    """The time of change is taken as fine as it is kept, and the size with it."""
    before = look_at([str(file)])
    times = os.stat(file)
    file.write_text("two!")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [str(file)] == changed(before, look_at([str(file)]))
    before = look_at([str(file)])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert [str(file)] == changed(before, look_at([str(file)]))


def test_a_file_put_in_its_place_is_seen(file: Path) -> None:
    """A package manager keeps the old time and maybe the size; it is another file all the same."""
    before = look_at([str(file)])
    times = os.stat(file)
    new = file.with_suffix(".new")
    new.write_text("two")
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.rename(file)
    assert [str(file)] == changed(before, look_at([str(file)]))


def test_what_comes_and_goes_is_seen(file: Path, tmp_path: Path) -> None:
    """A plugin that is removed, and one that is put into its folder."""
    before = look_at([str(file), str(tmp_path)])
    file.unlink()
    assert [str(tmp_path), str(file)] == changed(before, look_at([str(file), str(tmp_path)]))
    (tmp_path / "another.py").write_text("")
    assert str(tmp_path) in changed(before, look_at([str(file), str(tmp_path)]))


def test_what_only_one_look_knows_has_not_changed() -> None:
    """A module that was loaded in between is new to us, and no change."""
    one: Look = {"a": (1, 1, 1), "b": None}
    assert [] == changed(one, {"a": (1, 1, 1), "c": (2, 2, 2)})
    assert ["b"] == changed(one, {"b": (1, 1, 1)})
