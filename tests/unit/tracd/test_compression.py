"""Which answers may come compressed, to whom, and what is said of them."""

from __future__ import annotations

import zlib

import pytest

from tracd_cluster.tracd.compression import Deflate, may_be_coded, varied, wanted

HTML = ("Content-Type", "text/html;charset=utf-8")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("gzip, deflate, br, zstd", True),
        ("br;q=1, gzip;q=0.1", True),
        ("*", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=0.5, identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("*;q=0", False),
        ("", False),
        ("g\xffzip", False),
    ],
)
def test_who_wants_gzip(accept: str, expected: bool) -> None:
    """Whoever likes it as well as the plain page."""
    assert expected is wanted(accept)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        ("200 OK", [HTML], True),
        ("404 Not Found", [("content-type", "Text/Plain")], True),
        ("200 OK", [("Content-Type", "application/rss+xml")], True),
        ("200 OK", [("Content-Type", "image/png")], False),
        ("200 OK", [], False),
        ("200 OK", [HTML, ("Content-Encoding", "br")], False),
        ("200 OK", [HTML, ("Cache-Control", "must-revalidate, No-Transform")], False),
        ("206 Partial Content", [HTML], False),
        ("200 OK", [HTML, ("Content-Range", "bytes 0-1/2")], False),
        ("204 No Content", [HTML], False),
        ("304 Not Modified", [], True),
    ],
)
def test_what_may_be_coded(status: str, headers: list[tuple[str, str]], expected: bool) -> None:
    """What compresses, is whole, and of which nobody says that it is to be left alone."""
    assert expected is may_be_coded(status, headers)


def test_a_strong_entity_tag_becomes_a_weak_one() -> None:
    """The two forms of a page are not the same bytes; a weak one stays, and so does all else."""
    vary = b"\r\nVary: Accept-Encoding"
    assert b'HTTP/1.1 200 OK\r\nETag: W/"a"\r\nX: "y"' + vary == varied(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nX: "y"')
    assert b'HTTP/1.1 200 OK\r\netag: W/"a"' + vary == varied(b'HTTP/1.1 200 OK\r\netag: "a"')
    assert b'HTTP/1.1 200 OK\r\nETag: W/"a"' + vary == varied(b'HTTP/1.1 200 OK\r\nETag: W/"a"')


def test_what_has_left_can_be_read() -> None:
    """Nobody waits for the next piece to see the one before."""
    coded, reader = Deflate(), zlib.decompressobj(31)
    for piece in (b"one " * 300, b"two " * 300):
        assert piece == reader.decompress(coded.piece(piece))
    assert b"three" == reader.decompress(coded.last(b"three"))
    assert reader.eof
