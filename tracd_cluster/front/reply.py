"""The answer as its client gets it: how its end is known, and whether the connection outlives it."""

from __future__ import annotations

from http import HTTPStatus

from tracd_cluster.front.head import Head
from tracd_cluster.front.ranges import Selected
from tracd_cluster.rewrite.cookies import Cookies
from tracd_cluster.rewrite.headers import Field, answer_head
from tracd_cluster.upstream.framing import AnswerReader

CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"


class Standing:
    """Whole lines that every answer of a port has now: its Date, and where it is encrypted, that it always is.

    ``lasting`` are those without the Date, which some workers write themselves.
    """

    __slots__ = ("date_line", "lasting", "lines")

    def __init__(self, lasting: bytes = b"") -> None:
        self.lasting = lasting
        self.date_line = b""
        self.lines = lasting

    def tick(self, date_line: bytes) -> None:
        """Let a second pass."""
        self.date_line = date_line
        self.lines = date_line + self.lasting


class Reply:
    """Makes the bytes of one answer.

    ``begun`` says that its head has been made, ``keep`` that more may follow it; ``status`` is a worker's, 0 before.
    """

    __slots__ = ("_chunked", "_cookies", "_http11", "_no_body", "_request_id", "begun", "keep", "status")

    def __init__(self, head: Head, request_id: bytes, keep: bool, harden: bool, scheme: bytes) -> None:
        self._request_id = request_id
        self.status = 0
        self._http11 = head.http11
        self._no_body = head.method == b"HEAD"
        self._chunked = False
        self._cookies = (Cookies.SECURE if scheme == b"https" else Cookies.LAX) if harden else Cookies.AS_THEY_ARE
        self.begun = False
        self.keep = keep

    def connection_line(self, draining: bool) -> bytes:
        """Make the Connection line, if there has to be one; while draining, every answer is its connection's last."""
        if draining:
            self.keep = False
        if not self.keep:
            return CLOSE
        return b"" if self._http11 else KEEP_ALIVE

    def begin(self, reader: AnswerReader, pieces: list[bytes], standing: Standing, draining: bool) -> bytes:
        """Make the head of the answer and what is there of its body, one piece for one write."""
        self.begun = True
        self.status = reader.status
        framing = b""
        if reader.length < 0 and not self._no_body and reader.status not in (204, 304):
            if reader.ended:
                framing = b"Content-Length: %d\r\n" % sum(map(len, pieces))
            elif self._http11:
                framing = b"Transfer-Encoding: chunked\r\n"
                self._chunked = True
            else:
                self.keep = False
        connection = b"%b%bX-Request-ID: %b\r\n" % (
            self.connection_line(draining), standing.lasting, self._request_id,
        )  # fmt: skip
        head = answer_head(
            reader.status, reader.reason, reader.fields, framing, standing.date_line, connection, self._cookies
        )
        if not pieces:
            return head
        return head + _chunk(pieces, False) if self._chunked else b"".join((head, *pieces))

    def begin_file(self, selected: Selected, fields: list[Field], standing: Standing, draining: bool) -> bytes:
        """Make the head of an answer whose body is what was selected of a file."""
        self.begun = True
        self.status = selected.status
        reason = HTTPStatus(selected.status).phrase.encode("ascii")
        connection = b"%b%bX-Request-ID: %b\r\n" % (
            self.connection_line(draining), standing.lasting, self._request_id,
        )  # fmt: skip
        kept = selected.fields(fields)
        date_line, cookies = standing.date_line, self._cookies
        return answer_head(selected.status, reason, kept, selected.lines, date_line, connection, cookies)

    def go_on(self, pieces: list[bytes], last: bool) -> bytes:
        """Make more of the body."""
        return _chunk(pieces, last) if self._chunked else b"".join(pieces)


def _chunk(pieces: list[bytes], last: bool) -> bytes:
    body = b"".join(pieces)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return chunk + b"0\r\n\r\n" if last else chunk
