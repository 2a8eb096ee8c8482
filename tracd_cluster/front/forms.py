"""What is known of one static file, and its answers: heads made once, whatever coding a client wants."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from secrets import token_hex

from tracd_cluster import codings
from tracd_cluster.codings import compressible
from tracd_cluster.front.compressed import Identity, Loaded
from tracd_cluster.front.head import Head
from tracd_cluster.front.named import Named
from tracd_cluster.front.ranges import conditions, select
from tracd_cluster.rewrite.headers import HOP_BY_HOP, Field

YEAR = 31_536_000
_HASH = re.compile(rb"[.-][0-9a-f]{8,}(?:\.[^/]*)?\Z")
"""A name that is another one when its content is: ``site.0a1b2c3d.css``, ``site-0a1b2c3d4e.min.js``."""

_OURS = HOP_BY_HOP | {
    b"accept-ranges", b"content-length", b"date", b"server", b"set-cookie", b"set-cookie2", b"x-request-id",
}  # fmt: skip
"""Fields that are the front's to write, or meant for one client."""
_CACHING = frozenset((b"cache-control", b"expires", b"pragma"))


def shared(fields: list[Field]) -> list[Field] | None:
    """Give the fields of an answer that all clients may see; None if it is not for all clients."""
    kept = []
    for name, value in fields:
        key = name.lower()
        if key in _OURS or key.startswith(b"tracd-cluster-"):
            continue
        if key == b"vary":
            if value.strip(b" \t").lower() != b"accept-encoding":
                return None
            continue
        if key == b"content-encoding" or (key == b"cache-control" and _kept_back(value)):
            return None
        kept.append((name, value))
    return kept


def _kept_back(cache_control: bytes) -> bool:
    return any(word in cache_control.lower() for word in (b"private", b"no-store"))


class Freshness:
    """How long clients may use a file without asking.

    Without a ``max_age`` nothing is said, as Trac does, unless Trac has been told what to say. A file behind a login
    is for the browser of who has signed in, and for no cache on the way.
    """

    def __init__(self, max_age: int) -> None:
        self._max_age = max_age

    def lines(self, path: bytes, fields: list[Field]) -> tuple[bytes, bytes]:
        """Give the lines for everybody, and those for who has signed in; takes what they replace out of ``fields``."""
        if not self._max_age:
            return b"", b""
        fields[:] = [field for field in fields if field[0].lower() not in _CACHING]
        how = b"max-age=%d" % self._max_age
        if _HASH.search(path):
            how = b"max-age=%d, immutable" % YEAR
        return b"Cache-Control: public, %b\r\n" % how, b"Cache-Control: private, %b\r\n" % how


class Form:
    """A file in one coding: its body, and the head of an answer with all of it, but for what changes."""

    __slots__ = ("_fields", "_whole", "body", "head")

    def __init__(self, named: Named, body: bytes, fields: list[Field]) -> None:
        self.body = body
        self._fields = fields
        self._whole = replace(named.whole(fields)[0], size=len(body))
        self.head = self._make(None, b"GET", 0.0)[0]

    def selected(self, head: Head, now: float) -> tuple[bytes, bytes]:
        """Give head and body of the answer to a request with conditions, or for ranges."""
        return self._make(conditions(head.lines), head.method, now)

    def _make(self, found: dict[bytes, bytes] | None, method: bytes, now: float) -> tuple[bytes, bytes]:
        boundary = token_hex(12).encode("ascii") if found is not None and b"range" in found else b""
        selected = select(found, method, self._whole, now, boundary)
        lines = [b"HTTP/1.1 %d %b\r\n" % (selected.status, HTTPStatus(selected.status).phrase.encode("ascii"))]
        lines += [b"%b: %b\r\n" % field for field in selected.fields(self._fields)]
        lines += [selected.lines, b"Server: tracd-cluster\r\n"]
        body = self.body
        pieces = [body[one.start : one.stop] if isinstance(one, range) else one for one in selected.body]
        return b"".join(lines), b"".join(pieces)


class Entry:
    """What is known of one address: its file, and while that is in memory, its ``forms`` by their coding.

    ``look_at`` is when the file is looked at again, ``load_at`` when it may be read again if it is not in memory, 0
    before it was looked at. ``any_query`` says that a query makes no difference. ``public`` and ``private`` are lines
    for who has not signed in, and for who has.
    """

    __slots__ = (
        "_etag", "_fields", "any_query", "compress", "current", "forms", "identity", "load_at", "loaded", "look_at",
        "named", "plain", "private", "public",
    )  # fmt: skip

    def __init__(self, named: Named, identity: Identity, fields: list[Field], caching: tuple[bytes, bytes]) -> None:
        self.named = named
        self.identity = identity
        whole, self._fields = named.whole(fields)
        self._etag = whole.etag
        self.public, self.private = caching
        self.compress = compressible(whole.content_type)
        self.look_at = 0.0
        self.load_at = 0.0
        self.any_query = False
        self.current = True
        """It is in the map."""
        self.loaded: Loaded | None = None
        self.forms: dict[bytes, Form] = {}
        self.plain: Form
        """That of no coding, while there are any."""

    def put(self, loaded: Loaded) -> None:
        """Have the file in memory."""
        self.loaded = loaded
        loaded.entries.add(self)
        self.plain = Form(self.named, loaded.plain, self._with(b"", codings.IDENTITY))
        self.forms = {codings.IDENTITY: self.plain}
        for coding, body in loaded.forms.items():
            self.forms[coding] = Form(self.named, body, self._with(b"", coding))

    def fields(self, user: bytes) -> list[Field]:
        """Give the fields of the answer to somebody, of the file as it is."""
        return self._with(self.private if user else self.public, codings.IDENTITY)

    def _with(self, caching: bytes, coding: bytes) -> list[Field]:
        """Give the fields with a caching line, and what a coding makes of them: it is not the same, byte for byte."""
        fields = self._fields
        if coding != codings.IDENTITY:
            tag = b'%b-%b"' % (self._etag[:-1], coding)
            fields = [(name, tag if name.lower() == b"etag" else value) for name, value in fields]
            fields.append((b"Content-Encoding", coding))
        if self.compress:
            fields = [*fields, (b"Vary", b"Accept-Encoding")]
        if caching:
            name, _, value = caching.rstrip().partition(b": ")
            fields = [*fields, (name, value)]
        return fields

    def unload(self) -> None:
        """Have it in memory no longer."""
        if self.loaded is not None:
            self.loaded.entries.discard(self)
            self.loaded = None
            self.forms = {}
            del self.plain

    def leave(self) -> None:
        """Be of no more use: the address is forgotten."""
        self.current = False
        self.unload()
