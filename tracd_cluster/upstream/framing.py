"""A worker's bytes as answers: head, body, end. No I/O here, only llhttp and what it finds."""

from __future__ import annotations

from httptools import HttpParserError, HttpResponseParser

from tracd_cluster.errors import MalformedAnswer
from tracd_cluster.rewrite.headers import Field


class AnswerReader:
    """Reads one answer after another from a lane.

    ``start`` begins an answer, ``feed`` takes bytes. Then ``status`` is 0 until the head is complete, ``pieces``
    holds the body bytes that came since they were last taken, ``ended`` says that the answer is complete, and
    ``failed`` that its worker gave it up halfway. ``length`` is the Content-Length or -1. ``keep`` says, once it has
    ended, that the connection may carry another one. Interim answers (1xx) are skipped. Any byte after the end, or
    before ``start``, is a MalformedAnswer.

    ``file`` names the file that is sent in place of a body (front/named.py), or is empty; only a worker of our own is
    believed that, which ``ours`` says. ``user`` is whom it says that the request's login belongs to, percent-encoded,
    empty for nobody; None where it says nothing.
    """

    __slots__ = (
        "_no_body", "_ours", "_parser", "ended", "failed", "fields", "file", "keep", "length", "pieces", "reason",
        "started", "status", "user",
    )  # fmt: skip

    def __init__(self, ours: bool = False) -> None:
        self._parser = HttpResponseParser(self)
        self._ours = ours
        self._no_body = False
        self._clear()
        self.ended = True

    def _clear(self) -> None:
        self.started = False
        self.status = 0
        self.reason = b""
        self.fields: list[Field] = []
        self.file = b""
        self.user: bytes | None = None
        self.length = -1
        self.pieces: list[bytes] = []
        self.ended = False
        self.failed = False
        self.keep = False

    def start(self, no_body: bool) -> None:
        """Expect an answer; ``no_body`` when it is one to HEAD (RFC 9110 section 9.3.2)."""
        self._clear()
        self._no_body = no_body

    def feed(self, data: bytes) -> None:
        """Take the worker's next bytes; raise MalformedAnswer for what is no answer."""
        if self.ended:
            raise MalformedAnswer("bytes came after the end of the answer")
        self.started = True
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            if not (self.ended and self._no_body and not self.pieces):
                raise MalformedAnswer(str(error)) from error
        if self._no_body and self.ended:
            # llhttp still waits for the body that the head announces.
            self._parser = HttpResponseParser(self)

    def finish(self) -> None:
        """Take the end of the connection: it ends an answer that has no other end (RFC 9112 section 6.3)."""
        if self.status and self.length < 0 and not any(n.lower() == b"transfer-encoding" for n, _ in self.fields):
            self.ended = True

    def take(self) -> list[bytes]:
        """Take the body bytes that have come."""
        pieces, self.pieces = self.pieces, []
        return pieces

    # -- called by llhttp

    def on_status(self, reason: bytes) -> None:
        if self.ended:
            raise MalformedAnswer("a second answer follows the first")
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            self.fields.append((name, value))
        elif name.lower() == b"tracd-cluster-failed":
            self.failed = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.reason = b""
            self.fields = []
            return
        self.status = status
        for name, value in self.fields:
            key = name.lower()
            if key == b"content-length":
                self.length = int(value)
            elif key == b"tracd-cluster-file" and self._ours:
                self.file = value
            elif key == b"tracd-cluster-user" and self._ours:
                self.user = value
        if self._no_body:
            self.ended = True

    def on_body(self, data: bytes) -> None:
        if self.ended:
            raise MalformedAnswer("a body follows an answer that has none")
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        if self.status:
            self.ended = True
            self.keep = self._parser.should_keep_alive()
