"""How many connections each address and each network has; those that have none are not remembered."""

from __future__ import annotations

from collections import Counter

from tracd_cluster.traffic.networks import network_of

SHARE = 4
"""What a network may have, in shares of one address."""


class Crowd:
    """Connections by address and by network; ``limit`` is for an address, 0 for any number."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._addresses: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Crowd of {self._addresses.total()}, {len(self._addresses)} addresses>"

    def __len__(self) -> int:
        return self._addresses.total()

    def join(self, address: str) -> bool:
        """Count one more, or say that this is too many."""
        network = network_of(address)
        most = self.limit
        if most and (self._addresses[address] >= most or self._networks[network] >= SHARE * most):
            return False
        self._addresses[address] += 1
        self._networks[network] += 1
        return True

    def leave(self, address: str) -> None:
        """Count one less, of those that have been counted."""
        for counts, name in ((self._addresses, address), (self._networks, network_of(address))):
            counts[name] -= 1
            if not counts[name]:
                del counts[name]

    def check_invariants(self) -> None:
        """Raise AssertionError unless everybody is counted once, and nobody remembered who is not there."""
        assert self._addresses.total() == self._networks.total()
        assert all(count > 0 for counts in (self._addresses, self._networks) for count in counts.values())
