"""What can be said of traffic on the command line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tracd_cluster.configuration.config import configure, load
from tracd_cluster.configuration.traffic_options import CLASSES
from tracd_cluster.settings.traffic import TrafficSettings
from tracd_cluster.traffic.place import Level


def test_defaults() -> None:
    """Those of the settings."""
    assert TrafficSettings() == load(["."]).traffic


def test_classes_are_called_what_they_are_called_everywhere() -> None:
    """Each has a share."""
    assert list(CLASSES) == [level.word for level in Level]
    assert len(CLASSES) == len(TrafficSettings().shares)


def test_values() -> None:
    """Those classes that are named, and a part written in any way."""
    assert (32, 4, 2, 8) == load(["--shares", "people=32, robots=8", "."]).traffic.shares
    for text in ("1/4", "0.25", "25%"):
        assert Fraction(1, 4) == load(["--slow-share", text, "."]).traffic.slow_share
    assert 1 == load(["--slow-share", "100%", "."]).traffic.slow_share
    assert 0.5 == load(["--queue-target", "0.5", "."]).traffic.queue_target
    assert 0 == load(["--queue-target", "0", "."]).traffic.queue_target


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    """From a configuration file."""
    shown = configure(["--shares", "visitors=9", "--slow-share", "40%", "."], "tracd-cluster")[0].show()
    assert 'shares = "people=16,visitors=9,strangers=2,robots=1"' in shown
    assert 'slow-share = "2/5"' in shown
    file = tmp_path / "c.toml"
    file.write_text('shares = "visitors=9"\nslow-share = "2/5"\n')
    traffic = load(["--config", str(file), "."]).traffic
    assert TrafficSettings(shares=(16, 9, 2, 1), slow_share=Fraction(2, 5)) == traffic


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--shares", "friends=3", "'friends=3' is not a class and its share: one of people, visitors"),
        ("--shares", "people=16,", "'' is not a class and its share"),
        ("--shares", "people=0", "'people=0' has no share from 1 to 1000, as in people=4"),
        ("--shares", "robots=1001", "has no share from 1 to 1000"),
        ("--shares", "robots=a", "has no share from 1 to 1000"),
        ("--slow-share", "0", "'0' is not a part above 0 and up to 1, such as 1/3, 0.25 or 25%"),
        ("--slow-share", "101%", "is not a part"),
        ("--slow-share", "1/0", "is not a part"),
        ("--slow-share", "1e-999999", "is not a part"),
        ("--slow-share", "half", "is not a part"),
        ("--queue-target", "-1", "'-1' is not a number of seconds above 0"),
    ],
)
def test_what_is_wrong_is_named(option: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The option, the value, and what was expected."""
    with pytest.raises(SystemExit):
        load([option, value, "."])
    said = capsys.readouterr().err
    assert option in said
    assert expected in said
