"""The password's file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracd_cluster.admin.password import read_password
from tracd_cluster.errors import StartError


@pytest.mark.parametrize("text", ["correct horse\n", "correct horse", "correct horse\r\nmore\n"])
def test_it_is_the_first_line(tmp_path: Path, text: str) -> None:
    """As editors and echo write it."""
    path = tmp_path / "password"
    path.write_text(text)
    os.chmod(path, 0o640)
    assert b"correct horse" == read_password(str(path))


@pytest.mark.parametrize(("text", "mode", "why"), [
    ("correct horse", 0o644, "is open to everybody on this host: chmod o= "),
    ("tiny horse", 0o600, "has 10 bytes; 12 are the least"),
    ("", 0o600, "has 0 bytes"),
    ("\ncorrect horse", 0o600, "has 0 bytes"),
])  # fmt: skip
def test_what_is_none(tmp_path: Path, text: str, mode: int, why: str) -> None:
    """The message has the file, and never the password."""
    path = tmp_path / "password"
    path.write_text(text)
    os.chmod(path, mode)
    with pytest.raises(StartError, match=why) as caught:
        read_password(str(path))
    assert str(path) in str(caught.value)
    assert not text or text.strip() not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It may have been removed since the start."""
    with pytest.raises(StartError, match="No such file"):
        read_password(str(tmp_path / "nothing"))
