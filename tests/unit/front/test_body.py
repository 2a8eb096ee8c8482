"""Bodies in memory and in files."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.body import Body
from tracd_cluster.front.spool import Spool


def read_all(body: Body) -> bytes:
    """Read a body from its start to its end."""
    data = body.start()
    while more := body.read(7):
        data += more
    return data


def test_a_body_can_be_read_again() -> None:
    """A request that is sent to a second worker has all of its body again, large or small."""
    for pieces in ([b"ab", b"cd"], [b"ab" * 10, b"cd" * 10]):
        body = Body(10, Spool(1000))
        for piece in pieces:
            body.write(piece)
        assert b"".join(pieces) == read_all(body) == read_all(body)
        assert len(b"".join(pieces)) == body.size


def test_a_body_at_the_limit_stays_in_memory() -> None:
    """Small uploads do not touch the disk."""
    body = Body(4, Spool(1000))
    body.write(b"abcd")
    assert b"abcd" == body.start()
    body.write(b"e")
    assert b"" == body.start()
    assert b"abcde" == body.read(100)


def test_a_client_may_send_so_much() -> None:
    """Whether it is kept or only counted."""
    for keep in (True, False):
        body = Body(4, Spool(1000))
        body.take(b"abc", 5, keep)
        body.take(b"de", 5, keep)
        assert 5 == body.size
        assert (b"abcde" if keep else b"") == read_all(body)
        with pytest.raises(ClientFault) as raised:
            body.take(b"f", 5, keep)
        assert 413 == raised.value.status


def test_a_full_disk_is_the_servers_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told that there is no room."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(ClientFault) as raised:
        Body(4, Spool(1000)).take(b"abcde", 10, keep=True)
    assert 507 == raised.value.status


def test_a_file_takes_room_until_it_is_closed() -> None:
    """Once, however often it is closed; what is in memory takes none."""
    spool = Spool(1000)
    small, large, other = Body(4, spool), Body(4, spool), Body(4, spool)
    for body, pieces in ((small, [b"abcd"]), (large, [b"abc", b"def", b"g"]), (other, [b"x" * 100])):
        for piece in pieces:
            body.take(piece, 1000, keep=True)
    assert 107 == spool.used
    for _ in range(2):
        large.close()
        small.close()
        assert 100 == spool.used
    assert 7 == large.size
    del body, other
    assert 0 == spool.used


def test_a_body_that_finds_no_room_gives_back_what_it_had() -> None:
    """Whether all bodies together are too many, or it is too long by itself, or the disk is full."""
    for most, limit, status in ((1000, 8, 507), (8, 1000, 413)):
        spool = Spool(limit)
        body = Body(4, spool)
        body.take(b"abcdef", most, keep=True)
        assert 6 == spool.used
        with pytest.raises(ClientFault) as raised:
            body.take(b"ghi", most, keep=True)
        assert (status, 0) == (raised.value.status, spool.used)


def test_a_body_that_was_given_up_has_no_end() -> None:
    """A lane that were still sending it would take an end for the body's own."""
    body = Body(4, Spool(1000))
    body.write(b"abcdef")
    body.close()
    with pytest.raises(OSError, match="given up"):
        body.read(10)


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of this process, nothing is left; and nobody else can open it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    body = Body(4, Spool(1000))
    body.write(b"abcdef")
    assert [] == list(tmp_path.iterdir())
    assert any(str(tmp_path) in os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink())
    assert b"abcdef" == read_all(body)


def test_small_pieces_take_no_more_memory_than_large_ones() -> None:
    """A client chooses them: chunks of two bytes once took thirty times as much."""
    body = Body(65536, Spool(0))
    tracemalloc.start()
    try:
        for _ in range(32768):
            body.take(b"x" * 2, 65536, keep=True)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 65536 <= taken <= 80_000
    assert b"x" * 65536 == body.start()
