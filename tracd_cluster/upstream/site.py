"""How a foreign server is spoken to: the head of a request as it gets it, and what it may be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from tracd_cluster.rewrite.outward import Outward, Side, inward, plain

if TYPE_CHECKING:
    from tracd_cluster.upstream.lane import Head, Origin

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ADDRESSES = (b"referer:", b"destination:")
"""Fields of a request that name a page of the site: Trac compares the former with its own address at a login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One foreign server, or several that are alike, as requests are written for it."""

    scheme: bytes = b"http"
    """How it is spoken to."""
    authority: bytes
    """Its own name, with the port if that is not the scheme's."""
    names: frozenset[bytes] = frozenset()
    """All that it may call itself, as ``outward.plain`` gives them."""
    outer: bytes = b""
    """The base path that clients know."""
    inner: bytes = b""
    """The one that it knows."""
    own_host: bool = False
    """It gets its own name as Host, not the one that the client has used."""
    trusted: bool = False
    """It is told who has signed in."""
    passwords: bool = False
    """It gets the client's Authorization; not where the front checks passwords itself."""
    health_path: bytes = b"/"
    """What is asked for to see whether it is well."""
    health_host: bytes = b""
    """The Host of that request: Trac makes links in mails of the first one it sees, unless base_url is set."""
    health_scheme: bytes = b"http"
    """As clients see it, for the same reason."""

    def probe(self) -> bytes:
        """Make the request that asks whether it is well."""
        host = self.authority if self.own_host or not self.health_host else self.health_host
        return (
            b"GET %b HTTP/1.1\r\nHost: %b\r\nX-Forwarded-Proto: %b\r\nUser-Agent: tracd-cluster\r\n"
            b"Connection: close\r\n\r\n" % (self.health_path, host, self.health_scheme)
        )

    def sides(self, head: Head, origin: Origin) -> tuple[Side, Side]:
        """Give the site as the client knows it and as the server is told of it."""
        host = head.host if head.host is not None else b"%b:%d" % origin.here
        client = Side(origin.scheme, host, self.outer)
        return client, Side(origin.scheme, self.authority if self.own_host else host, self.inner)

    def request_head(self, head: Head, origin: Origin, user: bytes, length: int, keep: bool) -> tuple[bytes, Outward]:
        """Make the head of a request, and what rewrites its answer."""
        client, server = self.sides(head, origin)
        pieces = [
            b"%b %b HTTP/1.1\r\nHost: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n"
            % (
                head.method, inward(head.target, self.outer, self.inner), server.authority,
                (origin.address or "127.0.0.1").encode("ascii"), origin.scheme, client.authority,
            )
        ]  # fmt: skip
        for line in head.lines[head.host is not None :]:
            key = line[:14].lower()
            if key == b"authorization:" and not self.passwords:
                continue
            if client != server and key.startswith(_ADDRESSES):
                line = _moved(line, client, server)
            pieces.append(line)
        if user and self.trusted and not _CONTROL.search(name := unquote_to_bytes(user)):
            pieces.append(b"Remote-User: %b\r\n" % name)
        if length or head.length or head.chunked:
            pieces.append(b"Content-Length: %d\r\n" % length)
        pieces.append(b"\r\n" if keep else b"Connection: close\r\n\r\n")
        names = self.names | {plain(self.authority)}
        return b"".join(pieces), Outward(server, client, names, self.scheme)


def _moved(line: bytes, client: Side, server: Side) -> bytes:
    name, _, value = line.partition(b":")
    return b"%b: %b\r\n" % (name, client.move(value.strip(), server))
