"""Which part of a file a request gets, if any: conditional requests and ranges (RFC 9110 sections 13 and 14).

``conditions`` finds what a request says of this, mostly nothing; ``select`` decides. The body of what is selected is
pieces in their order: bytes as they are, and a ``range`` of places in the file.

Note [Floods of ranges]. Many ranges, or ranges over ranges, make a server send far more than it has, in many small
pieces (CVE-2011-3192). Those that touch are made one; a request for more ranges than MOST_RANGES, or for more bytes
than the file has, gets the whole file, once (RFC 9110 section 14.2 leaves us that).
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_tz

from tracd_cluster.rewrite.headers import Field

MOST_RANGES = 32
"""Ranges of one request: more than readers of PDF files ask for at a time."""

OVERHEAD = 128
"""Bytes around one part among several: ranges with a smaller gap between them are cheaper as one."""

_FAR = 1 << 60
"""Beyond the end of all files."""

_CONDITIONAL = re.compile(
    rb"^(if-match|if-none-match|if-modified-since|if-unmodified-since|range|if-range):[ \t]*(.*?)[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_ENTITY_TAG = re.compile(rb'(W/)?("[^"]*")')
_SPEC = re.compile(rb"[ \t]*(\d*)-(\d*)[ \t]*")
_OF_THE_BODY = frozenset(
    (
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-type",
    )
)

Piece = bytes | range


@dataclass(frozen=True, slots=True)
class Whole:
    """A file as it is known to clients."""

    size: int
    etag: bytes
    modified: bytes = b""
    """Its Last-Modified, if it has one."""
    content_type: bytes = b"application/octet-stream"


class Selected:
    """What a request gets of a file.

    ``lines`` are whole header lines: the framing, and what tells of the range. ``body`` is what is sent; a request
    with HEAD gets the lines and not the body. ``size`` is the length of the body.
    """

    __slots__ = ("body", "lines", "size", "status")

    def __init__(self, status: int, lines: bytes, body: tuple[Piece, ...] = ()) -> None:
        self.status = status
        self.lines = lines
        self.body = body
        self.size = sum(map(len, body))

    def __repr__(self) -> str:
        return f"<Selected {self.status}, {self.body!r}>"

    def fields(self, fields: list[Field]) -> list[Field]:
        """Give those of the whole file's fields that go with this: none that ``lines`` replace, or of no use to it."""
        if self.status == 200 or (self.status == 206 and len(self.body) == 1):
            return [field for field in fields if field[0].lower() not in (b"content-length", b"accept-ranges")]
        if self.status == 206:
            dropped = (b"content-length", b"accept-ranges", b"content-type")
            return [field for field in fields if field[0].lower() not in dropped]
        return [field for field in fields if field[0].lower() not in _OF_THE_BODY]


def conditions(lines: Iterable[bytes]) -> dict[bytes, bytes] | None:
    """Give the fields of a request that this module knows, by their names in lower case; None if there is none.

    Lists that come in several fields are joined. Of what is no list the second makes both worthless.
    """
    found = _CONDITIONAL.findall(b"".join(lines))
    if not found:
        return None
    fields: dict[bytes, bytes] = {}
    for name, value in found:
        key = name.lower()
        if key not in fields:
            fields[key] = value
        elif key in (b"if-match", b"if-none-match"):
            fields[key] += b"," + value
        else:
            fields[key] = b""
    return fields


def select(fields: dict[bytes, bytes] | None, method: bytes, file: Whole, now: float, boundary: bytes) -> Selected:
    """Decide what a request for ``file`` gets, by the fields that ``conditions`` has found.

    ``now`` is the time by the clock on the wall, as the file's is; ``boundary`` is what may stand between parts: it
    has to be one that nobody can know beforehand.
    """
    if fields is None:
        return _whole(file)
    refused = _precondition(fields, file)
    if refused:
        return Selected(refused, b"" if refused == 304 else b"Content-Length: 0\r\n")
    asked = fields.get(b"range")
    if not asked or method != b"GET" or not _still(fields.get(b"if-range"), file, now):
        return _whole(file)
    ranges = ranges_of(asked, file.size)
    if ranges is None:
        return _whole(file)
    if not ranges:
        return Selected(416, b"Content-Range: bytes */%d\r\nContent-Length: 0\r\n" % file.size)
    return _part(ranges[0], file) if len(ranges) == 1 else _parts(ranges, file, boundary)


def _whole(file: Whole) -> Selected:
    body = (range(file.size),) if file.size else ()
    return Selected(200, b"Content-Length: %d\r\nAccept-Ranges: bytes\r\n" % file.size, body)


def _part(part: range, file: Whole) -> Selected:
    lines = b"Content-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\nAccept-Ranges: bytes\r\n"
    return Selected(206, lines % (len(part), part.start, part.stop - 1, file.size), (part,))


def _parts(ranges: list[range], file: Whole, boundary: bytes) -> Selected:
    """Make a body of several parts (RFC 9110 section 14.6)."""
    head = b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
    body: list[Piece] = []
    for part in ranges:
        body += (head % (boundary, file.content_type, part.start, part.stop - 1, file.size), part)
    body.append(b"\r\n--%b--\r\n" % boundary)
    lines = b"Content-Length: %d\r\nContent-Type: multipart/byteranges; boundary=%b\r\nAccept-Ranges: bytes\r\n"
    return Selected(206, lines % (sum(map(len, body)), boundary), tuple(body))


# -- preconditions


def _precondition(fields: dict[bytes, bytes], file: Whole) -> int:
    """Evaluate preconditions in their order (RFC 9110 section 13.2.2); give the status if one of them fails, or 0."""
    match = fields.get(b"if-match")
    if match is not None:
        if not _among(file.etag, match, weak=False):
            return 412
    elif _since(fields.get(b"if-unmodified-since"), file) is False:
        return 412
    none_match = fields.get(b"if-none-match")
    if none_match is not None:
        return 304 if _among(file.etag, none_match, weak=True) else 0
    return 304 if _since(fields.get(b"if-modified-since"), file) else 0


def _among(etag: bytes, listed: bytes, weak: bool) -> bool:
    """Tell whether an entity tag is one of those listed (RFC 9110 section 8.8.3.2)."""
    if listed == b"*":
        return True
    own, tag = _split(etag)
    return any(tag == other and (weak or not (own or prefix)) for prefix, other in _ENTITY_TAG.findall(listed))


def _split(etag: bytes) -> tuple[bytes, bytes]:
    return (etag[:2], etag[2:]) if etag.startswith(b"W/") else (b"", etag)


def _since(date: bytes | None, file: Whole) -> bool | None:
    """Tell whether the file has not been changed since ``date``; None if it cannot be told, or nobody asks."""
    asked = seconds_of(date) if date else None
    changed = seconds_of(file.modified) if asked is not None else None
    return None if asked is None or changed is None else changed <= asked


def _still(validator: bytes | None, file: Whole, now: float) -> bool:
    """Tell whether the file is still the one that a client has a part of (RFC 9110 section 13.1.5).

    A date says so only if it is the same, and if the file cannot have been changed twice within that second.
    """
    if validator is None:
        return True
    if b'"' in validator:
        return _among(file.etag, validator, weak=False)
    asked = seconds_of(validator)
    return asked is not None and asked == seconds_of(file.modified) and asked + 1 < now


def seconds_of(date: bytes) -> int | None:
    """Read a date of HTTP, in any of its three forms (RFC 9110 section 5.6.7); None if it is none."""
    try:
        found = parsedate_tz(date.decode("ascii"))
        if found is None or found[9] not in (0, None):
            return None
        return timegm(found[:9])
    except (ValueError, OverflowError):
        return None


# -- ranges


def ranges_of(asked: bytes, size: int) -> list[range] | None:
    """Give the ranges of a file of this size that a Range field asks for, those that touch made one.

    None if the field is to be ignored, because of what it says or of how much (Note [Floods of ranges]); none at all
    if it can be understood, and there is nothing there.
    """
    unit, _, specs = asked.partition(b"=")
    if unit.strip(b" \t").lower() != b"bytes":
        return None
    listed = [spec for spec in specs.split(b",") if spec.strip(b" \t")]
    if not 0 < len(listed) <= MOST_RANGES:
        return None
    found: list[range] = []
    for spec in listed:
        one = _range_of(spec, size)
        if one is None:
            return None
        if one:
            found.append(one)
    if sum(map(len, found)) > size:
        return None
    if not found and not size and any(spec.strip(b" \t").startswith(b"-") for spec in listed):
        return None  # the last bytes of an empty file: it is there, and has none
    return _joined(found)


def _range_of(spec: bytes, size: int) -> range | None:
    """Give one range, empty if it lies behind the end; None if it is none (RFC 9110 section 14.1.2)."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start, stop = _number(first), (_number(last) + 1 if last else _FAR)
        return range(start, min(stop, size)) if start < stop else None
    return range(max(0, size - _number(last)), size) if last else None


def _number(digits: bytes) -> int:
    return min(int(digits), _FAR - 1) if len(digits) < 20 else _FAR - 1


def _joined(ranges: list[range]) -> list[range]:
    """Make one of those that touch or nearly do; their order stays as it was if none does."""
    joined: list[range] = []
    for one in sorted(ranges, key=lambda each: each.start):
        if joined and one.start <= joined[-1].stop + OVERHEAD:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, one.stop))
        else:
            joined.append(one)
    return ranges if len(joined) == len(ranges) else joined
