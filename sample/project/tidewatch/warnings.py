"""Who is told of what: levels that matter, and the sentence that is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .forecast import Extreme, Turn
from .station import Station

AHEAD = timedelta(hours=18)
"""A harbour master wants to know in the evening what the morning brings."""


@dataclass(frozen=True)
class LevelWarning:
    """A level that will be passed."""

    station: Station
    extreme: Extreme

    @property
    def excess(self) -> float:
        """How far the water will stand above the level, in metres."""
        return self.extreme.height - (self.station.warn_above or 0.0)


def due(station: Station, extremes: Iterable[Extreme], now: datetime) -> Iterator[LevelWarning]:
    """Give the warnings that should go out now."""
    if station.warn_above is None:
        return
    for extreme in extremes:
        high = extreme.turn is Turn.HIGH and extreme.height > station.warn_above
        if high and now <= extreme.when <= now + AHEAD:
            yield LevelWarning(station, extreme)


def sentence(warning: LevelWarning) -> str:
    """Say a warning in one sentence that fits a short message."""
    extreme = warning.extreme
    return (
        f"{warning.station.name}: {extreme.turn.value} {extreme.height:.1f} m at {extreme.when:%H:%M} UTC, "
        f"{warning.excess:.1f} m above the warning level."
    )


def worst_first(warnings: Iterable[LevelWarning]) -> list[LevelWarning]:
    """Sort warnings so that a cut-off list still tells what matters."""
    return sorted(warnings, key=lambda each: each.excess, reverse=True)
