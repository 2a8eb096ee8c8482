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


def test_a_body_that_is_too_large_is_refused_even_if_nobody_will_read_it() -> None:
    """A piece at a time."""
    for keep in (True, False):
        body = Body(100)
        body.take(b"abc", 5, keep)
        body.take(b"de", 5, keep)
        with pytest.raises(ClientFault) as raised:
            body.take(b"f", 5, keep)
        assert (413, 5) == (raised.value.status, body.size)
        assert (b"abcde" if keep else b"") == read_all(body)
