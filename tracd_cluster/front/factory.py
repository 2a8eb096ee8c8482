"""What makes the connections of a plain port; encrypted.py has the same for encrypted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from tracd_cluster.front.connection import Connection

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front


class ClientFactory(Factory):
    """Makes the connections of one port."""

    noisy = False

    def __init__(self, front: Front, scheme: bytes) -> None:
        self._front = front
        self._scheme = scheme

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # noqa: N802
        """Make a connection."""
        return Connection(self._front, self._scheme)
