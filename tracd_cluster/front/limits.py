"""How long a worker may take for a request, by what is asked for.

It is looked up once for each request, so nearly all of them must be through with one search for all kinds at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tracd_cluster.settings.front import FrontSettings


class TimeLimits:
    """The default limit, and those of kinds of requests; the first kind that fits counts.

    A kind is a piece of the target (path and query) as the client writes it; with ``*`` in it, several pieces in
    this order.
    """

    __slots__ = ("_any", "_kinds", "default")

    def __init__(self, default: float, kinds: Iterable[tuple[str, float]]) -> None:
        self.default = default
        self._kinds = [(pattern.encode().split(b"*"), seconds) for pattern, seconds in kinds]
        # Of each kind the longest piece: that is in the fewest others.
        longest = {max(pieces, key=len) for pieces, _ in self._kinds}
        self._any = re.compile(b"|".join(map(re.escape, sorted(longest)))).search if longest else None

    def of(self, target: bytes) -> float:
        """Give the limit for a request of this target, in seconds."""
        if self._any is None or self._any(target) is None:
            return self.default
        for pieces, seconds in self._kinds:
            if _in_order(pieces, target):
                return seconds
        return self.default


def _in_order(pieces: list[bytes], target: bytes) -> bool:
    place = 0
    for piece in pieces:
        place = target.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True


def time_limits(settings: FrontSettings) -> TimeLimits:
    """Make the limits of all kinds of requests."""
    default = settings.request_timeout
    slow = [(kind, max(seconds, default)) for kind, seconds in settings.slow_kinds]
    return TimeLimits(default, [*settings.request_timeouts, *slow])


def shortest(settings: FrontSettings) -> float:
    """Give the shortest time that a client is given for anything, in seconds."""
    times = (settings.head_timeout, settings.body_timeout, settings.idle_timeout, settings.queue_timeout)
    return min(*times, settings.request_timeout, *(seconds for _, seconds in settings.request_timeouts))
