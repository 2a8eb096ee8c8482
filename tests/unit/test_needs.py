"""A test that cannot run here fails, unless somebody wants it left out."""

from __future__ import annotations

import os
import sys

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.needs import require


def test_what_is_there() -> None:
    """Programs on the path and off it, files, and what is neither."""
    require("CPython", "sh", sys.executable, __file__)


@pytest.mark.parametrize("need", ["no-such-program", "/no/such/file"])
def test_what_is_not_there(need: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with what leaves the test out."""
    monkeypatch.delenv("LACKING", raising=False)
    with pytest.raises(Failed, match=f"^{need} is not there; LACKING=skip leaves out what needs it$"):
        require("sh", need)
    monkeypatch.setenv("LACKING", "skip")
    with pytest.raises(Skipped, match=f"^{need} is not there$"):
        require("sh", need)


def test_root_is_who_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody else."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    require("root")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises((Failed, Skipped), match=r"^root is not there"):
        require("root")
