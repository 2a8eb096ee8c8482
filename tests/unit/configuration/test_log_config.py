"""What the options of logs mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.log import LogSettings


def test_where_and_in_which_form(tmp_path: Path) -> None:
    """A file's path is made absolute; standard output and syslog are words."""
    words = ["--access-log", str(tmp_path / "a"), "--access-log-format", "json", "--log-format", "json"]
    expected = LogSettings(access=str(tmp_path / "a"), access_form="json", messages="json")
    assert expected == load([str(tmp_path), *words]).log
    assert LogSettings() == load([str(tmp_path)]).log
    for word in ("-", "syslog"):
        assert word == load([str(tmp_path), "--access-log", word]).log.access


def test_a_daemon_has_no_standard_output(tmp_path: Path) -> None:
    """It is told at the start."""
    with pytest.raises(ConfigError, match="-d has none"):
        load([str(tmp_path), "-d", "--access-log", "-"])


@pytest.mark.parametrize("words", [("--access-log", "/nowhere/log"), ("--log-format", "xml")])
def test_a_wrong_value_is_named(tmp_path: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the option, and what was expected."""
    with pytest.raises((SystemExit, ConfigError)):
        load([str(tmp_path), *words])
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<p>$nothing", r"\$nothing is not known, only \$status, \$phrase"),
        ("<p>$reason $5", r"a dollar that stands for itself is written \$\$"),
        ("<p>Sorry", r"has no \$reason"),
        ("x" * 300_000, "more than 256 KiB"),
    ],
)
def test_a_page_that_cannot_be_filled_in(tmp_path: Path, html: str, said: str) -> None:
    """It is refused at the start, not when somebody needs it."""
    (tmp_path / "page.html").write_text(html)
    with pytest.raises(ConfigError, match=said):
        load([str(tmp_path), "--error-page", str(tmp_path / "page.html")])


def test_a_page_of_ones_own(tmp_path: Path) -> None:
    """Dollars may stand for themselves."""
    page = tmp_path / "page.html"
    page.write_text("<p>$reason $$5 ${request}")
    assert "<p>$reason $$5 ${request}" == load([str(tmp_path), "--error-page", str(page)]).front.error_page
