"""How much one client may ask for: requests at once and requests a second, by its address and by its network.

A bucket is one number, the time at which it would be full again (the generic cell rate algorithm): each request moves
that on by one interval, and must not move it further ahead of now than a full bucket lasts.

Ownership and lifetime. A client's entry is found by its address. Whoever is let in gets a slot, which holds the
entries of its address and of its network, and gives it back once. A table has two halves: what is used moves to the
young one; when that is full, or old enough for all idle buckets to be full again, the old half is forgotten, but for
those who have a request inside. So a table is bounded however many addresses there are, nothing is sorted or searched,
and a client that is forgotten has lost nothing or was one of very many.

Note [Networks first]. The limits of the network are looked at first: whoever has all addresses of one makes no entry
for each of them. A network may have ``SHARE`` times as much as an address.
"""

from __future__ import annotations

from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.traffic.networks import network_of

SHARE = 4
"""What a network may have, in shares of one address: an office with a few public addresses, half of it active."""

HALF = 8192
"""Entries of half a table; one takes some 200 bytes."""

AGE = 60.0
"""Seconds that half a table is used at the least, if it does not fill before."""


class Entry:
    """What is known of an address or a network: its requests that are ``inside``, and when its bucket is full."""

    __slots__ = ("full_at", "inside", "network")

    def __init__(self, network: str) -> None:
        self.network = network
        """The name of an address's network; of a network, its own."""
        self.inside = 0
        self.full_at = 0.0

    def __repr__(self) -> str:
        return f"<Entry of {self.network}, {self.inside} inside, full at {self.full_at:g}>"


Slot = tuple[Entry, Entry]
"""A request that was let in: the entries of its address and of its network."""

NO_SLOT: tuple[()] = ()
"""What is left of a slot that has been given back."""


class Refused(Exception):
    """A client that may not come in now: it has too many requests ``at_once``, or too many a second.

    ``wait`` are the seconds after which there is room again, as far as that is known.
    """

    def __init__(self, at_once: bool, wait: float) -> None:
        super().__init__(f"{'at once' if at_once else 'a second'}, for {wait:.1f} s")
        self.at_once = at_once
        self.wait = wait


class Table:
    """Entries by name, of which only those used lately are kept."""

    def __init__(self, half: int) -> None:
        self.half = half
        self.young: dict[str, Entry] = {}
        self._old: dict[str, Entry] = {}
        self._full = self._was_full = half
        self._turned = 0.0

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def entry(self, name: str, network: str, now: float, age: float) -> Entry:
        """Give the entry of a name that is not in the young half: the old one's, or a new one."""
        if len(self.young) >= self._full or not self._turned <= now < self._turned + age:
            self._turn(now)
        entry = self.young.get(name) or self._old.pop(name, None) or Entry(network)
        self.young[name] = entry
        return entry

    def _turn(self, now: float) -> None:
        self._turned = now
        inside = {name: entry for name, entry in self._old.items() if entry.inside}
        self._old, self.young = self.young, inside
        self._was_full, self._full = self._full, self.half + len(inside)

    def is_bounded(self) -> bool:
        """Tell whether each half is as small as it has to be."""
        return len(self.young) <= self._full and len(self._old) <= self._was_full

    def entries(self) -> list[Entry]:
        """Give all there are."""
        return [*self.young.values(), *self._old.values()]


class Buckets:
    """The limits of all clients. Times are seconds of one clock, which may be set back.

    ``limit`` 0 stands for as many at once as there are, ``rate`` 0 for as many a second.
    """

    def __init__(self, settings: ClientSettings, half: int = HALF) -> None:
        self._clients = Table(half)
        self._networks = Table(half)
        self.take(settings)

    def __repr__(self) -> str:
        return f"<Buckets {self.inside} inside, {len(self._clients)} addresses, {len(self._networks)} networks>"

    def take(self, settings: ClientSettings) -> None:
        """Go by these settings from now on."""
        self.limit = settings.client_requests or 1 << 30
        rate = settings.client_rate
        self._interval = 1 / rate if rate else 0.0
        # A thousandth more than it has to be: times are rounded.
        self._depth = (settings.client_burst + 0.001) * self._interval
        """Seconds in which an empty bucket fills."""
        self._age = max(AGE, self._depth)

    def enter(self, address: str, now: float) -> Slot:
        """Let a request in and give its slot, or raise Refused."""
        client = self._clients.young.get(address)
        name = client.network if client is not None else network_of(address)
        network = self._networks.young.get(name)
        if network is None:
            network = self._networks.entry(name, name, now, self._age)
        depth, interval = self._depth, self._interval
        # Ahead by more than a full bucket: the clock has been set back, and what was before does not count.
        after = (network.full_at if now < network.full_at <= now + depth else now) + interval / SHARE
        if network.inside >= self.limit * SHARE:
            raise Refused(True, 1.0)
        if after > now + depth:
            raise Refused(False, after - now - depth)
        if client is None:
            client = self._clients.entry(address, name, now, self._age)
        full_at = (client.full_at if now < client.full_at <= now + depth else now) + interval
        if client.inside >= self.limit:
            raise Refused(True, 1.0)
        if full_at > now + depth:
            raise Refused(False, full_at - now - depth)
        client.full_at = full_at
        network.full_at = after
        client.inside += 1
        network.inside += 1
        return client, network

    @property
    def inside(self) -> int:
        """How many requests have been let in and have not given their slots back."""
        return sum(entry.inside for entry in self._clients.entries())

    def check_invariants(self) -> None:
        """Raise AssertionError unless the tables are bounded and everybody inside is counted once."""
        for table in (self._clients, self._networks):
            assert table.is_bounded()
            assert sum(entry.inside for entry in table.entries()) == self.inside
            assert all(entry.inside >= 0 for entry in table.entries())


def leave(slot: Slot | tuple[()]) -> tuple[()]:
    """Give a slot back, and give what is to stand in its place: whoever does so twice gives nothing back."""
    for entry in slot:
        entry.inside -= 1
    return NO_SLOT
