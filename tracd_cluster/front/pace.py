"""Whether a client that does not take all takes some.

The kernel keeps megabytes of what is written for a client, and asks for more only when much of that has left. To a
slow one that can take longer than anybody should have to wait for one that has stopped. So before that is cut off, the
kernel is asked how much it still has, and again a while later.
"""

from __future__ import annotations

import sys
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any

SLOWEST = 500
"""Bytes a second at least, or it does not count; as Apache's ``MinRate``."""


class Pace:
    """How one client takes what was written."""

    __slots__ = ("_left", "_until")

    def __init__(self) -> None:
        self._left = 0
        self._until = 0.0

    def until(self, transport: Any, deadline: float, now: float, timeout: float) -> float:
        """Give the time at which to look again, ``timeout`` from now; 0 if nothing has been taken up to ``deadline``.

        At a deadline that was not set here, something was written not long ago: there is nothing to compare with yet.
        """
        left = unsent(transport)
        if left <= 0 or (deadline == self._until and left > self._left - SLOWEST * timeout):
            return 0.0
        self._left = left
        self._until = now + timeout
        return self._until


def unsent(transport: Any) -> int:
    """Give the bytes that the kernel still has for a client; -1 where it does not tell."""
    handle = getattr(transport, "getHandle", None) or getattr(getattr(transport, "transport", None), "getHandle", None)
    if handle is None:
        return -1
    try:
        return int.from_bytes(ioctl(handle().fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError, AttributeError):
        return -1  # closed, or of a kind that cannot be asked
