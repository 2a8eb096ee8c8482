"""Bodies in memory and in files."""

from __future__ import annotations

import pytest

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.body import Body


def read_all(body: Body) -> bytes:
    """Read a body from its start to its end."""
    data = body.start()
    while more := body.read(7):
        data += more
    return data


def test_a_body_can_be_read_again() -> None:
    """A request that is sent to a second worker has all of its body again, large or small."""
    for pieces in ([b"ab", b"cd"], [b"ab" * 10, b"cd" * 10]):
        body = Body(10)
        for piece in pieces:
            body.write(piece)
        assert b"".join(pieces) == read_all(body) == read_all(body)
        assert len(b"".join(pieces)) == body.size


def test_a_body_at_the_limit_stays_in_memory() -> None:
    """Small uploads do not touch the disk."""
    body = Body(4)
    body.write(b"abcd")
    assert b"abcd" == body.start()
    body.write(b"e")
    assert b"" == body.start()
    assert b"abcde" == body.read(100)


def test_a_client_may_send_so_much() -> None:
    """Whether it is kept or only counted."""
    for keep in (True, False):
        body = Body(4)
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
        Body(4).take(b"abcde", 10, keep=True)
    assert 507 == raised.value.status
