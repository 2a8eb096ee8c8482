"""The certificate for trying things out."""

from __future__ import annotations

from pathlib import Path
from time import time

import pytest

from tracd_cluster.errors import StartError
from tracd_cluster.front.certificates import load_pair
from tracd_cluster.front.demo_certificate import LIFETIME, keep

DAY = 86400.0


def test_it_is_made_once_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    """A browser that was told to trust it goes on doing so."""
    folder = tmp_path / "demo"
    pair = keep(str(folder), time())
    before = Path(pair.certificate).read_bytes()
    assert pair == keep(str(folder), time())
    assert before == Path(pair.certificate).read_bytes()
    assert 0o600 == Path(pair.key).stat().st_mode & 0o777
    assert ("localhost", "127.0.0.1", "::1") == load_pair(pair).names
    assert ["localhost-key.pem", "localhost.pem"] == sorted(path.name for path in folder.iterdir())


def test_it_is_made_anew_before_it_expires_and_when_it_is_spoiled(tmp_path: Path) -> None:
    """Nobody has to know about its files."""
    pair = keep(str(tmp_path), time())
    first = Path(pair.certificate).read_bytes()
    later = time() + LIFETIME.total_seconds() - DAY
    assert load_pair(keep(str(tmp_path), later)).not_after > later + 300 * DAY
    second = Path(pair.certificate).read_bytes()
    assert first != second
    Path(pair.key).write_text("spoiled")
    keep(str(tmp_path), time())
    assert second != Path(pair.certificate).read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The option is named, and what stands in its way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"--demo-cert .*file/x: cannot write .*: Not a directory"):
        keep(str(tmp_path / "file" / "x"), time())
