"""Whether a client keeps up: one that does not take all takes some, and one that sends does not drip.

The kernel keeps megabytes of what is written for a client, and asks for more only when much of that has left. To a
slow one that can take longer than anybody should have to wait for one that has stopped. So before that is cut off, the
kernel is asked how much it still has, and again a while later.
"""

from __future__ import annotations

import sys
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any


class Pace:
    """How one client takes what was written."""

    __slots__ = ("_left", "_until")

    def __init__(self) -> None:
        self._left = 0
        self._until = 0.0

    def until(self, transport: Any, deadline: float, now: float, timeout: float, rate: int) -> float:
        """Give the time at which to look again, ``timeout`` from now; 0 if too little was taken up to ``deadline``.

        ``rate`` is what is enough, in bytes a second; with 0 a single byte is. At a deadline that was not set here,
        something was written not long ago: there is nothing to compare with yet.
        """
        left = unsent(transport)
        if left <= 0 or (deadline == self._until and left > self._left - max(1, rate * timeout)):
            return 0.0
        self._left = left
        self._until = now + timeout
        return self._until


def body_deadline(began: float, received: int, now: float, timeout: float, rate: int) -> float:
    """Give the time up to which more has to come of a body that has begun to come at ``began``.

    No pause may be longer than ``timeout``; and after the first one of that length, all that has come must have come
    at ``rate``, in bytes a second.
    """
    paused = now + timeout
    return min(paused, began + timeout + received / rate) if rate else paused


def unsent(transport: Any) -> int:
    """Give the bytes that the kernel still has for a client; -1 where it does not tell."""
    handle = getattr(transport, "getHandle", None) or getattr(getattr(transport, "transport", None), "getHandle", None)
    if handle is None:
        return -1
    try:
        return int.from_bytes(ioctl(handle().fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError, AttributeError):
        return -1  # closed, or of a kind that cannot be asked
