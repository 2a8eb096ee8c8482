"""How a process ended, in words for the log."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from tracd_cluster.workers.control import Failed

KNOWN_CAUSES = {
    signal.SIGKILL: "kill -9, or the kernel out of memory",
    signal.SIGSEGV: "a crash in native code",
    signal.SIGBUS: "a crash in native code, or a disk that is full",
    signal.SIGABRT: "a crash in native code",
    signal.SIGTERM: "somebody asked it to end",
    signal.SIGINT: "Ctrl-C, or somebody asked it to end",
}
"""What the operator should think of first."""

FROM_OUTSIDE = (None, 0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
"""Statuses of a process that somebody ended; a worker answers SIGTERM by ending with 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known of the end of a process.

    ``status`` is None when nobody could tell: its template had gone before it. A negative one is a signal's number.
    ``failed`` is what a template said of itself.
    """

    status: int | None
    last_words: Sequence[str] = ()
    failed: Failed | None = None

    @property
    def how(self) -> str:
        """Say how it ended, as the rest of a sentence."""
        if self.status is None:
            return "ended after its template, which would have known how"
        if self.status >= 0:
            return f"exited with status {self.status}"
        try:
            name = signal.Signals(-self.status)
        except ValueError:
            return f"was killed by signal {-self.status}"
        cause = KNOWN_CAUSES.get(name)
        return f"was killed by {name.name} ({cause})" if cause else f"was killed by {name.name}"

    @property
    def from_outside(self) -> bool:
        """Whether it looks as if somebody had ended it, rather than its own code."""
        return self.status in FROM_OUTSIDE

    @property
    def words(self) -> str:
        """Give its last lines of output, as the end of a message; empty if there were none."""
        if not self.last_words:
            return ""
        lines = "\n  ".join(self.last_words)
        return f"; its last words: {lines}" if len(self.last_words) == 1 else f"; its last words:\n  {lines}"
