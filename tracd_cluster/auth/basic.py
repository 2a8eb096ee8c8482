"""Basic: a name and a password in clear, as good as the connection they come by (RFC 7617)."""

from __future__ import annotations

import re
from base64 import b64decode

from tracd_cluster.auth.text import quoted, text_of

_CREDENTIALS = re.compile(rb"basic +([A-Za-z0-9+/]+)(={0,2})[ \t]*\Z", re.IGNORECASE)
"""The scheme in any case, spaces, and a token68 of the base64 alphabet (RFC 9110 sections 11.1 and 11.4)."""


def parse(value: bytes) -> tuple[str, str] | None:
    """Read a user and a password from the value of an Authorization field (RFC 7617 section 2).

    Gives None for another scheme, and for what is not base64 of UTF-8 with a colon after a user's name. The padding
    may be missing, as some clients leave it out; one that is there has to fit. An empty password is one.
    """
    credentials = _CREDENTIALS.match(value)
    if credentials is None:
        return None
    digits, padding = credentials[1], credentials[2]
    missing = -len(digits) % 4
    if missing == 3 or len(padding) not in (0, missing):
        return None
    text = text_of(b64decode(digits + b"=" * missing))
    if text is None:
        return None
    user, colon, password = text.partition(":")
    return (user, password) if user and colon else None


def challenge(realm: str) -> bytes:
    """Make the value of a WWW-Authenticate field that asks for Basic, in UTF-8 (RFC 7617 section 2.1)."""
    return b'Basic realm=%b, charset="UTF-8"' % quoted(realm)
