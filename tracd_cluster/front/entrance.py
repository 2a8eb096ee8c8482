"""Which connections are accepted: so many in all, and of one client.

It is decided before anything is made for a connection, and who is refused hears nothing: what would be said costs as
much as what it is to spare. In all there may be as many as there is room for; when all places are taken, those that
have been silent for the longest time make room. So whoever holds many connections, and asks for nothing or never comes
to the end of it, keeps nobody out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import nsmallest
from typing import Protocol

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.traffic.crowd import Crowd

log = Logger()

QUIET = 60.0
"""Seconds between two lines of the log about connections that are refused."""

LOOK_AGAIN = 0.25
"""Seconds between two looks for connections that are quiet: each looks at all there are."""
FOUND = 64
"""The most that such a look finds."""


class Guest(Protocol):
    """A connection that is open."""

    deadline: float

    @property
    def quiet(self) -> bool:
        """Tell that no request is there, but perhaps the beginning of one."""

    def close(self) -> None:
        """Close it."""


class Entrance:
    """Lets connections in; ``guests`` are those that are there, ``exempt`` tells whose are not held to any limit.

    ``room`` is how many the system has room for; ``refused`` is counted up by the reason.
    """

    def __init__(
        self,
        settings: ClientSettings,
        guests: Collection[Guest],
        exempt: Callable[[str], bool],
        room: int,
        refused: dict[str, int],
    ) -> None:
        self.settings = settings
        self.crowd = Crowd(settings.client_connections)
        self.room = room
        self.refused = refused
        self._guests = guests
        self._exempt = exempt
        self._quiet: list[Guest] = []
        self._look_at = 0.0
        self._untold = 0
        self._quiet_until = 0.0
        self.take(settings, room)

    def __repr__(self) -> str:
        return f"<Entrance, {len(self._guests)} of {self.most} inside, {self.crowd!r}>"

    def take(self, settings: ClientSettings, room: int) -> None:
        """Go by these settings from now on; who is inside stays."""
        self.settings = settings
        self.room = room
        self.most = min(settings.max_connections, room)
        self.crowd.limit = settings.client_connections

    def let_in(self, peer: IAddress | None, now: float) -> str | None:
        """Give the name that ``left`` is to be told when the connection is over, None if it is refused.

        The name is empty for one that is not counted.
        """
        if len(self._guests) >= self.most and not self._make_room(now):
            self._refuse("all", "", now)
            return None
        address: str = getattr(peer, "host", "")
        if self._exempt(address):
            return ""
        if self.crowd.join(address):
            return address
        self._refuse("client", address, now)
        return None

    def left(self, name: str) -> None:
        """Take note that a connection that was counted is over."""
        self.crowd.leave(name)

    def _make_room(self, now: float) -> bool:
        """Close the quiet connection whose time is up first, if there is one."""
        if not self._quiet and not self._look_at - LOOK_AGAIN <= now < self._look_at:
            self._look_at = now + LOOK_AGAIN
            quiet = (guest for guest in self._guests if guest.quiet)
            self._quiet = nsmallest(FOUND, quiet, key=lambda guest: guest.deadline)[::-1]
        while self._quiet:
            guest = self._quiet.pop()
            if guest.quiet:
                guest.close()
                return True
        return False

    def _refuse(self, reason: str, address: str, now: float) -> None:
        self.refused[reason] += 1
        self._untold += 1
        if self._quiet_until - QUIET <= now < self._quiet_until:
            return
        count, self._untold = self._untold, 0
        self._quiet_until = now + QUIET
        settings = self.settings
        log.warn(
            "Refused {count} since it was last told: {why}",
            count=f"{count} connection{'s' * (count > 1)}",
            why=f"{address}, or its network, has too many (--client-connections {settings.client_connections})"
            if address
            else f"{self.most} are open and busy (--max-connections {settings.max_connections})",
        )
