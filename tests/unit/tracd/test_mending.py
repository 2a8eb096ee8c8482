"""What is put right in Trac stays out of the way otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tracd_cluster.tracd import mending
from tracd_cluster.tracd.mending import closing_log, keeping_settings, opening_for_head


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


class Done(Exception):
    """Ends a request, as Trac's own does."""


class Request:
    """What Trac's request is to the mending."""

    def __init__(self, method: str, status: str = "200 OK") -> None:
        self.method = method
        self.environ = {"wsgi.file_wrapper": list}
        self._status = status
        self._response: Any = None

    def send_file(self, path: str, mimetype: str | None = None) -> None:
        raise Done


@pytest.mark.parametrize(
    ("method", "status", "opened"),
    [("HEAD", "200 OK", True), ("HEAD", "304 Not Modified", False), ("GET", "200 OK", False)],
)
def test_a_file_is_opened_for_head(tmp_path: Path, method: str, status: str, opened: bool) -> None:
    """Where Trac itself does not; the request ends as before."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    request = Request(method, status)
    with pytest.raises(Done):
        opening_for_head(Request.send_file, Done)(request, str(path))
    assert (request._response == [b"hello"]) == opened


def test_a_file_that_cannot_be_opened_is_told_of_all_the_same() -> None:
    """By what Trac has said."""
    request = Request("HEAD")
    with pytest.raises(Done):
        opening_for_head(Request.send_file, Done)(request, "/nowhere/at/all")
    assert request._response is None
