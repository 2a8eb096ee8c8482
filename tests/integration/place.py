"""Where something runs: here, on loopback, or on a host of a network (hosts/network.py)."""

from __future__ import annotations

import contextlib
from typing import Protocol


class Place(Protocol):
    """An address, how a program is run there, and how a client of the test's own gets there."""

    @property
    def address(self) -> str: ...

    def command(self, *argv: str) -> list[str]: ...

    def inside(self) -> contextlib.AbstractContextManager[None]: ...


class Here:
    """The host that the tests run on."""

    address = "127.0.0.1"

    def command(self, *argv: str) -> list[str]:
        """Give a command line as it is."""
        return list(argv)

    def inside(self) -> contextlib.AbstractContextManager[None]:
        """Be here already."""
        return contextlib.nullcontext()


HERE = Here()
