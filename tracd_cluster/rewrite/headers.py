"""Header fields on their way in, from a client to a worker, and out again.

Names are compared after folding ``_`` to ``-`` and upper case to lower, because WSGI folds them too (PEP 3333:
``HTTP_REMOTE_USER`` may have been ``Remote-User`` or ``Remote_User``). A field whose name has an underscore is
dropped altogether, as nginx does: no browser sends one, and nobody can tell what it would become.
"""

from __future__ import annotations

from tracd_cluster.errors import ClientFault
from tracd_cluster.rewrite.cookies import Cookies, harden

Field = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields that speak about one connection only (RFC 9110 section 7.6.1)."""

FORGEABLE = (
    b"auth-user",
    b"forwarded",
    b"proxy",
    b"remote-",
    b"script-",
    b"tracd-cluster-",
    b"x-forwarded-",
    b"x-real-ip",
    b"x-request-id",
    b"x-remote-",
)
"""How the names begin that would tell a worker, or a plugin, who the client is, how it came here, or what its request
is called in the logs.
"""

KEPT = frozenset(
    (
        b"accept",
        b"accept-charset",
        b"accept-language",
        b"cache-control",
        b"content-type",
        b"cookie",
        b"dnt",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"upgrade-insecure-requests",
        b"user-agent",
    )
)
"""Common fields that pass unchanged: a short cut for the rest of the checks."""

SELECTING = frozenset(
    (
        b"accept-encoding",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
    )
)
"""Fields that pass unchanged too, and say which form or part of something is wanted, if any."""

STEERING = frozenset((b"authorization", b"connection", b"content-length", b"expect", b"host", b"transfer-encoding"))
"""Fields that say how to read this request, and who sends it."""

_CONNECTION_WORDS = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b""))
_END_TO_END = STEERING | {b"content-type", b"cookie"}
_NO_FIELDS: tuple[Field, ...] = ()


class RequestFields:
    """A request's fields, sorted into those for the worker and those that steer the front.

    ``lines`` are whole lines for the worker, in the order received. ``connection`` holds the words of the
    Connection field in lower case. ``claims`` are the fields that only a trusted proxy may send, with names in lower
    case; no worker gets them. ``selecting`` are those that say which form or part is wanted, with names in lower case.
    """

    __slots__ = ("authorization", "chunked", "claims", "connection", "expect", "host", "length", "lines", "selecting")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.claims = self.selecting = _NO_FIELDS
        self.authorization: bytes | None = None
        self.host: bytes | None = None
        self.length = 0
        self.chunked = False
        self.expect: bytes | None = None
        self.connection: tuple[bytes, ...] = ()


def sort_fields(fields: list[Field], remote_user: bytes | None = None) -> RequestFields:
    """Sort the fields of a request; raise ClientFault for those that cannot be obeyed.

    ``remote_user`` is the name, in lower case, of one more field that only a trusted proxy may send.
    """
    sorted_ = RequestFields()
    add = sorted_.lines.append
    for name, value in fields:
        key = name.lower()
        if key in KEPT:
            add(b"%b: %b\r\n" % (name, value))
        elif key in SELECTING:
            add(b"%b: %b\r\n" % (name, value))
            sorted_.selecting += ((key, value),)
        elif key in STEERING:
            _steer(sorted_, key, value.strip(b" \t"))
        elif b"_" in key or key in HOP_BY_HOP:
            continue
        elif key == remote_user or key.startswith(FORGEABLE):
            sorted_.claims += ((key, value.strip(b" \t")),)
        else:
            add(b"%b: %b\r\n" % (name, value))
    if sorted_.connection and not _CONNECTION_WORDS.issuperset(sorted_.connection):
        _drop_nominated(sorted_)
    return sorted_


def _steer(sorted_: RequestFields, key: bytes, value: bytes) -> None:
    if key == b"host":
        if sorted_.host is not None:
            raise ClientFault(400, "There is more than one Host field.")
        sorted_.host = value
    elif key == b"connection":
        value = value.lower()
        if value in _CONNECTION_WORDS:
            sorted_.connection += (value,)
        else:
            sorted_.connection += tuple(word.strip(b" \t") for word in value.split(b","))
    elif key == b"content-length":
        sorted_.length = int(value)
    elif key == b"expect":
        sorted_.expect = value.lower()
    elif key == b"authorization":
        if sorted_.authorization is not None:
            raise ClientFault(400, "There is more than one Authorization field.")
        sorted_.authorization = value
        sorted_.lines.append(b"Authorization: %b\r\n" % value)
    else:
        if value.lower() != b"chunked":
            raise ClientFault(501, "The only Transfer-Encoding understood here is chunked.")
        sorted_.chunked = True


def _drop_nominated(sorted_: RequestFields) -> None:
    """Drop the fields that the Connection field names (RFC 9110 section 7.6.1), save those nobody may name."""
    named = tuple(word + b":" for word in sorted_.connection if word and word not in _END_TO_END)
    sorted_.lines = [line for line in sorted_.lines if not line.lower().startswith(named)]


def answer_head(
    status: int,
    reason: bytes,
    fields: list[Field],
    framing: bytes,
    date_line: bytes,
    connection: bytes,
    cookies: Cookies = Cookies.AS_THEY_ARE,
) -> bytes:
    """Make the head of an answer for the client from a worker's.

    ``framing`` is empty to keep the worker's Content-Length, or the line that replaces it; ``connection`` is a
    whole Connection line or empty. A Date and a Server field are added where the worker gave none (RFC 9110
    section 6.6.1).
    """
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    dated = served = False
    for name, value in fields:
        key = name.lower()
        if key in HOP_BY_HOP or key.startswith(b"tracd-cluster-"):
            continue
        if key == b"content-length":
            if framing:
                continue
        elif key == b"date":
            dated = True
        elif key == b"server":
            served = True
        elif key == b"set-cookie" and cookies is not Cookies.AS_THEY_ARE:
            value = harden(value, cookies is Cookies.SECURE)
        lines.append(b"%b: %b\r\n" % (name, value))
    if framing:
        lines.append(framing)
    if not dated:
        lines.append(date_line)
    if not served:
        lines.append(b"Server: tracd-cluster\r\n")
    lines.append(connection)
    lines.append(b"\r\n")
    return b"".join(lines)
