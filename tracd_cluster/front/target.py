"""The request target and the Host: what a client asked for, checked before anything else looks at it.

The path that reaches Trac is the client's, byte for byte; what could mean something else to another reader, such
as a dot segment, is refused instead of being mended.
"""

from __future__ import annotations

import re

from tracd_cluster.errors import ClientFault
from tracd_cluster.rewrite.outward import inside as inside

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\])(?::[0-9]{0,5})?\Z")
"""uri-host with an optional port (RFC 9110 section 7.2, RFC 3986 section 3.2.2)."""
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_DOT_SEGMENT = re.compile(rb"(?:/|%2f)(?:\.|%2e){1,2}(?=/|%2f|\Z)", re.IGNORECASE)


def check_host(host: bytes) -> None:
    """Raise ClientFault unless ``host`` is a host name or address with an optional port."""
    if _HOST.match(host) is None:
        raise ClientFault(400, "The Host field does not name a host.")


def split_absolute(target: bytes) -> tuple[bytes, bytes]:
    """Split an absolute-form target into authority and origin-form (RFC 9112 section 3.2.2).

    Raises ClientFault for any other form.
    """
    match = _ABSOLUTE.match(target)
    if match is None:
        raise ClientFault(400, "The request target is neither a path nor an http URL.")
    rest = target[match.end() :]
    if not rest.startswith(b"/"):
        rest = b"/" + rest
    return match.group(1), rest


def check_path(target: bytes) -> bytes:
    """Give the path of an origin-form target, without its query.

    Raises ClientFault for a path that does not mean the same to every reader: dot segments in any spelling, a
    NUL, a broken percent escape; and for a fragment, which no client may send (RFC 9112 section 3.2).
    """
    if b"#" in target:
        raise ClientFault(400, "The request target has a fragment.")
    path = target.partition(b"?")[0]
    if b"%" in path and _BROKEN_ESCAPE.search(path):
        raise ClientFault(400, "The path has a broken percent escape.")
    if (b"/." in path or b"%2" in path) and _DOT_SEGMENT.search(path):
        raise ClientFault(400, "The path has a dot segment.")
    return path
