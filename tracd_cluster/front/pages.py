"""The front's own answers: small plain pages for what never reached Trac, or never came back."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from tracd_cluster.errors import AnswerTimeout, ClientFault, TracdClusterError, WorkerFault, WorkerLost

RETRY_AFTER = 5
"""Seconds after which a client refused for lack of a worker may try again."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {phrase}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;color:#333}}
h1{{font-size:1.4em}}</style>
</head><body><h1>{phrase}</h1><p>{reason}</p></body></html>
"""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def page(
    status: int, reason: str, *, date_line: bytes, connection: bytes, lines: bytes = b"", no_body: bool = False
) -> bytes:
    """Make a whole answer with ``reason``, one or two plain sentences, as its page.

    ``connection`` is a whole Connection line or empty, ``lines`` are more whole lines; ``no_body`` leaves the body
    out (HEAD).
    """
    phrase = HTTPStatus(status).phrase
    body = _PAGE.format(status=status, phrase=phrase, reason=escape(reason)).encode()
    pieces = [
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/html; charset=utf-8\r\n".encode(),
        b"Content-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n" % len(body),
        date_line,
        b"Server: tracd-cluster\r\n",
        b"Retry-After: %d\r\n" % RETRY_AFTER if status == 503 else b"",
        lines,
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


def options(*, date_line: bytes, connection: bytes) -> bytes:
    """Answer ``OPTIONS *``, which asks about the server and not about a page (RFC 9110 section 9.3.7)."""
    return b"".join(
        (
            b"HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS, POST\r\n",
            date_line,
            b"Server: tracd-cluster\r\n",
            connection,
            b"\r\n",
        )
    )


def health(status: int, words: str, *, date_line: bytes, connection: bytes, no_body: bool = False) -> bytes:
    """Answer whoever asks how we are."""
    body = f"{words}\n".encode("ascii")
    return b"".join(
        (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain\r\n".encode(),
            b"Content-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n" % len(body),
            date_line,
            b"Server: tracd-cluster\r\n",
            connection,
            b"\r\n",
            b"" if no_body else body,
        )
    )
