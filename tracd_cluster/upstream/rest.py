"""A pause for all lanes to a server that has just lost a connection.

The sockets of a killed process close one after another: for a moment other connections to it still look alive, and it
still seems to take new ones. A request sent again at once could be lost there again, for good. So when a connection
was lost all lanes to the server rest for a moment, after which they find out how it is.
"""

from __future__ import annotations

REST = 0.1
"""Seconds of a rest, a hundred times what the kernel takes for it on a busy machine."""
BETWEEN_RESTS = 1.0
"""Seconds after a rest in which there is no other: a page that makes a server hang up must not keep it resting."""


class Rest:
    """When the lanes to one server may connect to it again; shared by all of them."""

    def __init__(self) -> None:
        self.until = 0.0
        """Absolute, in seconds of the lanes' clock."""

    def begin(self, now: float) -> None:
        """Begin a rest, unless there has just been one."""
        if now >= self.until + BETWEEN_RESTS or not self.until:
            self.until = now + REST
