"""What an application answers, framed for the lane: one write for most answers, a stream for long ones.

An answer is collected up to 64 KiB of body. If it ends before that, it leaves in one send with its Content-Length,
whether or not the application gave one. A longer one leaves in pieces of about 64 KiB: plain if its length was
announced, chunked if not. Nothing is promised before the first send, so a failure until then becomes a clean 500.
A file on disk does not leave at all: it is named (naming.py). Pages may leave compressed (compression.py).
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType
from urllib.parse import quote

from tracd_cluster.codings import LEAST
from tracd_cluster.tracd.compression import Deflate, may_be_coded, varied, wanted
from tracd_cluster.tracd.naming import line_of
from tracd_cluster.tracd.wsgi import ASKED_BY, NOT_SIGNED_IN, STRANGER, Environ, FileWrapper, LaneClosed

Header = tuple[str, str]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Write = Callable[[bytes], object]
Application = Callable[[Environ, Callable[..., Write]], Iterable[bytes]]

FOR_ANY_STRANGER = b"\r\nTracd-Cluster-Stranger: 1"
FOR_WHO_HAS_SIGNED_IN = b"\r\nTracd-Cluster-Sign-In: 1"
PIECE = 64 * 1024
FAILED_TRAILER = b"0\r\nTracd-Cluster-Failed: 1\r\n\r\n"
"""Ends a chunked answer that broke off: the lane stays in step, and the front breaks the client's connection."""

_OURS = "tracd-cluster-"
"""How the names begin that only this module may send: the front believes them."""
_DROPPED = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", _OURS)
)
_BODILESS = ("204", "304")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_folded: dict[str, str] = {}
_FOLDED_LIMIT = 500
_PAGE_500 = b"500 Internal Server Error\n\nThe application failed. The server's log says how.\n"


class LaneBroken(Exception):
    """An answer broke off with its length already announced: the lane cannot be used any more."""


class Answer:
    """The answer to one request: what ``start_response`` and ``write`` of PEP 3333 talk to.

    ``send`` puts bytes on the lane and raises OSError when the front has gone. ``head_only`` is for HEAD, ``names``
    for a front that takes a file's name for the file, ``accept`` the client's Accept-Encoding if pages are compressed.
    """

    __slots__ = (
        "_accept",
        "_bare",
        "_chunked",
        "_coded",
        "_deflate",
        "_ended",
        "_environ",
        "_gone",
        "_head",
        "_head_only",
        "_left",
        "_length",
        "_names",
        "_pieces",
        "_send",
        "_size",
    )

    def __init__(
        self, send: Callable[[bytes], object], head_only: bool = False, names: bool = False, accept: str | None = None
    ) -> None:
        self._send = send
        self._accept = accept
        self._coded = False
        """The answer may come compressed, to a client that likes it."""
        self._deflate: Deflate | None = None
        self._names = names
        self._head_only = head_only
        self._bare = head_only
        """Whether there will be no body, because of the method or because of the status."""
        self._head = b""
        """Status line and fields without framing; empty until ``start_response`` was called."""
        self._length: int | None = None
        """The Content-Length the application gave; once the head has left, how much of it is still to come."""
        self._pieces: list[bytes] = []
        self._size = 0
        self._left = False
        self._chunked = False
        self._ended = False
        self._environ: Environ = {}
        self._gone = False

    @property
    def status(self) -> int:
        """The status the application chose, 0 before it has chosen one."""
        return int(self._head[9:12]) if self._head else 0

    def run(self, application: Application, environ: Environ, drain: Callable[[], object]) -> None:
        """Let the application answer; ``drain`` empties the request, and is called before the answer ends.

        Whatever the application raises is written to standard error and answered with 500, or with a broken-off
        answer if a part of it has left. Raises LaneClosed and LaneBroken: the lane is of no more use.
        """
        self._environ = environ
        try:
            self._run(application, environ, drain)
        except LaneClosed:
            raise
        except (Exception, SystemExit):
            if self._gone:
                raise LaneClosed from None
            sys.stderr.write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']!r} failed:\n{traceback.format_exc()}")
            if not self._ended:
                drain()
                self._break_off()

    def _run(self, application: Application, environ: Environ, drain: Callable[[], object]) -> None:
        result = application(environ, self.start_response)
        try:
            if self._length is None and type(result) is list and len(result) == 1 and not self._bare | self._size:
                self._length = len(result[0])
            elif self._names and type(result) is FileWrapper and self._name(result.file, drain):
                return
            write = self.write
            for data in result:
                if data:
                    write(data)
                    if self._bare:
                        break
            drain()
            self._finish()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(self, status: str, headers: list[Header], exc_info: ExcInfo | None = None) -> Write:
        """Take status and headers, as PEP 3333 has it; an error page may replace what has not left yet."""
        if exc_info is not None:
            try:
                if self._left and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it holds this frame: no circle
            self._pieces.clear()
            self._size = 0
        elif self._head:
            raise RuntimeError("start_response was called twice")
        self._head, self._length = head_of(status, headers)
        self._coded = self._accept is not None and may_be_coded(status, headers)
        if STRANGER in self._environ:
            self._head += FOR_ANY_STRANGER
        elif NOT_SIGNED_IN in self._environ:
            self._head += FOR_WHO_HAS_SIGNED_IN
        if ASKED_BY in self._environ:
            self._head += b"\r\nTracd-Cluster-User: " + quote(self._environ[ASKED_BY], safe="").encode("ascii")
        self._bare = self._head_only
        if status[:3] in _BODILESS:
            self._bare = True
            self._length = None
        return self.write

    def write(self, data: bytes) -> None:
        """Add to the body."""
        if not self._head:
            raise RuntimeError("the application sent data before it called start_response")
        if self._bare:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > PIECE:
            self._flush()

    def _name(self, file: object, drain: Callable[[], object]) -> bool:
        """Answer with the name of a file, if it has one to go by."""
        if self.status != 200 or self._size or self._left:
            return False
        line = line_of(file, self._length)
        if line:
            drain()
            self._transmit(b"%b\r\n%bContent-Length: 0\r\n\r\n" % (self._head, line))
            self._ended = True
        return bool(line)

    def _begin(self, size: int) -> bytes:
        """Give the head of a body of ``size`` bytes or more, and begin to compress it if it is worth while."""
        if not self._coded:
            return self._head
        head = varied(self._head)
        if size < LEAST or not wanted(self._accept or ""):
            return head
        self._deflate = Deflate()
        return head + b"\r\nContent-Encoding: gzip"

    def _flush(self) -> None:
        """Send what is collected: the answer is longer than fits into one send."""
        body = memoryview(b"".join(self._pieces))
        self._pieces.clear()
        self._size = 0
        prefix = b""
        if not self._left:
            head = self._begin(len(body))
            framing = b"Transfer-Encoding: chunked"
            self._chunked = True
            if self._length is not None and self._deflate is None:
                framing = b"Content-Length: %d" % self._length
                self._chunked = False
            prefix = b"%b\r\n%b\r\n\r\n" % (head, framing)
        if self._length is not None:
            body = body[: self._length]
            self._length -= len(body)
        for start in range(0, len(body), PIECE):
            part = bytes(body[start : start + PIECE])
            if self._deflate is not None:
                part = self._deflate.piece(part)
            self._transmit(b"%b%x\r\n%b\r\n" % (prefix, len(part), part) if self._chunked else prefix + part)
            prefix = b""

    def _finish(self) -> None:
        """Send the rest, or all of it."""
        if not self._head:
            raise RuntimeError("the application did not call start_response")
        if self._left:
            self._finish_stream()
        elif self._bare:
            head = self._begin(self._length or 0)
            length = b""
            if self._length is not None and self._deflate is None:
                length = b"\r\nContent-Length: %d" % self._length
            self._transmit(b"%b%b\r\n\r\n" % (head, length))
        else:
            body = b"".join(self._pieces)
            whole = self._size if self._length is None else self._length
            if whole > self._size:
                raise _too_short(whole - self._size)
            head, body = self._begin(whole), body[:whole]
            if self._deflate is not None:
                body = self._deflate.last(body)
            self._transmit(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        self._ended = True

    def _finish_stream(self) -> None:
        if self._size:
            self._flush()
        if self._length:
            raise _too_short(self._length)
        if self._chunked:
            last = self._deflate.last(b"") if self._deflate is not None else b""
            self._transmit(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last) if last else b"0\r\n\r\n")

    def _break_off(self) -> None:
        """End an answer that failed, as well as what has left of it allows."""
        if not self._left:
            self._pieces, self._size = [_PAGE_500], len(_PAGE_500)
            self._head, _ = head_of("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
            self._length = self._size
            self._coded, self._deflate = False, None
            self._bare = self._head_only
            self._finish()
        elif self._chunked:
            self._transmit(FAILED_TRAILER)
        else:
            raise LaneBroken("an answer broke off before the end of its Content-Length")

    def _transmit(self, data: bytes) -> None:
        self._left = True
        try:
            self._send(data)
        except OSError:
            self._gone = True
            raise


def head_of(status: str, headers: list[Header]) -> tuple[bytes, int | None]:
    """Give the head without framing and without its last line break, and the Content-Length among ``headers``.

    Raises ValueError for what cannot be sent: a field that would break out of its line, a name that is none, an
    informational status.
    """
    if not (len(status[:3]) == 3 and status[:3].isdigit() and status[0] in "2345" and status[3:4] in ("", " ")):
        raise ValueError(f"not a final HTTP status: {status!r}")
    lines = ["HTTP/1.1 " + status if len(status) > 3 else f"HTTP/1.1 {status} "]
    length = None
    for name, value in headers:
        folded = _folded.get(name) or _fold(name)
        if folded == "content-length":
            length = _length_of(value, length)
        elif folded not in _DROPPED:
            lines.append(name + ": " + value)
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    # Counting once in the whole is cheaper than looking into every value.
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
        raise ValueError(f"a line break or NUL in the headers of an answer: {status!r}, {headers!r}")
    return head.encode("latin-1"), length


def _too_short(missing: int) -> RuntimeError:
    return RuntimeError(f"the answer is {missing} bytes shorter than its Content-Length")


def _length_of(value: str, known: int | None) -> int:
    if not (value.isascii() and value.isdigit()) or known not in (None, int(value)):
        raise ValueError(f"not a Content-Length: {value!r}")
    return int(value)


def _fold(name: str) -> str:
    """Give a header name in lower case; the common ones are remembered. Raises ValueError if it is not a name.

    All that are ours are one.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    folded = name.lower()
    if folded.replace("_", "-").startswith(_OURS):
        folded = _OURS
    if len(_folded) < _FOLDED_LIMIT:
        _folded[name] = folded
    return folded
