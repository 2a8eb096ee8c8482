"""Files as they come into memory: in their state, and in forms that are smaller."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import brotli
import pytest
from twisted.internet.defer import Deferred

from tracd_cluster.codings import LEAST
from tracd_cluster.front.compressed import Loaded, Loader, identity_of, load

CSS = b"body { color: navy }\n" * 100


def put(folder: Path, data: bytes, name: str = "a.css") -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(data)
    return path


def loaded(path: Path, compress: bool = True) -> Loaded:
    """Load a file as it is."""
    found = load(os.fsencode(path), identity_of(path.stat()), compress)
    assert found is not None
    return found


def test_a_style_sheet_has_three_forms(tmp_path: Path) -> None:
    """And all of them are the same file."""
    found = loaded(put(tmp_path, CSS))
    assert CSS == found.plain
    assert CSS == gzip.decompress(found.forms[b"gzip"])
    assert CSS == brotli.decompress(found.forms[b"br"])
    assert len(CSS) + len(found.forms[b"gzip"]) + len(found.forms[b"br"]) == found.size


@pytest.mark.parametrize("data", [CSS[: LEAST - 1], os.urandom(5000), b""])
def test_what_would_not_gain_stays_as_it_is(tmp_path: Path, data: bytes) -> None:
    """What is small, and what does not become smaller."""
    assert {} == loaded(put(tmp_path, data)).forms


def test_what_is_not_to_be_compressed_is_not(tmp_path: Path) -> None:
    """However well it could be."""
    assert {} == loaded(put(tmp_path, CSS), compress=False).forms


def test_the_same_file_makes_the_same_bytes(tmp_path: Path) -> None:
    """No time of making is in them: one entity tag stands for one row of bytes."""
    path = put(tmp_path, CSS)
    os.utime(path, (1, 1))
    first = loaded(path).forms
    os.utime(path, (2, 2))
    assert first == loaded(path).forms


def test_a_file_in_another_state_is_not_taken(tmp_path: Path) -> None:
    """Its address would show something else than its entity tag says."""
    path = put(tmp_path, CSS)
    identity = identity_of(path.stat())
    path.write_bytes(CSS + b" ")
    assert load(os.fsencode(path), identity, True) is None
    path.unlink()
    assert load(os.fsencode(path), identity, True) is None
    os.mkfifo(path)
    assert load(os.fsencode(path), identity, True) is None  # and nobody waits for the other end


class Threads:
    """A thread pool whose work is done when the test says so."""

    def __init__(self) -> None:
        self.works: list[tuple[Any, Deferred[Any]]] = []

    def __call__(self, work: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.works.append((work, done))
        return done

    def run(self) -> None:
        """Do the oldest."""
        work, done = self.works.pop(0)
        done.callback(work())


def test_one_file_is_loaded_at_a_time(tmp_path: Path) -> None:
    """However many are wanted at once."""
    threads, told = Threads(), list[Loaded | None]()
    loader = Loader(threads)
    paths = [put(tmp_path, CSS + bytes([number]), f"{number}.css") for number in range(3)]
    for path in paths:
        loader(os.fsencode(path), identity_of(path.stat()), True, told.append)
    paths[1].unlink()
    for number in range(3):
        assert 1 == len(threads.works)
        threads.run()
        assert number + 1 == len(told)
    assert [] == threads.works
    assert [CSS + b"\0", None, CSS + b"\2"] == [each and each.plain for each in told]
    loader(os.fsencode(paths[2]), identity_of(paths[2].stat()), True, told.append)
    threads.run()
    assert 4 == len(told)
