"""What is worth being compressed, what a client takes of our codings, and what it likes best."""

from __future__ import annotations

import pytest

from tracd_cluster.codings import LONGEST, compressible, order

BR, GZIP, PLAIN = b"br", b"gzip", b"identity"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"gzip, deflate, br, zstd", [BR, GZIP, PLAIN]),  # a browser, over HTTPS
        (b"gzip, deflate", [GZIP, PLAIN]),  # and over plain HTTP
        (b"GZip;Q=0.5", [GZIP, PLAIN]),
        (b"x-gzip", [GZIP, PLAIN]),
        (b"", [PLAIN]),
        (b"deflate", [PLAIN]),
        (b"*", [BR, GZIP, PLAIN]),
        (b"*;q=0", []),
        (b"gzip;q=0, *", [BR, PLAIN]),
        (b"identity;q=0, *", [BR, GZIP]),
        (b"identity;q=0", []),
        (b"gzip;q=0", [PLAIN]),
        (b"*;q=0, identity", [PLAIN]),
        (b"gzip;q=1.0, br;q=0.9", [GZIP, BR, PLAIN]),
        (b"identity, gzip;q=0.5", [PLAIN, GZIP]),
        (b"identity;q=0.5, gzip;q=0.5", [GZIP, PLAIN]),
        (b"br ; q=0.001 ,gzip\t;q=0.002", [GZIP, BR, PLAIN]),
        (b"gzip;q=2, br;q=nan", [PLAIN]),  # what cannot be read says nothing
        (b"gzip;q=1.5;x=1,,;,br", [BR, PLAIN]),
        (b"g\xffzip, br;q=0.5", [BR, PLAIN]),
    ],
)
def test_order(accept: bytes, expected: list[bytes]) -> None:
    """By weight, and the smaller of equals; what is not spoken of is plain (RFC 9110 section 12.5.3)."""
    assert expected == list(order(accept))


def test_a_field_that_is_too_long_is_not_read() -> None:
    """It would cost more than it saves."""
    assert [PLAIN] == list(order(b"br," * LONGEST))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"text/css", True),
        (b"Text/HTML; charset=utf-8", True),
        (b"application/javascript", True),
        (b"application/json", True),
        (b"image/svg+xml", True),
        (b"image/vnd.microsoft.icon", True),
        (b"font/ttf", True),
        (b"image/png", False),
        (b"font/woff2", False),
        (b"application/zip", False),
        (b"application/octet-stream", False),
        (b"", False),
    ],
)
def test_which_types_compress(kind: bytes, expected: bool) -> None:
    """Text in all its dresses, and no pictures."""
    assert expected is compressible(kind)
