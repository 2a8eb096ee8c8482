"""How much of the disk all request bodies together may take."""

from __future__ import annotations

from tracd_cluster.errors import NoRoom


class Spool:
    """Counts the bytes of bodies that are in files, and refuses what is more than ``limit``.

    What a client announces takes no room, only what it sends does: whoever merely announced a lot could otherwise
    keep everybody else out.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def __repr__(self) -> str:
        return f"<Spool {self.used} of {self.limit} bytes>"

    def check(self, size: int) -> None:
        """Raise NoRoom for a body of ``size`` bytes that would not fit, now or ever."""
        if size > self.limit:
            raise NoRoom(507, f"The server has room for uploads of {self.limit} bytes at the most.")
        if self.used + size > self.limit:
            raise NoRoom(503, "The server has no room for this upload at the moment.")

    def take(self, size: int, whole: int) -> None:
        """Take room for ``size`` bytes more of a body that then has ``whole``; raise NoRoom if they do not fit."""
        if self.used + size > self.limit:
            self.check(whole)
        self.used += size

    def give_back(self, size: int) -> None:
        """Give room back."""
        self.used -= size
