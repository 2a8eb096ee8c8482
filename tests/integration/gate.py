"""A gate for requests, plugins and starts: whoever comes to it waits until the test opens it."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from tests.processes import wait_until


def go_through(path: str) -> None:
    """Go through the gate at this place, once it is open; where there is none, go on."""
    with suppress(FileNotFoundError):
        with open(f"{path}.came", "r+b", 0) as came:
            came.seek(0, os.SEEK_END)
            came.write(b"1")
        with open(path, "rb"):
            pass


class Gate:
    """A FIFO that is opened for reading, which takes until somebody has it open for writing (fifo(7)).

    It stands in a folder of its own, or at a place of the test's choice. It is open at the end of the ``with`` at the
    latest, and gone after it. Threads of the test that wait for answers are ended before.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._stack = ExitStack()
        self.path = path or Path(self._stack.enter_context(tempfile.TemporaryDirectory()), "gate")
        self._came = Path(f"{self.path}.came")
        os.mkfifo(self.path, 0o600)
        self._came.touch(0o600)
        self._stack.callback(self.path.unlink)
        self._stack.callback(self._came.unlink)
        self.target = f"/wait?{self.path}"
        """What to ask of ``apps.misbehaving``."""
        self._opened = False

    def wait_for(self, count: int) -> None:
        """Wait until so many have come to it."""
        wait_until(lambda: self._came.stat().st_size >= count, 20, f"{count} at the gate")

    def open(self) -> None:
        """Let all go on, those too who come later."""
        if not self._opened:
            self._opened = True
            # For reading as well, or this would wait for somebody who reads.
            self._stack.callback(os.close, os.open(self.path, os.O_RDWR))

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        self._stack.close()
