"""The tidal constituents: how fast each turns, and how it leans on the moon and the sun."""

from __future__ import annotations

from dataclasses import dataclass

TURN = 360.0
"""Degrees; a speed is given in degrees an hour."""


@dataclass(frozen=True)
class Constituent:
    """One sine wave of the tide."""

    name: str
    speed: float
    about: str


def period(constituent: Constituent) -> float:
    """Give the hours from one crest of a constituent to the next."""
    return TURN / constituent.speed


def known() -> dict[str, Constituent]:
    """Give the constituents that a station file may name."""
    return {each.name: each for each in TABLE}


def parse(name: str) -> Constituent:
    """Look a constituent up by its name, in upper or lower case."""
    try:
        return known()[name.upper()]
    except KeyError:
        raise ValueError(f"no constituent is called {name!r}; known are {', '.join(known())}") from None


def diurnal(constituent: Constituent) -> bool:
    """Tell whether a constituent comes about once a day."""
    return 20.0 < period(constituent) < 30.0


def form_number(amplitudes: dict[str, float]) -> float:
    """Tell semidiurnal tides (below 0.25) from diurnal ones (above 3)."""
    daily = amplitudes.get("K1", 0.0) + amplitudes.get("O1", 0.0)
    twice_daily = amplitudes.get("M2", 0.0) + amplitudes.get("S2", 0.0)
    return daily / twice_daily if twice_daily else float("inf")


TABLE = [
    Constituent("M2", 28.9841042, "the moon, twice a day"),
    Constituent("S2", 30.0000000, "the sun, twice a day"),
    Constituent("N2", 28.4397295, "the moon's distance"),
    Constituent("K2", 30.0821373, "the moon and the sun, off the equator"),
    Constituent("K1", 15.0410686, "the moon and the sun, once a day"),
    Constituent("O1", 13.9430356, "the moon, once a day"),
    Constituent("P1", 14.9589314, "the sun, once a day"),
    Constituent("Q1", 13.3986609, "the moon's distance, once a day"),
    Constituent("M4", 57.9682084, "shallow water, from M2"),
    Constituent("MS4", 58.9841042, "shallow water, from M2 and S2"),
]
