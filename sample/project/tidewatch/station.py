"""A harbour with a tide gauge, as its file describes it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


class StationError(ValueError):
    """A station file that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Wave:
    """What one constituent amounts to in one harbour."""

    constituent: str
    amplitude: float
    phase: float


@dataclass(frozen=True)
class Station:
    """One harbour: where it is, how high its mean level lies, which waves reach it."""

    name: str
    latitude: float
    longitude: float
    mean_level: float
    waves: tuple[Wave, ...] = ()
    warn_above: float | None = None
    notes: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> Station:
    """Read one station file."""
    with path.open("rb") as stream:
        try:
            return from_table(tomllib.load(stream))
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise StationError(f"{path}: {error}") from error


def from_table(table: dict[str, object]) -> Station:
    """Make a station of what its file says."""
    waves = table.get("waves", {})
    if not isinstance(waves, dict):
        raise TypeError("waves: expected a table of constituents")
    return Station(
        name=str(table["name"]),
        latitude=number(table, "latitude", -90.0, 90.0),
        longitude=number(table, "longitude", -180.0, 180.0),
        mean_level=number(table, "mean_level", -20.0, 20.0),
        waves=tuple(Wave(name, float(wave[0]), float(wave[1])) for name, wave in waves.items()),
    )


def number(table: dict[str, object], key: str, low: float, high: float) -> float:
    """Take a number within its bounds from a table."""
    value = table[key]
    if not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{key} = {value!r}: expected a number from {low:g} to {high:g}")
    return float(value)


def load_all(folder: Path) -> Iterator[Station]:
    """Read every station of a folder, in the order of their names."""
    for path in sorted(folder.glob("*.toml")):
        yield load(path)


def nearest(stations: list[Station], latitude: float, longitude: float) -> Station:
    """Find the station closest to a place; good enough away from the poles."""
    return min(stations, key=lambda each: (each.latitude - latitude) ** 2 + (each.longitude - longitude) ** 2)
