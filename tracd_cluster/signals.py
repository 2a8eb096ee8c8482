"""Signals that mean more than one thing.

Ctrl-C reaches the whole group at once, and finds some of its processes not ready for it. HUP asks for a reload, and is
also what is left of a terminal that was closed.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM)
GROUP = (signal.SIGINT, signal.SIGHUP)


def hold() -> None:
    """Let signals to end wait until there is somebody to obey them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def release() -> None:
    """Take the signals that have waited, and all others, as they come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def terminal_is_gone() -> bool:
    """Tell whether standard input is a terminal that has been closed (tty_ioctl(4): its calls fail with EIO)."""
    try:
        os.tcgetpgrp(0)
    except OSError as error:
        return error.errno == errno.EIO
    return False


@contextmanager
def held_for_child() -> Iterator[None]:
    """Start a process that does not get what is meant for us before it can say that it does not want it.

    A mask is inherited over fork and exec; the child ignores these signals, and then clears its mask.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
