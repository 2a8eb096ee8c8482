"""Numbers and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median


def middle(values: Iterable[float]) -> float | None:
    """Give the median, or None if there are no values."""
    found = list(values)
    return median(found) if found else None


def show(value: float | None, unit: str = "") -> str:
    """Write a number as precisely as it is worth."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{unit}"


def times(value: float | None) -> str:
    """Write a ratio."""
    return "-" if value is None else f"**{value:.2f}×**"  # noqa: RUF001 - the sign for times


def table(head: list[str], rows: list[list[str]]) -> str:
    """Lay out a Markdown table, numbers to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
