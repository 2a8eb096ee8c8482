"""The front's own answers: small plain pages for what never reached Trac, or never came back."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from string import Template

from tracd_cluster.errors import (
    AnswerTimeout,
    ClientFault,
    SignInWanted,
    TooBusy,
    TracdClusterError,
    WorkerFault,
    WorkerLost,
    status_of,
)
from tracd_cluster.front.record import Record

RETRY_AFTER = 5
"""Seconds after which a client refused for lack of a worker may try again."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>$status $phrase</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body{font:16px/1.5 sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}
h1{font-size:1.4em}.request{opacity:.6;font-size:.8em}</style>
</head><body><h1>$phrase</h1><p>$reason</p><p>$advice</p><p class="request">Request $request</p></body></html>
"""

PLACES = frozenset(("status", "phrase", "reason", "advice", "request"))
"""What a page of the operator's own may have filled in."""

_ADVICE = {
    400: "Go back, and try it again from the page before.",
    403: "Ask whoever runs this site if you should be able to see it.",
    404: "Look whether the address is right.",
    408: "Try again.",
    411: "Try again with another program.",
    413: "Send less, or ask whoever runs this site to allow more.",
    414: "Use a shorter address.",
    421: "Use the address that this site is known by.",
    429: "Wait a little before you go on.",
    431: "Delete this site's cookies, and try again.",
    500: "Try again. If it stays, tell whoever runs this site, with the number below.",
    502: "Try again. If it stays, tell whoever runs this site, with the number below.",
    503: "Reload this page in a few seconds.",
    504: "Ask for less at once, or try again later. If it stays, tell whoever runs this site, with the number below.",
    507: "Try again later. If it stays, tell whoever runs this site, with the number below.",
}
"""What a person can do next."""

BUSY = b"""\
<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>503 Busy</title>
<h1>Busy</h1><p>Too many ask at once. Reload this page in a few seconds. Whoever has signed in comes first.
"""
"""For those who do not wait at the moment: there are many, and they come again."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ErrorPages:
    """Makes whole answers with one or two plain sentences as their page, in the operator's own look if there is one.

    ``html`` has places as ``string.Template`` knows them: ``$status``, ``$phrase``, ``$reason``, ``$advice`` and
    ``$request``.
    """

    __slots__ = ("_page",)

    def __init__(self, html: str | None = None) -> None:
        self._page = Template(html or _PAGE)

    def told(self, error: TracdClusterError, record: Record, date_line: bytes, connection: bytes) -> bytes:
        """Make the page that tells a client of an error, and note in the record what it was told."""
        record.status = status_of(error)
        record.by = "front"
        phrase = advice = ""
        if isinstance(error, SignInWanted):
            phrase, advice = "Please sign in", f'<a href="{error.login}">Sign in</a> to see it.'
        return self.page(
            record.status,
            sentence(error),
            phrase=phrase,
            advice=advice,
            date_line=date_line,
            connection=connection,
            lines=error.lines if isinstance(error, ClientFault) else b"",
            no_body=record.head is not None and record.head.method == b"HEAD",
            request_id=record.request_id,
            whole=BUSY if isinstance(error, TooBusy) else b"",
        )

    def page(
        self,
        status: int,
        reason: str,
        *,
        date_line: bytes,
        connection: bytes,
        lines: bytes = b"",
        no_body: bool = False,
        request_id: bytes = b"",
        phrase: str = "",
        advice: str = "",
        whole: bytes = b"",
    ) -> bytes:
        """Make one.

        ``connection`` is a whole Connection line or empty, ``lines`` are more whole lines; ``no_body`` leaves the body
        out (HEAD). ``phrase`` and ``advice``, which is HTML, take the place of what is usual for the status, and
        ``whole`` that of all the page.
        """
        known = HTTPStatus(status).phrase
        body = whole or self._page.substitute(
            status=status,
            phrase=phrase or known,
            reason=escape(reason),
            advice=advice or _ADVICE.get(status, ""),
            request=escape(request_id.decode("ascii")),
        ).encode()
        pieces = [
            f"HTTP/1.1 {status} {known}\r\nContent-Type: text/html; charset=utf-8\r\n".encode(),
            b"Content-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n" % len(body),
            date_line,
            b"Server: tracd-cluster\r\n",
            b"Retry-After: %d\r\n" % RETRY_AFTER if status == 503 else b"",
            lines,
            b"X-Request-ID: %b\r\n" % request_id if request_id else b"",
            connection,
            b"\r\n",
            b"" if no_body else body,
        ]
        return b"".join(pieces)


def sentence(error: TracdClusterError) -> str:
    """Say to a client what happened."""
    if isinstance(error, ClientFault):
        return error.reason
    if isinstance(error, AnswerTimeout):
        return "The page took too long and was given up."
    if isinstance(error, WorkerLost):
        return "The server lost this request halfway. If it was to change something, look first whether it did."
    if isinstance(error, WorkerFault):
        return "The page could not be made."
    return "The server is busy. Please try again in a moment."


def of_ourselves(health: tuple[int, str] | None, lines: bytes, no_body: bool) -> tuple[int, bytes]:
    """Answer what asks about the server and not about a page: how it is, or else ``OPTIONS *`` (RFC 9110, 9.3.7).

    Gives the status too; ``lines`` are whole lines, Date among them.
    """
    if health is None:
        status, body, own = 204, b"", b"Allow: GET, HEAD, OPTIONS, POST\r\n"
    else:
        status, body = health[0], f"{health[1]}\n".encode("ascii")
        own = b"Content-Type: text/plain\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        own += b"Content-Length: %d\r\n" % len(body)
    start = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return status, b"".join((start, own, lines, b"Server: tracd-cluster\r\n\r\n", b"" if no_body else body))
