"""What can be said of static files on the command line."""

from __future__ import annotations

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.settings.static import StaticSettings


def test_defaults() -> None:
    """Memory for all that Trac has, and nothing said to browsers."""
    assert StaticSettings() == load(["."]).static
    assert (32 << 20, 0) == (load(["."]).static.memory, load(["."]).static.max_age)


def test_values() -> None:
    """Sizes and times as everywhere."""
    static = load(["--static-memory", "1M", "--static-max-age", "86400", "."]).static
    assert (1 << 20, 86400) == (static.memory, static.max_age)
    assert 0 == load(["--static-memory=0", "."]).static.memory


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--static-memory", "much", "'much' is not a size such as"),
        ("--static-max-age", "1d", "'1d' is not a whole number of seconds"),
        ("--static-max-age", "-1", "'-1' is not a whole number of seconds"),
    ],
)
def test_what_is_wrong_is_named(option: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The option, the value, and what was expected."""
    with pytest.raises(SystemExit):
        load([option, value, "."])
    said = capsys.readouterr().err
    assert option in said
    assert expected in said
