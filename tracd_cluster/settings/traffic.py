"""What each class of requests may cost, when workers are short."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSettings:
    """Who comes before whom, and how far (traffic/place.py has the classes)."""
