"""The command line: tables, curves and warnings for the stations of a folder."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import forecast, render, station, warnings


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    result = argparse.ArgumentParser(prog="tidewatch", description="Tide tables and warnings for small harbours.")
    result.add_argument("folder", type=Path, help="the folder with the station files")
    result.add_argument("--days", type=int, default=3, help="how far to look ahead (default: %(default)s)")
    result.add_argument("--warn", action="store_true", help="print only the warnings that are due")
    return result


def print_table(each: station.Station, days: int, now: datetime) -> None:
    """Print the table of one station."""
    print(each.name)
    print(render.table(forecast.extremes(each, now, now + timedelta(days=days))))


def print_warnings(stations: list[station.Station], now: datetime) -> None:
    """Print what is due, the worst first."""
    found = [
        warning
        for each in stations
        for warning in warnings.due(each, forecast.extremes(each, now, now + warnings.AHEAD), now)
    ]
    for warning in warnings.worst_first(found):
        print(warnings.sentence(warning))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parser().parse_args(arguments)
    now = datetime.now(UTC)
    try:
        stations = list(station.load_all(options.folder))
    except station.StationError as error:
        print(error, file=sys.stderr)
        return 1
    if options.warn:
        print_warnings(stations, now)
    else:
        for each in stations:
            print_table(each, options.days, now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
