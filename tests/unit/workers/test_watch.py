"""``--auto-reload``: when a change of a file leads to new workers, and when it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tracd_cluster.workers.sources import Look
from tracd_cluster.workers.watch import INTERVAL, Watch


class Desk:
    """A watch over two files; its thread is at hand, and ends a look when the test lets it."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = folder / "one.py", folder / "two.py"
        self.one.write_text("1")
        self.two.write_text("2")
        self.files = [self.one, self.two]
        self.reloads = 0
        self.slow = False
        self.clock = Clock()
        self._under_way: list[Callable[[], None]] = []
        self.watch = Watch(self.clock, lambda: tuple(map(str, self.files)), self._reload, self._in_thread)

    def _reload(self) -> None:
        self.reloads += 1

    def _in_thread(self, function: Callable[..., Look], *arguments: Any) -> Deferred[Look]:
        told: Deferred[Look] = Deferred()
        found = function(*arguments)
        self._under_way.append(lambda: told.callback(found))
        if not self.slow:
            self.finish()
        return told

    def finish(self) -> None:
        """Let the thread come to its end."""
        self._under_way.pop()()

    def look(self, times: int = 1) -> None:
        """Let so many looks be taken."""
        for _ in range(times):
            self.clock.advance(INTERVAL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A watch that has had its first look."""
    desk = Desk(tmp_path)
    desk.watch.startService()
    desk.look()
    yield desk
    desk.watch.stopService()
    assert [] == desk.clock.getDelayedCalls()


def test_without_a_change_nothing_happens(desk: Desk) -> None:
    """Workers stay as long as their code does."""
    desk.look(100)
    assert 0 == desk.reloads


def test_a_change_counts_when_two_looks_have_seen_it(desk: Desk) -> None:
    """One change is one new generation, named in the log."""
    desk.one.write_text("changed")
    desk.look()
    assert 0 == desk.reloads
    with capturedLogs() as logs:
        desk.look(10)
    assert 1 == desk.reloads
    assert [f"Detected modification of {desk.one}, starting new workers"] == [formatEvent(event) for event in logs]


def test_many_changes_at_once_are_one(desk: Desk) -> None:
    """A checkout of many files starts new workers once, when it is done."""
    for number in range(5):
        desk.one.write_text("x" * (number + 10))
        desk.look()
    assert 0 == desk.reloads
    desk.two.write_text("changed")
    with capturedLogs() as logs:
        desk.look(10)
    assert 1 == desk.reloads
    assert f"{desk.one} and 1 more" in str(formatEvent(logs[0]))


def test_a_change_that_is_taken_back_is_none(desk: Desk) -> None:
    """An editor's saving in several steps leaves things as they were."""
    kept = desk.one.rename(desk.one.with_suffix(".bak"))
    desk.look()
    kept.rename(desk.one)
    desk.look(10)
    assert 0 == desk.reloads


def test_a_file_that_goes_and_comes_back_changed(desk: Desk) -> None:
    """While it is away, nobody starts workers that would lack it, unless it stays away."""
    desk.one.unlink()
    desk.look()
    desk.one.write_text("rewritten")
    desk.look()
    assert 0 == desk.reloads
    desk.look()
    assert 1 == desk.reloads
    desk.two.unlink()
    desk.look(2)
    assert 2 == desk.reloads


def test_what_a_new_generation_has_loaded_is_no_change(desk: Desk) -> None:
    """Its files are watched from then on."""
    new = desk.one.with_name("three.py")
    new.write_text("3")
    desk.files.append(new)
    desk.look(10)
    assert 0 == desk.reloads
    new.write_text("changed")
    desk.look(2)
    assert 1 == desk.reloads


def test_before_the_first_generation_is_ready_nothing_is_watched(tmp_path: Path) -> None:
    """No files are known then, and those that come are no change."""
    desk = Desk(tmp_path)
    files, desk.files = desk.files, []
    desk.watch.startService()
    desk.look(3)
    desk.files = files
    desk.look(3)
    assert 0 == desk.reloads
    desk.watch.stopService()


def test_a_slow_look_is_not_overtaken(desk: Desk) -> None:
    """Thousands of files on a slow disk are looked at by one thread, not by ever more."""
    desk.slow = True
    desk.look(10)
    assert 1 == len(desk._under_way)
    desk.finish()
    desk.look()
    assert 1 == len(desk._under_way)
    desk.finish()


def test_a_stop_stops(tmp_path: Path) -> None:
    """A look that ends after the stop starts nothing any more."""
    desk = Desk(tmp_path)
    desk.watch.startService()
    desk.look()
    desk.one.write_text("changed")
    desk.look()
    desk.slow = True
    desk.look()
    desk.watch.stopService()
    desk.finish()
    desk.look(10)
    assert 0 == desk.reloads
