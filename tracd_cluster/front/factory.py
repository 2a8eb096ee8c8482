"""What makes connections, as long as there are not too many; encrypted.py has what encrypts them."""

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

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # noqa: N802
        """Make a connection; None, which closes it, for one that is too many."""
        return make_connection(self._front, self._scheme, addr)


def make_connection(front: Front, scheme: bytes, peer: IAddress | None) -> Connection | None:
    """Make a connection, unless there are too many."""
    entrance = front.entrance
    counted = entrance.let_in(peer, front.now) if entrance is not None else ""
    if counted is None:
        return None
    connection = Connection(front, scheme)
    connection.counted_as = counted
    return connection
