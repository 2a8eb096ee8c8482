"""What is worth being compressed, which codings a client takes, and which it likes best (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re

BROTLI, GZIP, IDENTITY = b"br", b"gzip", b"identity"
OURS = (BROTLI, GZIP, IDENTITY)
"""The smallest first: what a client likes as well as another."""

LONGEST = 256
"""Bytes of a field worth reading; browsers send 30. A longer one costs more to read than it can save."""

LEAST = 1024
"""Bytes below which a file or page stays as it is: it fits into the packet that its head travels in."""

_TYPES = (
    b"text/",
    b"application/javascript",
    b"application/x-javascript",
    b"application/ecmascript",
    b"application/json",
    b"application/manifest+json",
    b"application/xml",
    b"application/xhtml+xml",
    b"application/rss+xml",
    b"application/atom+xml",
    b"application/wasm",
    b"application/vnd.ms-fontobject",
    b"image/svg+xml",
    b"image/bmp",
    b"image/x-icon",
    b"image/vnd.microsoft.icon",
    b"font/ttf",
    b"font/otf",
)
"""What compresses well; pictures, archives and woff fonts are compressed already."""

_MEMBER = re.compile(rb"[ \t]*([-!#$%&'*+.^_`|~0-9a-z]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*\Z")
_UNSAID = 0.0001
"""The weight of a plain answer that nobody has spoken of: it is acceptable, and everything that is named is better."""


def compressible(content_type: bytes) -> bool:
    """Tell whether what is of this type becomes smaller."""
    return content_type.lower().startswith(_TYPES)


def order(accept: bytes) -> tuple[bytes, ...]:
    """Give the codings that a client takes by its Accept-Encoding, the best first.

    A member that cannot be read says nothing.
    """
    if len(accept) > LONGEST:
        return (IDENTITY,)
    weights: dict[bytes, float] = {}
    for member in accept.lower().split(b","):
        match = _MEMBER.match(member)
        if match is not None:
            name = GZIP if match[1] == b"x-gzip" else match[1]
            weights[name] = float(match[2]) if match[2] is not None else 1.0
    others = weights.get(b"*")
    unsaid = {BROTLI: others or 0.0, GZIP: others or 0.0, IDENTITY: _UNSAID if others is None else others}
    found = [(weights.get(coding, unsaid[coding]), coding) for coding in OURS]
    return tuple(coding for weight, coding in sorted(found, key=_by_weight) if weight)


def _by_weight(found: tuple[float, bytes]) -> float:
    return -found[0]
