"""Word from the system: passed on, ended in time, and missed with a reason."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute

from tracd_cluster.workers.notice import Notice, notifier


class Thread:
    """A thread whose work is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        told: Deferred[Any] = Deferred()
        self.waiting.append((lambda: function(*arguments), told))
        return told

    def work(self) -> None:
        """Do what is to be done."""
        work, told = self.waiting.pop(0)
        execute(work).chainDeferred(told)


class Source:
    """Word as the test wants it."""

    def __init__(self, places: Iterable[str]) -> None:
        self.places = places
        self.word: Any = {(1, "/a.py")}
        self.closed = False

    def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Any) -> Any:
        if isinstance(self.word, Exception):
            raise self.word
        return "stop" if stop_event.is_set() else self.word

    def close(self) -> None:
        self.closed = True


class Desk:
    """A notice, and what comes of it."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.thread = Thread()
        self.heard: list[str] = []
        self.failed: list[str] = []
        self.source = Source(())
        self.fault = fault
        self.notice = Notice(lambda: ["/x"], self.thread, self.heard.extend, self.failed.append, self.make)

    def make(self, places: Iterable[str]) -> Source:
        assert ["/x"] == list(places)
        if self.fault is not None:
            raise self.fault
        return self.source


def test_word_is_passed_on_until_the_end() -> None:
    """Each time the thread comes back it is sent again; the end takes it back."""
    desk = Desk()
    for _ in range(3):
        desk.thread.work()
    assert ["/a.py", "/a.py"] == desk.heard
    desk.notice.close()
    desk.thread.work()
    assert ["/a.py", "/a.py"] == desk.heard
    assert ([], True) == (desk.thread.waiting, desk.source.closed)


def test_an_end_before_the_beginning() -> None:
    """Nothing is left behind."""
    desk = Desk()
    desk.notice.close()
    desk.thread.work()
    assert ([], True, []) == (desk.thread.waiting, desk.source.closed, desk.heard)


@pytest.mark.parametrize("at_once", [True, False])
def test_no_word_is_told_once_with_the_reason(at_once: bool) -> None:
    """A limit of the system shows at the beginning, and sometimes later."""
    desk = Desk(OSError(28, "No space left on device") if at_once else None)
    desk.source.word = RuntimeError("[Errno 28] No space left on device")
    while desk.thread.waiting:
        desk.thread.work()
    assert ["[Errno 28] No space left on device"] == desk.failed
    assert at_once != desk.source.closed


def test_after_the_end_nothing_is_told() -> None:
    """Not even what went wrong."""
    desk = Desk(OSError(28, "No space left on device"))
    desk.notice.close()
    desk.thread.work()
    assert [] == desk.failed


def test_the_real_one_tells_of_a_folder_and_comes_back_when_it_is_to(tmp_path: Path) -> None:
    """Written beside and renamed, as editors do; what is in a folder below is not told."""
    source = notifier([str(tmp_path)])
    (tmp_path / "below").mkdir()
    end = threading.Event()
    with_word: set[str] = set()
    (tmp_path / ".a.tmp").write_text("new")
    (tmp_path / ".a.tmp").rename(tmp_path / "a.py")
    (tmp_path / "below" / "b.py").write_text("")
    while str(tmp_path / "a.py") not in with_word:
        with_word |= {path for _, path in source.watch(100, 10, 5000, end)}
    assert str(tmp_path / "below" / "b.py") not in with_word
    end.set()
    assert "stop" == source.watch(100, 10, 5000, end)
    source.close()


def test_the_real_one_leaves_out_what_has_gone(tmp_path: Path) -> None:
    """A folder may go between being named and being watched."""
    source = notifier(["/nowhere/at/all", str(tmp_path)])
    (tmp_path / "a.py").write_text("")
    assert str(tmp_path / "a.py") in {path for _, path in source.watch(100, 10, 5000, None)}
    source.close()
