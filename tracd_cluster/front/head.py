"""A request's head: what the parser saw, checked and made ready for a worker."""

from __future__ import annotations

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.target import check_host, check_path, split_absolute
from tracd_cluster.rewrite.headers import Field, sort_fields

SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))
"""Methods that may be sent twice: they ask for nothing to be changed (RFC 9110 section 9.2.1)."""

METHODS = SAFE | {b"POST", b"PUT", b"DELETE", b"PATCH"} | {
    # WebDAV and its kin, for Trac plugins that speak it
    b"ACL", b"BIND", b"CHECKOUT", b"COPY", b"LINK", b"LOCK", b"MERGE", b"MKACTIVITY", b"MKCALENDAR", b"MKCOL",
    b"MOVE", b"NOTIFY", b"PROPFIND", b"PROPPATCH", b"PURGE", b"QUERY", b"REBIND", b"REPORT", b"SEARCH",
    b"SUBSCRIBE", b"UNBIND", b"UNLINK", b"UNLOCK", b"UNSUBSCRIBE",
}  # fmt: skip


class Head:
    """The checked head of one request.

    ``target`` is in origin-form, or ``*``; ``path`` is its part before the query; ``host`` is None only for HTTP/1.0.
    ``lines`` are header lines for the worker, Host first; ``length`` is the Content-Length (bytes), 0 without;
    ``keep_alive`` says whether the client wants the connection to stay open. ``authorization`` is what it says of
    itself, and ``claims`` what it says of somebody else: only a trusted proxy may. ``selecting`` are the fields that
    say which form or part of something it wants, with names in lower case.
    """

    __slots__ = (
        "authorization", "chunked", "claims", "expects_continue", "host", "http11", "keep_alive", "length", "lines",
        "method", "path", "safe", "selecting", "target",
    )  # fmt: skip

    def __init__(
        self, method: bytes, version: str, target: bytes, fields: list[Field], remote_user: bytes | None = None
    ) -> None:
        """Check the parser's findings; raise ClientFault with the status for what is wrong.

        ``remote_user`` is the field, in lower case, in which a trusted proxy names the user.
        """
        if version != "1.1" and version != "1.0":
            raise ClientFault(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if method not in METHODS:
            raise ClientFault(501, "This method is not served here.")
        self.method = method
        self.safe = method in SAFE
        self.http11 = version == "1.1"
        found = sort_fields(fields, remote_user)
        host = found.host
        if host is not None:
            check_host(host)
        elif self.http11:
            raise ClientFault(400, "There is no Host field.")
        if target == b"*":
            if method != b"OPTIONS":
                raise ClientFault(400, "The target * goes with OPTIONS only.")
            self.path = target
        else:
            if not target.startswith(b"/"):
                host, target = split_absolute(target)
                check_host(host)
            self.path = check_path(target)
        self.target = target
        self.host = host
        self.lines = found.lines
        if host is not None:
            self.lines.insert(0, b"Host: %b\r\n" % host)
        self.authorization = found.authorization
        self.claims = found.claims
        self.selecting = found.selecting
        self.chunked = found.chunked
        self.length = found.length
        words = found.connection
        if self.http11:
            self.keep_alive = b"close" not in words
            self.expects_continue = found.expect is not None
            if found.expect not in (None, b"100-continue"):
                raise ClientFault(417, "The only expectation that can be met here is 100-continue.")
        else:
            self.keep_alive = b"keep-alive" in words and b"close" not in words
            self.expects_continue = False
            if found.chunked:
                raise ClientFault(400, "HTTP/1.0 has no Transfer-Encoding.")

    def name_host(self, host: bytes) -> None:
        """Take another host for the one that was named: a proxy has said which one the client has."""
        line = b"Host: %b\r\n" % host
        self.lines = [line, *self.lines[self.host is not None :]]
        self.host = host

    def for_worker(self, identity: bytes, length: int) -> bytes:
        """Make the head that goes to a worker: ``identity`` is the front's own lines, ``length`` the body's size."""
        pieces = [self.method, b" ", self.target, b" HTTP/1.1\r\n", identity, *self.lines]
        if length or self.length or self.chunked:
            pieces.append(b"Content-Length: %d\r\n" % length)
        pieces.append(b"\r\n")
        return b"".join(pieces)
