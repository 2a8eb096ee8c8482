"""A gate for requests: whoever asks ``/wait`` of ``apps.misbehaving`` is under way until the test opens it."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType


class Gate:
    """A FIFO that workers open for reading, which takes until somebody has it open for writing (fifo(7)).

    It is open at the end of the ``with`` at the latest. Threads of the test that wait for answers are ended before.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._fifo = Path(self._stack.enter_context(tempfile.TemporaryDirectory()), "gate")
        os.mkfifo(self._fifo, 0o600)
        self.target = f"/wait?{self._fifo}"
        self._opened = False

    def open(self) -> None:
        """Let all go on, those too who come later."""
        if not self._opened:
            self._opened = True
            # For reading as well, or this would wait for somebody who reads.
            self._stack.callback(os.close, os.open(self._fifo, os.O_RDWR))

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        self._stack.close()
