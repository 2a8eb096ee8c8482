"""What is put right in Trac stays out of the way otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.tracd import mending
from tracd_cluster.tracd.mending import closing_log, keeping_settings


def test_an_environment_that_opens_is_handed_through() -> None:
    """Nothing changes for a project in order."""
    assert ("/srv/x", True) == closing_log(lambda path, use_cache: (path, use_cache))("/srv/x", use_cache=True)


def test_a_log_is_closed_when_opening_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is Trac's own, and no descriptor stays behind."""
    closed: list[str] = []
    monkeypatch.setattr(mending, "_close_log", closed.append)

    def failing(path: str, use_cache: bool) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        closing_log(failing)("/srv/x")
    assert ["/srv/x"] == closed


class Settings:
    """What ``Configuration`` is to the mending; what it reads next is ``file``."""

    def __init__(self) -> None:
        self.parser, self._lastmtime, self._pristine_parser, self.parents = "old", 1, "old", ["parent"]
        self.file: str | Exception = "old"

    def parse(self, force: bool = False) -> bool:
        self.parser = "half"
        if isinstance(self.file, Exception):
            self._lastmtime = 2
            raise self.file
        self.parser = self._pristine_parser = self.file
        return True


def test_settings_that_cannot_be_parsed_change_nothing() -> None:
    """While somebody mends trac.ini, its project goes on with what was good before; then it takes what is new."""
    parse = keeping_settings(Settings.parse)
    settings = Settings()
    settings.file = ValueError("nonsense")
    assert parse(settings) is False
    assert ("old", 1, "old", ["parent"]) == (
        settings.parser, settings._lastmtime, settings._pristine_parser, settings.parents
    )  # fmt: skip
    settings.file = "new"
    assert parse(settings) is True
    assert "new" == settings.parser


def test_what_cannot_be_parsed_at_first_cannot_be_opened() -> None:
    """There is nothing to go on with."""
    settings = Settings()
    settings.file = ValueError("nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        keeping_settings(Settings.parse)(settings, force=True)
