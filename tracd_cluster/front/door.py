"""Who may come in, and how often: the limits of each client, where a request needs a worker.

Nobody is counted whom a proxy of ours has not named, whose address is allowed by option, or who has signed in. Whoever
says of himself that he has (a cookie of Trac's, a login for a plugin), or is about to, is counted apart from those who
say nothing: behind one address, strangers cannot use up what the people there may have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from twisted.logger import Logger

from tracd_cluster.errors import TooMany
from tracd_cluster.front.addresses import is_within
from tracd_cluster.front.head import Head
from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.traffic.buckets import Buckets, Refused, Slot

log = Logger()

SIGNED_IN = b"trac_auth="
"""What is in the cookies of those who have signed in by Trac itself."""

SIGNING_IN = b"/login"
"""How the paths end at which people sign in."""

QUIET = 60.0
"""Seconds between two lines of the log about clients that are refused."""

REMEMBERED = 4096
"""Addresses of which it is remembered whether they are exempt."""


class Door:
    """Lets requests in, up to the limits; ``trusts`` tells which addresses are proxies of ours."""

    def __init__(self, settings: ClientSettings, trusts: Callable[[str], bool]) -> None:
        self.settings = settings
        self._trusts = trusts
        self.strangers = Buckets(settings)
        self.claimants = Buckets(settings)
        self._exempt = lru_cache(REMEMBERED)(self._is_exempt)
        self._refused = 0
        self._quiet_until = 0.0

    def __repr__(self) -> str:
        return f"<Door, strangers {self.strangers!r}, claimants {self.claimants!r}>"

    def take(self, settings: ClientSettings) -> None:
        """Go by these settings from now on, and by who is trusted now."""
        self.settings = settings
        self.strangers.take(settings)
        self.claimants.take(settings)
        self._exempt.cache_clear()

    def enter(self, address: str, head: Head, now: float) -> Slot | tuple[()]:
        """Let in the request of somebody who has not signed in at the front, or raise TooMany."""
        if self._exempt(address):
            return ()
        buckets = self.strangers
        if head.authorization is not None or head.path.endswith(SIGNING_IN):
            buckets = self.claimants
        else:
            for line in head.lines:
                if SIGNED_IN in line:
                    buckets = self.claimants
        try:
            return buckets.enter(address, now)
        except Refused as refused:
            self._tell(address, refused, now)
            raise TooMany(refused.at_once, refused.wait) from None

    def exempts(self, address: str) -> bool:
        """Tell whether an address is held to no limits."""
        return self._exempt(address)

    def _is_exempt(self, address: str) -> bool:
        return not address or self._trusts(address) or is_within(address, self.settings.client_allow)

    def _tell(self, address: str, refused: Refused, now: float) -> None:
        """Say in the log that clients are refused, and once in a while how many."""
        self._refused += 1
        if now < self._quiet_until:
            return
        count, self._refused = self._refused, 0
        self._quiet_until = now + QUIET
        settings = self.settings
        limit = (
            f"--client-requests {settings.client_requests}"
            if refused.at_once
            else f"--client-rate {settings.client_rate:g} and --client-burst {settings.client_burst}"
        )
        log.warn(
            "Refused {count} since it was last told: too many requests from {address}, or from its network ({limit})"
            "{hint}",
            count=f"{count} request{'s' * (count > 1)}",
            address=address,
            limit=limit,
            hint="; if that is a proxy of yours, --trusted-proxy lets it say who asks" if _is_near(address) else "",
        )


def _is_near(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
