"""Addresses between two sides: what clients call a site, and what a foreign server behind us calls it.

Our own workers are told by which address the client came and make right links by themselves. A foreign server may
know the site by another base path, scheme or host: requests are rewritten inward, the fields of answers outward. What
is neither the server's nor the client's address is somebody else's and stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Field = tuple[bytes, bytes]

_URL = re.compile(rb"(?:(https?):)?[/\\]{2}([^/\\?#]*)(.*)\Z", re.IGNORECASE | re.DOTALL)
"""Scheme, authority and the rest; browsers read a backslash as a slash."""
_PATH = re.compile(rb"[^?#]*")
_REFRESH = re.compile(rb"""(\s*\d[\d.]*\s*[;,]\s*(?:url\s*=\s*)?)(['"]?)(.*?)(\2\s*)\Z""", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORT = re.compile(rb":(?:80|443)?\Z")
_ADDRESSES = frozenset((b"location", b"content-location"))
_SPEAKING_PREFIXES = (b"__secure-", b"__host-")
"""Cookies whose name promises Secure: browsers refuse them without (RFC 6265bis section 4.1.3)."""


def inside(path: bytes, base_path: bytes) -> bool:
    """Tell whether ``path`` is the base path or below it, on the border of a segment."""
    return path.startswith(base_path) and path[len(base_path) : len(base_path) + 1] in (b"", b"/")


def move(rest: bytes, base_path: bytes, other: bytes) -> bytes:
    """Put what begins with a path from one base path to another; outside of the first it stays as it is."""
    match = _PATH.match(rest)
    assert match is not None
    if base_path == other or not inside(match[0], base_path):
        return rest
    return other + rest[len(base_path) :]


@dataclass(frozen=True, slots=True)
class Side:
    """A site as one side knows it; ``authority`` is host and port as in a URL."""

    scheme: bytes
    authority: bytes
    base_path: bytes

    def move(self, url: bytes, other: Side, names: frozenset[bytes] = frozenset()) -> bytes:
        """Make a URL of this side one of the other's.

        ``names`` are more authorities that mean this side, as ``plain`` gives them. A relative URL stays relative.
        """
        match = _URL.match(url)
        if match is None:
            if not url.startswith(b"/"):
                return url
            moved = move(url, self.base_path, other.base_path)
            # It is to stay a path: two slashes would begin the name of a host.
            return b"/." + moved if moved.startswith((b"//", b"/\\")) else moved
        scheme, authority, rest = match.groups()
        name = plain(authority)
        if name != plain(self.authority) and name not in names:
            return url
        begin = b"%b://" % other.scheme if scheme else b"//"
        return begin + other.authority + move(rest, self.base_path, other.base_path)


def plain(authority: bytes) -> bytes:
    """Give host and port as they compare: in lower case, without user and without the port of http or https."""
    return _DEFAULT_PORT.sub(b"", authority.rpartition(b"@")[2].lower())


def inward(target: bytes, outer: bytes, inner: bytes) -> bytes:
    """Put a request's target, which is inside the outer base path, below the inner one; the rest byte for byte."""
    if outer == inner or target == b"*":
        return target
    moved = move(target, outer, inner)
    return moved if moved.startswith(b"/") else b"/" + moved


class Outward:
    """Rewrites the fields of one answer.

    ``server`` is the site as the server knows it, ``client`` as the client does; ``names`` are all authorities that
    mean the server. ``server_scheme`` is how it is spoken to.
    """

    __slots__ = ("_client", "_host", "_names", "_server", "_tls_ends_here")

    def __init__(self, server: Side, client: Side, names: frozenset[bytes], server_scheme: bytes) -> None:
        self._server = server
        self._client = client
        self._names = names | {plain(client.authority)}
        self._host = _host_of(client.authority)
        self._tls_ends_here = server_scheme == b"https" and client.scheme == b"http"

    def fields(self, fields: list[Field]) -> list[Field]:
        """Give the fields as the client may see them; what only our own workers may say is dropped."""
        found = []
        for name, value in fields:
            key = name.lower()
            if key in _ADDRESSES:
                value = self.url(value)
            elif key == b"set-cookie":
                value = self.cookie(value)
            elif key == b"refresh":
                value = self.refresh(value)
            elif key.startswith(b"tracd-cluster-"):
                continue
            found.append((name, value))
        return found

    def url(self, value: bytes) -> bytes:
        """Rewrite the value of Location or Content-Location."""
        return self._server.move(value, self._client, self._names)

    def refresh(self, value: bytes) -> bytes:
        """Rewrite the address in the value of Refresh, if it has one."""
        match = _REFRESH.match(value)
        return match[1] + match[2] + self.url(match[3]) + match[4] if match is not None else value

    def cookie(self, value: bytes) -> bytes:
        """Rewrite path, domain and Secure of a cookie."""
        first, *attributes = value.split(b";")
        kept = [first]
        secure = False
        promised = first.strip().lower().startswith(_SPEAKING_PREFIXES)
        for attribute in attributes:
            key, equals, text = attribute.partition(b"=")
            word, text = key.strip().lower(), text.strip()
            if word == b"path":
                attribute = key + equals + self._cookie_path(text)
            elif word == b"domain" and not self._is_clients(text):
                continue
            elif word == b"secure":
                if self._tls_ends_here and not promised:
                    continue
                secure = True
            kept.append(attribute)
        if self._client.scheme == b"https" and not secure:
            kept.append(b" Secure")
        return b";".join(kept)

    def _cookie_path(self, path: bytes) -> bytes:
        inner, outer = self._server.base_path, self._client.base_path
        if not inner and path == b"/":
            # Not "/outer/": that would not be sent with "/outer".
            return outer or path
        moved = move(path, inner, outer) if path.startswith(b"/") else path
        return moved or b"/"

    def _is_clients(self, domain: bytes) -> bool:
        """Tell whether the client's host is in a cookie's domain; one of another would only show the server's name."""
        domain = domain.lower().lstrip(b".")
        return self._host == domain or self._host.endswith(b"." + domain)


def _host_of(authority: bytes) -> bytes:
    authority = plain(authority)
    return authority.partition(b"]")[0] + b"]" if authority.startswith(b"[") else authority.partition(b":")[0]
