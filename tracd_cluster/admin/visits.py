"""Connections to the admin addresses: few, short, and with small bodies."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

BODY_LIMIT = 4096
VISITS = 32
"""Connections at a time: a page needs one or two."""
IDLE_TIMEOUT = 30


class Visit(HTTPChannel):
    """One connection."""

    site: AdminSite
    transport: Any

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Join the others."""
        self.site.visits.add(self)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Leave."""
        self.site.visits.discard(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:  # noqa: N802
        """End a connection on which nothing comes, without a line in the log."""
        self.transport.abortConnection()


class SmallRequest(Request):
    """A request whose body has a bound."""

    channel: Any

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuse a body that is said to be too long."""
        super().gotLength(min(length or 0, BODY_LIMIT))  # type: ignore[no-untyped-call]
        self._left = BODY_LIMIT
        if length is not None and length > BODY_LIMIT:
            self.channel.transport.abortConnection()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Refuse one that turns out to be."""
        self._left -= len(data)
        if self._left < 0:
            self.channel.transport.abortConnection()
        else:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]


class AdminSite(Site):
    """Makes the connections of one kind of address, as many as there may be at a time."""

    noisy = False
    protocol = Visit  # type: ignore[assignment]

    def __init__(self, resource: Resource, reactor: Any) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            resource, SmallRequest, reactor=reactor, timeout=IDLE_TIMEOUT, parsePOSTFormSubmission=False
        )
        self.visits: set[Visit] = set()

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        """Make a connection; None, which closes it, if there are too many."""
        if len(self.visits) >= VISITS:
            return None
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call]

    def log(self, request: Any) -> None:
        """Write no line for a request: a page makes one each second."""

    def close_visits(self) -> None:
        """End all connections: whoever looks on comes again, to whoever serves then."""
        for visit in list(self.visits):
            if visit.requests:
                visit.persistent = False  # ends behind its answer
            else:
                visit.loseConnection()  # type: ignore[no-untyped-call]
