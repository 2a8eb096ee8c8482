"""A file is believed to be the one that was named only while it is that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracd_cluster.front.named import FileChanged, Named
from tracd_cluster.tracd.naming import line_of


def name(path: Path) -> Named:
    """Name a file as a worker does."""
    with path.open("rb") as file:
        return Named.read(line_of(file, path.stat().st_size).partition(b": ")[2][:-2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that was written a while ago."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    return path


@pytest.mark.parametrize("value", [b"", b"1 2 3:4", b"a 2 3:4 /x", b"1 2 34 /x", b"1 2 3:4 /x y", b"/etc/passwd"])
def test_what_names_nothing_is_refused(value: bytes) -> None:
    """Nobody but a worker of ours writes it, and it does so in one form."""
    with pytest.raises(ValueError, match=r".+"):
        Named.read(value)


def test_the_file_that_was_named_is_opened(path: Path) -> None:
    """Also through a symbolic link, as htdocs may have."""
    link = path.with_name("link")
    link.symlink_to(path)
    for named in (name(path), name(link)):
        fd = named.open()
        assert b"hello" == os.read(fd, 9)
        named.check(fd)
        os.close(fd)


@pytest.mark.parametrize("deed", ["replaced", "longer", "touched", "folder", "fifo", "gone", "secret"])
def test_another_file_is_not(path: Path, deed: str) -> None:
    """Whatever has come in its place; and nothing stays open, and nothing is waited for."""
    named = name(path)
    if deed == "replaced":
        other = path.with_name("other")
        other.write_bytes(b"HELLO")
        os.utime(other, ns=(named.changed, named.changed))
        other.replace(path)
    elif deed == "longer":
        path.write_bytes(b"hello!")
        os.utime(path, ns=(named.changed, named.changed))
    elif deed == "touched":
        path.touch()
    elif deed == "secret":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("/etc/passwd")
    else:
        path.unlink()
        if deed == "folder":
            path.mkdir()
        elif deed == "fifo":
            os.mkfifo(path)
    before = os.listdir("/proc/self/fd")
    with pytest.raises((FileChanged, FileNotFoundError)):
        named.open()
    assert before == os.listdir("/proc/self/fd")


def test_an_open_file_that_is_written_to_is_noticed(path: Path) -> None:
    """Even if its size stays."""
    named = name(path)
    fd = named.open()
    path.write_bytes(b"HELLO")
    with pytest.raises(FileChanged):
        named.check(fd)
    os.close(fd)


def test_the_entity_tag_changes_with_the_file_and_only_then(path: Path) -> None:
    """And it is a strong one."""
    first = name(path).etag
    assert first == name(path).etag
    assert first.startswith(b'"')
    assert first.endswith(b'"')
    path.touch()
    assert first != name(path).etag


def test_what_trac_says_of_it_counts(path: Path) -> None:
    """Its tag, if it gives one, its date, its type."""
    named = name(path)
    whole, fields = named.whole([(b"content-TYPE", b"a/b"), (b"Last-Modified", b"then")])
    assert (5, named.etag, b"then", b"a/b") == (whole.size, whole.etag, whole.modified, whole.content_type)
    assert (b"ETag", named.etag) == fields[-1]
    whole, fields = named.whole([(b"ETag", b'W/"own"')])
    assert b'W/"own"' == whole.etag
    assert [(b"ETag", b'W/"own"')] == fields
