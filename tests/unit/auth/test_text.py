"""Names and passwords: what is text, and how it is quoted."""

from __future__ import annotations

import pytest

from tracd_cluster.auth.text import quoted, text_of


@pytest.mark.parametrize("raw", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"a\0", b"a\nb", b"\x7f", b"\xc2\x9b31m"])
def test_what_is_not_text(raw: bytes) -> None:
    """Neither other encodings nor control characters, plain or in disguise, become a name."""
    assert text_of(raw) is None


def test_text_keeps_its_characters() -> None:
    """A name in any script is given as it was written."""
    assert "Jäsøn 名" == text_of("Jäsøn 名".encode())
    assert "" == text_of(b"")


def test_a_quoted_string_ends_where_its_text_does() -> None:
    """Quotes and backslashes in a realm cannot end it early."""
    assert rb'"a \"b\" c:\\d' b'\xc3\xa9"' == quoted('a "b" c:\\dé')
