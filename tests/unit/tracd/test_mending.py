"""What is put right in Trac stays out of the way otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.tracd import mending
from tracd_cluster.tracd.mending import closing_log


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
