"""Tide tables and curves for people: plain text for terminals, SVG for the web page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from .forecast import Extreme, Turn

WIDTH, HEIGHT, MARGIN = 720, 240, 24


def table(extremes: Iterable[Extreme]) -> str:
    """Lay out high and low waters, a line for each day."""
    lines = []
    for day, group in groupby(extremes, key=lambda each: each.when.date()):
        cells = "  ".join(f"{arrow(each)} {each.when:%H:%M} {each.height:5.2f} m" for each in group)
        lines.append(f"{day:%a %d %b}  {cells}")
    return "\n".join(lines)


def arrow(extreme: Extreme) -> str:
    """Give the sign that stands before a high or a low water."""
    return "▲" if extreme.turn is Turn.HIGH else "▽"


def scale(values: Sequence[float], size: int) -> list[float]:
    """Stretch values over a number of pixels; all the same lie in the middle."""
    low, high = min(values), max(values)
    if low == high:
        return [size / 2 for _ in values]
    return [(value - low) / (high - low) * size for value in values]


def curve(points: Sequence[tuple[datetime, float]]) -> str:
    """Draw the tide as one SVG path."""
    across = scale([when.timestamp() for when, _ in points], WIDTH - 2 * MARGIN)
    up = scale([height for _, height in points], HEIGHT - 2 * MARGIN)
    pairs = [f"{x + MARGIN:.1f},{HEIGHT - MARGIN - y:.1f}" for x, y in zip(across, up, strict=True)]
    return f'<path class="tide" d="M{" L".join(pairs)}"/>'


def chart(points: Sequence[tuple[datetime, float]], title: str) -> str:
    """Draw the tide with its frame, ready to stand in a page."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f'<rect class="frame" x="{MARGIN}" y="{MARGIN}" width="{WIDTH - 2 * MARGIN}" height="{HEIGHT - 2 * MARGIN}"/>'
        f"{curve(points)}</svg>"
    )
