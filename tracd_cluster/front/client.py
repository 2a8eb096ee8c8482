"""A client's connection, as the journeys see it that answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tracd_cluster.front.admission import Origin
from tracd_cluster.front.reply import Standing

if TYPE_CHECKING:
    from tracd_cluster.front.journey import Journey


class Client(Origin, Protocol):
    """The connection a journey answers to."""

    transport: Any
    """A stream transport of Twisted's, plain or TLS, whose producer it is."""
    standing: Standing
    paused: bool
    """The client does not take what has been written."""
    deadline: float

    def write(self, data: bytes) -> None: ...

    def taking(self) -> bool:
        """Give the client more time if it takes some of what was written, and tell whether it does."""

    def done(self, journey: Journey, keep: bool) -> None:
        """All of the answer has been written; ``keep`` the connection for more requests."""

    def broken(self) -> None:
        """The answer cannot be completed: let the client see that it is not whole."""
