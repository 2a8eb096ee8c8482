"""The options that say who comes first when workers are short, and what strangers may cost."""

from __future__ import annotations

from typing import Any

from tracd_cluster.configuration.option import Option
from tracd_cluster.settings.traffic import TrafficSettings

TRAFFIC: tuple[Option, ...] = ()


def traffic_settings(values: dict[str, Any]) -> TrafficSettings:
    """Make the settings of the values of all options, by their keys."""
    return TrafficSettings()
