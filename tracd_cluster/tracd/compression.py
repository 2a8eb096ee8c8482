"""Pages compressed on their way out, where the operator wants it (``PoolSettings.compress_pages``).

Note [Not by default]. A page that holds a secret and something that another site has made its visitor ask for, as
``/search?q=...`` does, tells by its compressed size how much the two are alike; whoever can watch the visitor's line
guesses the secret letter by letter (BREACH, CVE-2013-3587). Trac's form token is such a secret. Static files have
none, and are compressed anyway (front/compressed.py).

gzip alone: everything takes it, and Brotli, where it is as fast, makes pages but a tenth smaller than that. An answer
that might have come compressed says so (``Vary``), and its entity tag is a weak one: its forms are not the same bytes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from tracd_cluster.codings import BROTLI, GZIP, compressible, order

LEVEL = 5
"""A wiki page of 47 KB becomes 11.8 KB in 0.9 ms; 9 makes 11.6 KB of it, in 1.3 ms."""

_STRONG = re.compile(rb'(\r\n[Ee][Tt][Aa][Gg]: *)"')


class Deflate:
    """The body of one answer on its way through gzip."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # 16: with gzip's head and foot

    def piece(self, data: bytes) -> bytes:
        """Compress a part of the body so that it can be read before the next one comes."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def last(self, data: bytes) -> bytes:
        """Compress the last part."""
        return self._stream.compress(data) + self._stream.flush()


def wanted(accept: str) -> bool:
    """Tell whether a client likes gzip as well as the plain page."""
    for coding in order(accept.encode("latin-1")):
        if coding != BROTLI:
            return coding == GZIP
    return False


_NEVER = ("204", "206")
_CODED = ("content-encoding", "content-range")


def may_be_coded(status: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Tell whether an answer, or the one that this is instead of, may come compressed."""
    kind = ""
    for name, value in headers:
        folded = name.lower()
        if folded == "content-type":
            kind = value
        elif folded in _CODED or (folded == "cache-control" and "no-transform" in value.lower()):
            return False
    if status[:3] == "304":
        return True
    return status[:3] not in _NEVER and compressible(kind.encode("latin-1", "replace"))


def varied(head: bytes) -> bytes:
    """Give the head of an answer that may come in more than one form."""
    return _STRONG.sub(rb'\1W/"', head) + b"\r\nVary: Accept-Encoding"
