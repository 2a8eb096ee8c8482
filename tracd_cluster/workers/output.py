"""What the processes print: each line goes to the log with its origin's name, and the last ones are remembered."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

LINE_LIMIT = 8 * 1024
"""Longest line of the log; a longer one is broken. A traceback's lines and Trac's own are far below."""

REMEMBERED = 20
"""Lines kept of each process, for the message that tells of its end: enough for the foot of a traceback."""

STACK_LINES = 60
"""Lines kept of a stack, which begins with the innermost call: Trac's own pages are 20 to 40 calls deep."""

READ_SIZE = 64 * 1024

# What a client can make a process print must not steer the operator's terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 9}


class Tail:
    """Makes lines of a stream of output, passes each on, and keeps the last of them."""

    def __init__(self, line_came: Callable[[str], None]) -> None:
        self._line_came = line_came
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=REMEMBERED)

    @property
    def last_words(self) -> tuple[str, ...]:
        """The last lines that were not empty."""
        return tuple(self._lines)

    def expect_stack(self) -> None:
        """Remember what comes from here on, and its beginning rather than its end."""
        self._lines = deque()

    def feed(self, data: bytes) -> None:
        """Take a piece of output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._tell(line)
        while len(self._rest) > LINE_LIMIT:
            self._tell(self._rest[:LINE_LIMIT])
            self._rest = self._rest[LINE_LIMIT:]

    def finish(self) -> None:
        """Take what is left for a line: no more will come."""
        rest, self._rest = self._rest, b""
        self._tell(rest)

    def _tell(self, line: bytes) -> None:
        for start in range(0, len(line), LINE_LIMIT):
            text = line[start : start + LINE_LIMIT].decode("utf-8", "replace").rstrip("\r").translate(_CONTROLS)
            if text.strip():
                if self._lines.maxlen is not None or len(self._lines) < STACK_LINES:
                    self._lines.append(text)
                self._line_came(text)


@implementer(IReadDescriptor)
class PipeReader:
    """Reads a pipe into a Tail until it ends or ``close`` is called; it owns the descriptor."""

    def __init__(self, fd: int, name: str, tail: Tail, reactor: IReactorFDSet) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._name = name
        self._tail = tail
        self._reactor = reactor
        reactor.addReader(self)

    def fileno(self) -> int:
        """Give the pipe's descriptor, or -1 once it is closed."""
        return self._fd

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name
        """Name this pipe in a traceback the reactor logs."""
        return self._name

    def doRead(self) -> Any:  # noqa: N802
        """Take what has been printed; give the reason when nothing can come any more."""
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._tail.feed(data)
        return None

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The other end was closed."""
        self._shut()

    def close(self) -> None:
        """Take what is still in the pipe, and close it; its process has ended."""
        # A pipe holds 64 KiB; the bound is for a grandchild that goes on printing.
        for _ in range(4):
            if self._fd < 0 or self.doRead() is not None:
                break
        self._shut()

    def _shut(self) -> None:
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1
            self._tail.finish()
