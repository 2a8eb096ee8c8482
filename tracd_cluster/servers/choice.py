"""Which of the servers gets the next request: the one with the least under way for its weight.

For the balancer this is its collection of free lanes. Among our own workers the lane used last is the best, for its
caches are warm; servers elsewhere are used evenly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Share:
    """What one server has: ``size`` lanes, of which some are idle.

    Servers of a higher ``priority`` number are for when those before have no idle lane, as with SRV records.
    """

    weight: float = 1.0
    priority: int = 0
    size: int = 0
    idle: list[Any] = field(default_factory=list)
    turn: float = 0.0
    """Grows with each choice, the slower the greater the weight: of equals the one with the lowest is next."""


class LeastLoaded:
    """The free lanes of all servers; as far as the balancer uses one, a list."""

    def __init__(self) -> None:
        self._shares: dict[Any, Share] = {}
        self._members: dict[Share, None] = {}
        """Those that have lanes, in the order of their coming."""
        self._turn = 0.0

    def enroll(self, lane: Any, share: Share) -> None:
        """Say whose lane this is, before it is added."""
        self._shares[lane] = share
        self._members[share] = None
        share.size += 1

    def dismiss(self, lane: Any) -> None:
        """Forget a lane that has been withdrawn."""
        share = self._shares.pop(lane)
        share.size -= 1
        if not share.size:
            del self._members[share]

    def append(self, lane: Any) -> None:
        """Take a lane that is free."""
        self._shares[lane].idle.append(lane)

    def pop(self) -> Any:
        """Choose a server and give one of its lanes, the one used last: it may have a kept connection."""
        best = min((share for share in self._members if share.idle), key=_rank)
        # Who comes back after a pause has no claim to all the turns that were missed.
        best.turn = max(best.turn, self._turn)
        self._turn = best.turn
        best.turn += 1 / best.weight
        return best.idle.pop()

    def remove(self, lane: Any) -> None:
        """Take a lane out."""
        self._shares[lane].idle.remove(lane)

    def __contains__(self, lane: object) -> bool:
        share = self._shares.get(lane)
        return share is not None and lane in share.idle

    def __iter__(self) -> Iterator[Any]:
        for share in self._members:
            yield from share.idle

    def __len__(self) -> int:
        return sum(len(share.idle) for share in self._members)


def _rank(share: Share) -> tuple[int, float, float]:
    return share.priority, (share.size - len(share.idle)) / share.weight, share.turn
