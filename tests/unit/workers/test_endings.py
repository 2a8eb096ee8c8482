"""How the end of a process is told."""

from __future__ import annotations

import pytest

from tracd_cluster.workers.endings import Ending


@pytest.mark.parametrize(
    ("status", "how", "from_outside"),
    [
        (0, "exited with status 0", True),
        (1, "exited with status 1", False),
        (-9, "was killed by SIGKILL (kill -9, or the kernel out of memory)", True),
        (-15, "was killed by SIGTERM (somebody asked it to end)", True),
        (-11, "was killed by SIGSEGV (a crash in native code)", False),
        (-31, "was killed by SIGSYS", False),
        (-99, "was killed by signal 99", False),
        (None, "ended after its template, which would have known how", True),
    ],
)
def test_a_status_becomes_words(status: int | None, how: str, from_outside: bool) -> None:
    """The operator reads a reason, not a number."""
    ending = Ending(status=status)
    assert (how, from_outside) == (ending.how, ending.from_outside)


def test_last_words_are_appended() -> None:
    """One line stays in the line, more get a block."""
    assert "" == Ending(status=1).words
    assert "; its last words: boom" == Ending(status=1, last_words=["boom"]).words
    assert "; its last words:\n  Traceback:\n  boom" == Ending(status=1, last_words=["Traceback:", "boom"]).words
