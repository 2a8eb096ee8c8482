"""Heights of the tide to come: the sum of a station's waves, and where that sum turns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from . import constituents
from .station import Station, Wave

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The phases in station files are given for this moment."""

STEP = timedelta(minutes=10)
"""Turns of the tide lie hours apart, so a coarse first look finds each of them."""

PRECISION = timedelta(seconds=15)
"""Tide tables are printed to the minute."""


class Turn(Enum):
    """Which way the tide turns."""

    HIGH = "high water"
    LOW = "low water"


@dataclass(frozen=True)
class Extreme:
    """One high or low water."""

    turn: Turn
    when: datetime
    height: float


def hours_since_epoch(when: datetime) -> float:
    """Give the time that the phases count from, in hours."""
    return (when - EPOCH).total_seconds() / 3600.0


def wave_height(wave: Wave, hours: float) -> float:
    """Give the height of one wave at a time, above or below its middle."""
    speed = constituents.parse(wave.constituent).speed
    return wave.amplitude * math.cos(math.radians(speed * hours - wave.phase))


def wave_rate(wave: Wave, hours: float) -> float:
    """Give how fast one wave rises, in metres an hour."""
    speed = math.radians(constituents.parse(wave.constituent).speed)
    return -wave.amplitude * speed * math.sin(speed * hours - math.radians(wave.phase))


def height_at(station: Station, when: datetime) -> float:
    """Give the height of the tide above chart datum."""
    hours = hours_since_epoch(when)
    return station.mean_level + sum(wave_height(wave, hours) for wave in station.waves)


def rate_at(station: Station, when: datetime) -> float:
    """Give how fast the tide rises; below zero it falls."""
    hours = hours_since_epoch(when)
    return sum(wave_rate(wave, hours) for wave in station.waves)


def heights(
    station: Station, start: datetime, end: datetime, step: timedelta = STEP
) -> Iterator[tuple[datetime, float]]:
    """Give the curve of the tide, point by point."""
    when = start
    while when <= end:
        yield when, height_at(station, when)
        when += step


def find_turn(station: Station, before: datetime, after: datetime) -> datetime:
    """Close in on the moment between two others at which the tide turns."""
    rising = rate_at(station, before) > 0.0
    while after - before > PRECISION:
        middle = before + (after - before) / 2
        if (rate_at(station, middle) > 0.0) is rising:
            before = middle
        else:
            after = middle
    return before + (after - before) / 2


def extremes(station: Station, start: datetime, end: datetime) -> Iterator[Extreme]:
    """Give every high and low water of a span of time, in order."""
    when = start
    rising = rate_at(station, when) > 0.0
    while when < end:
        following = min(when + STEP, end)
        rising_then = rate_at(station, following) > 0.0
        if rising_then is not rising:
            moment = find_turn(station, when, following)
            yield Extreme(Turn.HIGH if rising else Turn.LOW, moment, height_at(station, moment))
        when, rising = following, rising_then


def next_high_water(station: Station, now: datetime) -> Extreme | None:
    """Give the next high water; a harbour without tides has none."""
    return next((each for each in extremes(station, now, now + timedelta(days=2)) if each.turn is Turn.HIGH), None)


def daily_range(station: Station, day: datetime) -> float:
    """Give the difference of the highest and the lowest water of a day."""
    levels = [height for _, height in heights(station, day, day + timedelta(days=1))]
    return max(levels) - min(levels)


def springs_and_neaps(station: Station, start: datetime, days: int = 30) -> tuple[datetime, datetime]:
    """Give the days of the greatest and of the smallest range."""
    ranges = {start + timedelta(days=day): 0.0 for day in range(days)}
    for day in ranges:
        ranges[day] = daily_range(station, day)
    return max(ranges, key=ranges.__getitem__), min(ranges, key=ranges.__getitem__)


def depth_windows(
    station: Station, start: datetime, end: datetime, needed: float
) -> Iterator[tuple[datetime, datetime]]:
    """Give the spans in which there is enough water for a boat."""
    opened: datetime | None = None
    when = start
    for when, height in heights(station, start, end):
        if height >= needed and opened is None:
            opened = when
        elif height < needed and opened is not None:
            yield opened, when
            opened = None
    if opened is not None:
        yield opened, when
