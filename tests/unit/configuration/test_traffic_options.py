"""What can be said of traffic on the command line."""

from __future__ import annotations

from tracd_cluster.configuration.config import load
from tracd_cluster.settings.traffic import TrafficSettings


def test_defaults() -> None:
    """Those of the settings."""
    assert TrafficSettings() == load(["."]).traffic
