"""When a change of a file leads to new workers, and how it is come by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tracd_cluster.workers.sources import SETTLE, Sources
from tracd_cluster.workers.watch import AWAKE, OFTEN, SELDOM, TICK, Watch


class FakeNotice:
    """Gives word when the test says so."""

    def __init__(
        self,
        places: Callable[[], set[str]],
        in_thread: object,
        heard: Callable[[list[str]], None],
        failed: Callable[[str], None],
    ) -> None:
        self.places, self.heard, self.failed = places, heard, failed
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Desk:
    """A watch over two files; its thread is at hand, and ends a look when the test lets it."""

    def __init__(self, folder: Path, poll: float | None = None) -> None:
        self.one, self.two = folder / "one.py", folder / "two.py"
        self.one.write_text("1")
        self.two.write_text("2")
        self.sources = Sources(generation=1, files=(str(self.one), str(self.two)))
        self.reloads = self.looks = 0
        self.slow = False
        self.clock = Clock()
        self.notices: list[FakeNotice] = []
        self.under_way: list[Callable[[], None]] = []
        self.watch = Watch(self.clock, lambda: self.sources, self._reload, self._in_thread, poll, self._make)

    def _make(self, *arguments: Any) -> Any:
        self.notices.append(FakeNotice(*arguments))
        return self.notices[-1]

    def _reload(self) -> None:
        self.reloads += 1

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        self.looks += 1
        told: Deferred[Any] = Deferred()
        found = execute(function, *arguments)

        def end() -> None:
            found.chainDeferred(told)

        self.under_way.append(end)
        if not self.slow:
            self.finish()
        return told

    def finish(self) -> None:
        """Let the thread come to its end."""
        self.under_way.pop()()

    def wait(self, seconds: float) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / TICK) + 1):
            self.clock.advance(TICK)

    def tell(self, *paths: Path) -> None:
        """Give word of paths."""
        self.notices[-1].heard([str(path) for path in paths])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A watch that has had its first look."""
    desk = Desk(tmp_path)
    desk.watch.startService()
    desk.wait(TICK)
    yield desk
    desk.watch.stopService()
    assert [] == desk.clock.getDelayedCalls()
    assert [] == [notice for notice in desk.notices if not notice.closed]


def test_without_a_change_nothing_happens(desk: Desk) -> None:
    """Workers stay as long as their code does, and files are looked at seldom."""
    before = desk.looks
    desk.wait(10 * SELDOM)
    assert 0 == desk.reloads
    assert 9 <= desk.looks - before <= 11
    assert 1 == len(desk.notices)


def test_word_of_a_change_is_looked_into_at_once(desk: Desk) -> None:
    """One change is one new generation, named in the log."""
    desk.one.write_text("changed")
    with capturedLogs() as logs:
        desk.tell(desk.one)
        assert 0 == desk.reloads
        desk.wait(SETTLE)
        assert 1 == desk.reloads
        desk.tell(desk.one)
        desk.wait(AWAKE)
    assert 1 == desk.reloads
    assert [f"Detected modification of {desk.one}, starting new workers"] == [formatEvent(event) for event in logs]


def test_a_checkout_is_one_change(desk: Desk) -> None:
    """Word comes again and again; new workers start once, when it is done."""
    with capturedLogs() as logs:
        for number in range(10):
            desk.one.write_text("x" * (number + 10))
            desk.tell(desk.one)
            desk.clock.advance(TICK / 2)
        desk.two.write_text("changed")
        desk.tell(desk.two)
        desk.wait(AWAKE)
    assert 1 == desk.reloads
    assert f"{desk.one} and 1 more" in str(formatEvent(logs[0]))


def test_word_of_anything_else_is_not_looked_into(desk: Desk) -> None:
    """Caches, logs and editors' files come and go beside the code."""
    before = desk.looks
    desk.tell(desk.one.with_suffix(".pyc"), desk.one.with_name(".one.py.swp"), desk.one.with_name("trac.log"))
    desk.wait(TICK)
    assert before == desk.looks


def test_without_word_a_change_is_found_later(desk: Desk) -> None:
    """From a network file system there is none."""
    desk.one.write_text("changed")
    desk.wait(SELDOM + SETTLE)
    assert 1 == desk.reloads


def test_after_word_looks_follow_each_other_for_a_while(desk: Desk) -> None:
    """Of what is in a new folder there is no word."""
    desk.tell(desk.one)
    desk.wait(AWAKE / 2)
    desk.two.write_text("changed")
    desk.wait(2 * SETTLE)
    assert 1 == desk.reloads


def test_a_new_generation_is_watched_anew(desk: Desk) -> None:
    """It may have loaded other files, from folders that have been made anew."""
    three = desk.one.with_name("three.py")
    three.write_text("3")
    desk.sources = Sources(generation=2, files=(*desk.sources.files, str(three)))
    desk.wait(TICK)
    assert [True, False] == [notice.closed for notice in desk.notices]
    assert {str(three.parent)} == desk.notices[-1].places()
    desk.wait(1)
    assert 0 == desk.reloads
    three.write_text("changed")
    desk.tell(three)
    desk.wait(SETTLE)
    assert 1 == desk.reloads


def test_where_there_can_be_no_word_looks_are_frequent_and_it_is_told_once(desk: Desk) -> None:
    """The operator learns which limit to raise."""
    with capturedLogs() as logs:
        desk.notices[-1].failed("OS file watch limit reached")
        desk.sources = Sources(generation=2, files=desk.sources.files)
        desk.wait(SELDOM)
    [line] = [str(formatEvent(event)) for event in logs]
    assert "no word of changed files (OS file watch limit reached)" in line
    assert "fs.inotify.max_user_watches" in line
    assert 1 == len(desk.notices)
    desk.one.write_text("changed")
    desk.wait(OFTEN + SETTLE)
    assert 1 == desk.reloads


def test_polling_does_without_word(tmp_path: Path) -> None:
    """``--reload-poll`` is for where word is not to be had, and may be changed while it runs."""
    desk = Desk(tmp_path, poll=3.0)
    desk.watch.startService()
    desk.wait(TICK)
    before = desk.looks
    desk.wait(30)
    assert 9 <= desk.looks - before <= 11
    desk.one.write_text("changed")
    desk.wait(3 + SETTLE)
    assert 1 == desk.reloads
    assert [] == desk.notices
    desk.watch.poll_every(None)
    desk.wait(TICK)
    assert 1 == len(desk.notices)
    desk.watch.stopService()


def test_before_the_first_generation_is_ready_nothing_is_watched(tmp_path: Path) -> None:
    """No files are known then, and those that come are no change."""
    desk = Desk(tmp_path)
    sources, desk.sources = desk.sources, Sources()
    desk.watch.startService()
    desk.wait(3)
    assert (0, []) == (desk.looks, desk.notices)
    desk.sources = sources
    desk.wait(3)
    assert 0 == desk.reloads
    desk.watch.stopService()


def test_a_slow_look_is_not_overtaken(desk: Desk) -> None:
    """Thousands of files on a slow disk are looked at by one thread, not by ever more."""
    desk.slow = True
    desk.tell(desk.one)
    desk.wait(SELDOM)
    assert 1 == len(desk.under_way)
    desk.finish()
    desk.wait(SELDOM)
    assert 1 == len(desk.under_way)
    desk.finish()


def test_a_look_that_fails_is_told_and_the_next_one_follows(desk: Desk) -> None:
    """The watch does not end without a word."""
    desk.watch._in_thread = lambda *_: execute(lambda: 1 / 0)
    with capturedLogs() as logs:
        desk.tell(desk.one)
    assert "Looking for changed files failed" in str(formatEvent(logs[0]))
    desk.watch._in_thread = desk._in_thread
    desk.one.write_text("changed")
    desk.wait(SELDOM + 2 * SETTLE)
    assert 1 == desk.reloads


def test_a_stop_stops(tmp_path: Path) -> None:
    """A look that ends after the stop starts nothing any more."""
    desk = Desk(tmp_path)
    desk.watch.startService()
    desk.wait(TICK)
    desk.one.write_text("changed")
    desk.slow = True
    desk.tell(desk.one)
    desk.watch.stopService()
    desk.finish()
    desk.wait(10)
    assert 0 == desk.reloads
