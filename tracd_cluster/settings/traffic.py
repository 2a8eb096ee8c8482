"""What each class of requests may cost, when workers are short."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSettings:
    """Who comes before whom, and how far (traffic/place.py has the classes)."""

    shares: tuple[int, ...] = (16, 4, 2, 1)
    """How many requests of each class go on in a round, where all of them wait."""
    queue_target: float = 2.0
    """How long the first in line may have waited, and not for a moment only, before somebody is refused; 0 for any."""
    slow_share: Fraction = Fraction(1, 3)
    """The part of the lanes that slow requests of strangers and robots may hold; one at least."""
