"""Names and passwords as text: how they are read from a client's bytes, and how a realm is written."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def text_of(raw: bytes) -> str | None:
    """Give the text that UTF-8 bytes stand for; None for other bytes, and for text with control characters.

    RFC 7617 section 2 forbids control characters in user names and passwords. Those above ASCII are refused too:
    a terminal obeys them, and names are written to the log.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def quoted(text: str) -> bytes:
    """Write ``text`` as a quoted-string (RFC 9110 section 5.6.4)."""
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
