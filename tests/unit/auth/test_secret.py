"""The secret that signs nonces."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracd_cluster.auth.secret import LEAST, LENGTH, read_secret
from tracd_cluster.errors import StartError


def write(path: Path, secret: bytes, mode: int = 0o600) -> str:
    """Write a secret."""
    path.write_bytes(secret)
    path.chmod(mode)
    return str(path)


def test_without_a_file_each_process_has_its_own() -> None:
    """Nobody can guess it, and it ends with the process."""
    first, second = read_secret(None), read_secret(None)
    assert (LENGTH, LENGTH) == (len(first), len(second))
    assert first != second


def test_a_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """The first start makes it, whatever the umask; every other one reads the same."""
    path = tmp_path / "secret"
    before = os.umask(0)
    try:
        first = read_secret(str(path))
    finally:
        os.umask(before)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert first == read_secret(str(path)) == path.read_bytes().strip()
    assert len(first) >= LENGTH


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o660])
def test_a_group_may_share_it(tmp_path: Path, mode: int) -> None:
    """An operator's own file counts as it is, without the line's end."""
    path = write(tmp_path / "secret", b"x" * LEAST + b"\r\n", mode)
    assert b"x" * LEAST == read_secret(path)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o666, 0o601])
def test_what_everybody_can_read_is_none(tmp_path: Path, mode: int) -> None:
    """The message says how to close it."""
    path = write(tmp_path / "secret", b"x" * 40, mode)
    with pytest.raises(StartError, match=f"is open to everybody on this host: chmod o= {path}"):
        read_secret(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"short", b" " * 50 + b"x" * (LEAST - 1)])
def test_what_can_be_guessed_is_none(tmp_path: Path, content: bytes) -> None:
    """An empty file, as left by a full disk, does not sign anything."""
    path = write(tmp_path / "secret", content)
    with pytest.raises(StartError, match=f"{path} has {len(content.strip())} bytes; a secret has {LEAST}"):
        read_secret(path)


def test_a_file_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    """A folder that is not there, and one in the file's place."""
    for path, why in ((tmp_path / "no" / "secret", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(StartError, match=f"cannot read --secret-file {path}: {why}"):
            read_secret(str(path))


def test_hosts_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    """Whoever makes it, nobody sees half of it, and nothing is left beside it."""
    with ThreadPoolExecutor(8) as hosts:
        for number in range(40):
            path = str(tmp_path / str(number))
            assert 1 == len(set(hosts.map(read_secret, [path] * 8)))
    assert 40 == len(list(tmp_path.iterdir()))
