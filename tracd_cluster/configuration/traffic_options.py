"""The options that say who comes first when workers are short, and what strangers may cost."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option
from tracd_cluster.settings.traffic import TrafficSettings

TRAFFIC_DEFAULTS = TrafficSettings()
CLASSES = ("people", "visitors", "strangers", "robots")
MOST = 1000
"""The largest share."""


def shares(text: str) -> tuple[int, ...]:
    """Read the shares of the classes, as in ``people=16,robots=1``; those not named have their default."""
    found = list(TRAFFIC_DEFAULTS.shares)
    for part in text.split(","):
        name, _, number = part.partition("=")
        name, number = name.strip(), number.strip()
        if name not in CLASSES:
            raise ArgumentTypeError(
                f"{part!r} is not a class and its share: one of {', '.join(CLASSES)}, as in robots=1"
            )
        if not (number.isascii() and number.isdigit() and len(number) < 5 and 1 <= int(number) <= MOST):
            raise ArgumentTypeError(f"{part!r} has no share from 1 to {MOST}, as in {name}=4")
        found[CLASSES.index(name)] = int(number)
    return tuple(found)


def shares_text(found: Sequence[int]) -> str:
    """Write what ``shares`` reads."""
    return ",".join(f"{name}={share}" for name, share in zip(CLASSES, found, strict=True))


def part(text: str) -> Fraction:
    """Read a part of a whole, above 0 and up to 1: ``1/3``, ``0.25`` or ``25%``."""
    found = Fraction(0)
    if len(text) < 20:  # exponents and digits without end are numbers too
        with suppress(ValueError, ZeroDivisionError):
            stripped = text.strip()
            found = Fraction(stripped.removesuffix("%")) / (100 if stripped.endswith("%") else 1)
    if not 0 < found <= 1 or "e" in text.lower():
        raise ArgumentTypeError(f"{text!r} is not a part above 0 and up to 1, such as 1/3, 0.25 or 25%")
    return found


TRAFFIC: tuple[Option, ...] = (
    Option(
        names=("--shares",), group="traffic", read=shares, metavar="CLASS=N,...", default=TRAFFIC_DEFAULTS.shares,
        help="how many of each class go on in a round where all wait", write=shares_text,
        shown="16, 4, 2 and 1",
    ),
    Option(
        names=("--slow-share",), group="traffic", read=part, metavar="PART", default=TRAFFIC_DEFAULTS.slow_share,
        help="part of the workers that slow requests of strangers and robots may hold", write=str,
        shown=str(TRAFFIC_DEFAULTS.slow_share),
    ),
    Option(
        names=("--queue-target",), group="traffic", read=values.delay, metavar="SECONDS",
        default=TRAFFIC_DEFAULTS.queue_target, shown=f"{TRAFFIC_DEFAULTS.queue_target:g}",
        help="where waits stay longer, the lowest class gets 503 at once; 0 for never",
    ),
)  # fmt: skip


def traffic_settings(given: dict[str, Any]) -> TrafficSettings:
    """Make the settings of the values of all options, by their keys."""
    return TrafficSettings(shares=given["shares"], queue_target=given["queue_target"], slow_share=given["slow_share"])
