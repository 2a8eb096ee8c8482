"""What is watched, and when a change of it counts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tracd_cluster.workers.sources import (
    LONGEST,
    SETTLE,
    SETTLE_SETTINGS,
    Matter,
    Settling,
    Sources,
    changed,
    is_code,
    look_at,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A plugin."""
    file = tmp_path / "plugin.py"
    file.write_text("one")
    return file


def of(*files: Path, **rest: tuple[str, ...]) -> Sources:
    """Make sources of files."""
    return Sources(generation=1, files=tuple(map(str, files)), **rest)  # type: ignore[arg-type]


def test_nothing_changes_by_being_looked_at(file: Path, tmp_path: Path) -> None:
    """Two looks at files, folders and what is not there are the same."""
    sources = of(file, tmp_path / "gone", folders=(str(tmp_path), "/nowhere"))
    assert {str(file)} == look_at(sources).keys()
    assert [] == changed(look_at(sources), look_at(sources))


def test_a_write_is_seen_even_within_a_second(file: Path) -> None:
    """The time of change is taken as fine as it is kept, and the size with it."""
    before = look_at(of(file))
    times = os.stat(file)
    file.write_text("two!")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [str(file)] == changed(before, look_at(of(file)))
    before = look_at(of(file))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert [str(file)] == changed(before, look_at(of(file)))


def test_a_file_put_in_its_place_is_seen(file: Path) -> None:
    """A package manager keeps the old time and maybe the size; it is another file all the same."""
    before = look_at(of(file))
    times = os.stat(file)
    new = file.with_suffix(".new")
    new.write_text("two")
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.rename(file)
    assert [str(file)] == changed(before, look_at(of(file)))


def test_what_comes_and_goes_is_seen(file: Path, tmp_path: Path) -> None:
    """A plugin that is removed, one that is put into its folder, and settings that were not there."""
    sources = Sources(folders=(str(tmp_path),), settings=(str(tmp_path / "shared.ini"),))
    before = look_at(sources)
    file.rename(tmp_path / "another.py")
    (tmp_path / "shared.ini").write_text("")
    expected = [f"{tmp_path}/another.py", str(file), f"{tmp_path}/shared.ini"]
    assert sorted(expected) == changed(before, look_at(sources))


def test_an_environment_is_there_when_its_settings_are(tmp_path: Path) -> None:
    """A folder alone is none yet; hidden ones never are."""
    sources = Sources(parent=str(tmp_path))
    for name in ("half", "whole", ".hidden"):
        (tmp_path / name / "conf").mkdir(parents=True)
    assert {} == look_at(sources)
    for name in ("whole", ".hidden"):
        (tmp_path / name / "conf" / "trac.ini").write_text("")
    assert {f"{tmp_path}/whole/conf/trac.ini"} == look_at(sources).keys()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("a.py", True), ("a.egg", True), ("a.egg-link", True), ("page.html", True), ("mail.txt", True),
        ("feed.rss", True), (".a.py.swp", False), ("a.py~", False), ("#a.py#", False), (".#a.py", False),
        ("a.pyc", False), ("__pycache__", False), ("trac.log", False), ("trac.db", False), ("trac.db-wal", False),
        ("4913", False), ("a.py.orig", False), ("a.py___jb_tmp___", False), ("._a.py", False),
    ],
)  # fmt: skip
def test_what_editors_and_programs_leave_is_no_code(name: str, counts: bool) -> None:
    """Swap files, backups, caches, logs and databases never start new workers."""
    assert counts == is_code(name)


def test_word_of_something_else_is_no_matter(tmp_path: Path) -> None:
    """What is watched is of interest, also where it is reached by a link, and what may become an environment."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "a.py").write_text("")
    link = tmp_path / "link"
    link.symlink_to(real)
    ini = str(tmp_path / "conf" / "trac.ini")
    matter = Matter(Sources(files=(f"{link}/a.py",), folders=(f"{link}",), settings=(ini,), parent="/srv/trac"))
    for path in (
        f"{link}/a.py",
        f"{real}/a.py",
        f"{real}/new.py",
        ini,
        "/srv/trac/new",
        "/srv/trac/new/conf/trac.ini",
    ):
        assert path in matter, path
    for path in (f"{link}/a.pyc", f"{link}/.a.py.swp", f"{ini}~", "/srv/trac/new/log/trac.log", "/tmp/a.py"):
        assert path not in matter, path
    assert {str(tmp_path), str(link), str(real)} == Sources(files=(f"{link}/a.py", f"{tmp_path}/x")).places() | {
        str(link)
    }


# -- coming to rest

ONE, TWO = (1, 1, 1), (2, 2, 2)
SETTLED = SETTLE + 0.01
CODE = Sources(generation=1, files=("/a.py", "/b.py"), folders=("/plugins",), settings=("/trac.ini",), parent="/srv")
KNOWN = {"/a.py": ONE, "/b.py": ONE, "/trac.ini": ONE}


@pytest.fixture
def settling() -> Settling:
    """What has seen a first look."""
    settling = Settling()
    assert [] == settling.see(CODE, KNOWN, 0.0)
    return settling


def test_a_change_counts_when_it_has_stayed_the_same(settling: Settling) -> None:
    """And once only."""
    after = KNOWN | {"/a.py": TWO}
    assert [] == settling.see(CODE, after, 10.0)
    assert [] == settling.see(CODE, after, 10.0 + SETTLE / 2)
    assert ["/a.py"] == settling.see(CODE, after, 10.0 + SETTLED)
    assert [] == settling.see(CODE, after, 20.0)


def test_many_changes_are_one(settling: Settling) -> None:
    """Saves in quick succession, and a checkout of many files."""
    for number in range(1, 9):
        assert [] == settling.see(CODE, KNOWN | {"/a.py": (number, 7, 7)}, 10.0 + number * SETTLE / 2)
    after = KNOWN | {"/a.py": TWO, "/b.py": TWO, "/plugins/new.py": ONE}
    assert [] == settling.see(CODE, after, 12.0)
    assert ["/a.py", "/b.py", "/plugins/new.py"] == settling.see(CODE, after, 12.0 + SETTLED)


def test_what_is_taken_back_is_no_change(settling: Settling) -> None:
    """An editor that saves in steps leaves things as they were, and has done so before anybody acts."""
    away = {"/b.py": ONE, "/trac.ini": ONE}
    assert [] == settling.see(CODE, away, 10.0)
    assert [] == settling.see(CODE, KNOWN, 10.2)
    assert settling.pending is None
    assert [] == settling.see(CODE, away, 10.3)
    assert ["/a.py"] == settling.see(CODE, away, 10.3 + SETTLED)


def test_settings_may_take_longer(settling: Settling) -> None:
    """Trac shows them at once anyway; a new environment is being made meanwhile."""
    after = KNOWN | {"/trac.ini": TWO, "/srv/new/conf/trac.ini": ONE}
    assert [] == settling.see(CODE, after, 10.0)
    assert [] == settling.see(CODE, after, 10.0 + SETTLED)
    assert ["/srv/new/conf/trac.ini", "/trac.ini"] == settling.see(CODE, after, 10.0 + SETTLE_SETTINGS + 0.01)


def test_what_never_rests_counts_all_the_same(settling: Settling) -> None:
    """A file that somebody writes to all the time does not keep the others from being taken up."""
    seen = [settling.see(CODE, KNOWN | {"/a.py": (tick, 0, 0)}, tick / 10) for tick in range(int(LONGEST * 10) + 10)]
    assert 1 == len([different for different in seen if different])


def test_what_a_new_generation_has_loaded_is_no_change(settling: Settling) -> None:
    """It is watched from then on; and what it has not loaded is forgotten, also if it goes."""
    newer = replace(CODE, generation=2, files=("/b.py", "/c.py"))
    after = {"/b.py": ONE, "/c.py": ONE, "/trac.ini": ONE}
    assert [] == settling.see(newer, after, 10.0)
    assert settling.pending is None
    assert [] == settling.see(newer, after | {"/c.py": TWO}, 20.0)
    assert ["/c.py"] == settling.see(newer, after | {"/c.py": TWO}, 20.0 + SETTLED)


def test_what_was_written_while_the_first_generation_started_is_a_change() -> None:
    """It may have read the file before; what was written earlier, or bears a time to come, it knows."""
    sources = replace(CODE, since=100.0)
    seen = {"/a.py": (int(100.5e9), 1, 1), "/b.py": (int(99e9), 1, 1), "/trac.ini": (int(500e9), 1, 1)}
    settling = Settling()
    assert [] == settling.see(sources, seen, 101.0)
    assert ["/a.py"] == settling.see(sources, seen, 101.0 + SETTLED)
    newer = replace(CODE, generation=2, since=101.5)
    assert [] == settling.see(newer, seen, 103.0)
    assert settling.pending is None


def test_an_environment_that_came_while_the_first_generation_started_is_a_change() -> None:
    """It may have been moved here, with all its old times; one that has been opened is known."""
    sources = replace(CODE, settings=("/srv/old/conf/trac.ini",), since=100.0)
    seen = {"/srv/old/conf/trac.ini": ONE, "/srv/new/conf/trac.ini": ONE}
    settling = Settling()
    assert [] == settling.see(sources, seen, 101.0)
    assert ["/srv/new/conf/trac.ini"] == settling.see(sources, seen, 101.0 + SETTLE_SETTINGS + 0.01)
    assert [] == settling.see(replace(sources, generation=2), seen, 110.0)
    assert settling.pending is None


def test_what_changes_while_a_generation_starts_is_a_change(settling: Settling) -> None:
    """It may have read the file before that."""
    newer = replace(CODE, generation=2)
    after = KNOWN | {"/a.py": TWO, "/plugins/late.py": ONE}
    assert [] == settling.see(newer, after, 10.0)
    assert ["/a.py", "/plugins/late.py"] == settling.see(newer, after, 10.0 + SETTLED)
