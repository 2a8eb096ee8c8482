"""Word from the operating system that something has happened in a folder, by the library watchfiles.

Folders are watched, not files: a package has hundreds of these, and a file that is written beside and renamed would be
lost from sight. Word only says that it is worth looking; what has changed is for a look to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from watchfiles._rust_notify import RustNotify

GATHERED = 200
"""Milliseconds for which word is gathered at the most, once there is some."""
STEP = 50
"""Milliseconds between two looks for word; also how long an end takes."""

InThread = Callable[..., "Deferred[Any]"]
"""Runs a function with its arguments off the reactor."""


class Notifier(Protocol):
    """What watchfiles gives us."""

    def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Any) -> Any: ...

    def close(self) -> None: ...


class _End:
    """Asks the thread that waits for word to come back."""

    def __init__(self) -> None:
        self.asked = False

    def is_set(self) -> bool:
        return self.asked


def notifier(places: Iterable[str]) -> Notifier:
    """Watch folders, but not those below them; raises OSError or RuntimeError where that cannot be done."""
    # Watch what there is, without debugging, without polling, without what is below; go on where that is forbidden.
    return RustNotify(sorted(places), False, False, 0, False, True)


class Notice:
    """Passes word on until it is closed.

    ``heard`` is called with the paths, ``failed`` at most once, with the reason why there will be no word.
    """

    def __init__(
        self,
        places: Callable[[], Iterable[str]],
        in_thread: InThread,
        heard: Callable[[list[str]], None],
        failed: Callable[[str], None],
        make: Callable[[Iterable[str]], Notifier] = notifier,
    ) -> None:
        self._in_thread = in_thread
        self._heard = heard
        self._failed = failed
        self._end = _End()
        in_thread(lambda: make(places())).addCallbacks(self._wait, self._fail)

    def close(self) -> None:
        """Give no word any more; the thread comes back within a step."""
        self._end.asked = True

    def _wait(self, source: Notifier) -> None:
        if self._end.asked:
            source.close()
            return
        waiting = self._in_thread(source.watch, GATHERED, STEP, 0, self._end)
        waiting.addCallbacks(partial(self._came, source), partial(self._broke, source))

    def _came(self, source: Notifier, word: Any) -> None:
        if self._end.asked or isinstance(word, str):
            source.close()
            return
        self._heard([path for _, path in word])
        self._wait(source)

    def _broke(self, source: Notifier, reason: Failure) -> None:
        source.close()
        self._fail(reason)

    def _fail(self, reason: Failure) -> None:
        if not self._end.asked:
            self._end.asked = True
            self._failed(reason.getErrorMessage())
