"""Only a file that can be found again, and is all of the answer, is named."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracd_cluster.front.named import Named
from tracd_cluster.tracd.naming import line_of

HELLO = b"hello"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of five bytes, with a name that has to be encoded."""
    path = tmp_path / "a file, 100% \n größe"
    path.write_bytes(HELLO)
    return path


def test_a_file_on_disk_is_named_so_that_the_front_finds_it(path: Path) -> None:
    """The line is a line, and what the front reads of it is what is there."""
    with path.open("rb") as file:
        line = line_of(file, 5)
    name, _, value = line.partition(b": ")
    assert b"Tracd-Cluster-File" == name
    assert value.endswith(b"\r\n")
    assert value.isascii()
    found = path.stat()
    read = Named.read(value[:-2])
    assert (os.fsencode(path), 5, found.st_mtime_ns) == (read.path, read.size, read.changed)
    assert (found.st_dev, found.st_ino) == (read.device, read.inode)


@pytest.mark.parametrize("named", [str, os.fsencode, lambda path: path, os.path.relpath])
def test_however_it_was_opened_its_path_is_absolute(path: Path, named: Callable[[Path], Any]) -> None:
    """The front need not be where the worker is."""
    with open(named(path), "rb") as file:
        assert os.fsencode(path) == Named.read(line_of(file, 5).partition(b": ")[2][:-2]).path


def test_what_is_no_whole_file_is_not_named(path: Path, tmp_path: Path) -> None:
    """A length that is not that of the file, or none; a file of which something has been read; a closed one."""
    with path.open("rb") as file:
        assert b"" == line_of(file, 4)
        assert b"" == line_of(file, None)
        file.read(1)
        assert b"" == line_of(file, 5)
    assert b"" == line_of(file, 5)


def test_what_only_looks_like_a_file_is_not_named(path: Path) -> None:
    """What comes of it would be something else than what is on disk."""
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(HELLO))
    size = packed.stat().st_size
    with gzip.open(packed) as inside, io.BufferedReader(inside) as outside:
        assert b"" == line_of(inside, size)
        assert b"" == line_of(outside, size)
    with path.open(encoding="utf-8") as text:
        assert b"" == line_of(text, 5)
    assert b"" == line_of(io.BytesIO(HELLO), 5)
    assert b"" == line_of([HELLO], 5)


def test_what_has_no_name_or_will_not_have_it_long_is_not_named(path: Path) -> None:
    """Temporary files of both kinds, files known by a number, files whose name is gone, pipes."""
    with tempfile.TemporaryFile() as nameless, tempfile.NamedTemporaryFile() as short:
        for file in (nameless, short):
            file.write(HELLO)
            file.seek(0)
            assert b"" == line_of(file, 5)
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as numbered:
        assert b"" == line_of(numbered, 5)
    with path.open("rb") as gone:
        path.unlink()
        assert b"" == line_of(gone, 5)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        assert b"" == line_of(pipe, 0)
    os.mkfifo(path)
    with open(os.open(path, os.O_RDWR), "rb") as fifo:
        assert b"" == line_of(fifo, 0)
