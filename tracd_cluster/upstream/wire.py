"""A connection to a foreign server, as the lane that uses it sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Wire(Protocol):
    """A connection to the server."""

    opened: bool
    silent: bool
    """It was lost because nothing comes from the other end any more, not even a sign that it is there."""

    def alive(self) -> bool:
        """Tell whether the other end has neither closed nor sent anything."""

    def send(self, data: bytes, body: Callable[[], bytes] | None) -> None:
        """Write, and then what ``body`` gives, piece by piece until it gives nothing."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def read_now(self) -> None:
        """Take what has come and not been told of yet."""

    def end(self) -> None:
        """Close after a complete exchange; nothing more is told of it."""

    def drop(self) -> None:
        """Close at once; nothing more is told of it."""


class WireOwner(Protocol):
    """Who hears of a connection: of each of these at most once, and of ``wire_lost`` last."""

    def wire_opened(self, wire: Wire) -> None: ...

    def wire_data(self, wire: Wire, data: bytes) -> None: ...

    def wire_lost(self, wire: Wire, why: str) -> None: ...


Dial = Callable[[WireOwner], Wire]
"""Begins to connect."""
