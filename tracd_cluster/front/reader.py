"""A client's bytes as requests: heads, pieces of bodies, ends. No I/O here, only llhttp and what it finds."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.head import Head
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.front import FrontSettings


class Request(Protocol):
    """What a request becomes when its head has been read."""

    def body_piece(self, data: bytes) -> None:
        """Take a piece of the body; raise ClientFault to refuse the request."""


AnyRequest = TypeVar("AnyRequest", bound=Request)


class Reads(Protocol[AnyRequest]):
    """Who wants the requests."""

    def head_read(self, head: Head) -> AnyRequest:
        """Begin a request; raise ClientFault to refuse it."""

    def request_read(self, request: AnyRequest) -> None:
        """The request is complete."""


class RequestReader(Generic[AnyRequest]):
    """Reads one request after another from a connection.

    ``reading`` is the request whose body is being read, or None. ``between`` says that nothing of a next request has
    come. After a request that is its connection's last, bytes are ignored.
    """

    __slots__ = (
        "_fault", "_fields", "_last", "_limits", "_moved", "_parser", "_reads", "_size", "_target", "_unshown",
        "reading",
    )  # fmt: skip

    def __init__(self, limits: FrontSettings, reads: Reads[AnyRequest]) -> None:
        self._limits = limits
        self._reads = reads
        self._parser = HttpRequestParser(self)
        self._target: bytes | None = None
        self._fields: list[Field] = []
        self._size = 0
        self._unshown = 0
        """Bytes fed since llhttp has last shown the end of a head, some of a body, or the end of a request."""
        self._moved = False
        self._last = False
        self._fault: ClientFault | None = None
        self.reading: AnyRequest | None = None

    @property
    def between(self) -> bool:
        """Tell that nothing of a next request has come."""
        return self._target is None and not self._unshown

    def feed(self, data: bytes) -> None:
        """Take bytes; raise ClientFault for what is no request, or is refused. Nothing can be read after that."""
        self._moved = False
        try:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                self._parse_on(data, upgrade)
            if not self._moved:
                self._bound(len(data))
        except HttpParserError as error:
            fault, self._fault = self._fault, None
            if fault is None and isinstance(error, HttpParserCallbackError):
                raise
            if not self._last or self.reading is not None:
                raise fault or ClientFault(400, f"This is not an HTTP/1.1 request: {error}.") from error

    def _parse_on(self, data: bytes, upgrade: HttpParserUpgrade) -> None:
        """Go on after a request that asks for another protocol.

        Nothing is spoken here but HTTP/1.1: it has been taken as if it had not asked (RFC 9110 section 7.8), and what
        follows it is read as the next one.
        """
        while True:
            self._parser = HttpRequestParser(self)
            data = data[upgrade.args[0] :]
            if not data:
                return
            try:
                self._parser.feed_data(data)
                return
            except HttpParserUpgrade as another:
                upgrade = another

    def go_by(self, limits: FrontSettings) -> None:
        """Read what follows under other limits."""
        self._limits = limits

    def end(self) -> None:
        """Let go of all that refers to this reader: nothing is fed any more, and no collector has to find it."""
        del self._parser, self._reads

    def _bound(self, size: int) -> None:
        """Bound what llhttp swallows without a word: it shows whole fields only, and no chunk extensions."""
        self._unshown += size
        if self._unshown > 2 * self._limits.head_limit:
            raise ClientFault(431, f"The head of a request may have {self._limits.head_limit} bytes.")

    def _wrong(self, fault: ClientFault) -> ClientFault:
        """Note a fault that is to be raised through llhttp, whose wrapper does not carry it reliably."""
        self._fault = fault
        return fault

    # -- called by llhttp

    def on_url(self, url: bytes) -> None:
        self._target = url if self._target is None else self._target + url
        self._size = len(self._target)
        limit = self._limits.request_line_limit
        if self._size > limit:
            raise self._wrong(ClientFault(414, f"The address may have {limit} bytes at the most."))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.reading is not None:
            return  # a trailer: nobody here wants it
        self._size += len(name) + len(value) + 4
        if self._size > self._limits.head_limit:
            raise self._wrong(ClientFault(431, f"The head of a request may have {self._limits.head_limit} bytes."))
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._moved = True
        self._unshown = 0
        fields, self._fields = self._fields, []
        try:
            head = self._make_head(fields)
            self._last = not head.keep_alive
            self.reading = self._reads.head_read(head)
        except ClientFault as fault:
            self._fault = fault
            raise

    def _make_head(self, fields: list[Field]) -> Head:
        if self._last:
            raise ClientFault(400, "A request follows one that was to be the last.")
        if len(fields) > self._limits.header_limit:
            raise ClientFault(431, f"A request may have {self._limits.header_limit} header fields.")
        target = self._target
        assert target is not None
        parser = self._parser
        head = Head(parser.get_method(), parser.get_http_version(), target, fields, self._limits.remote_user)
        if (head.length or head.chunked) and parser.should_upgrade():
            # llhttp would take the body for the other protocol's bytes.
            raise ClientFault(400, "A request that asks for another protocol may not have a body.")
        return head

    def on_body(self, data: bytes) -> None:
        assert self.reading is not None
        self._moved = True
        self._unshown = 0
        try:
            self.reading.body_piece(data)
        except ClientFault as fault:
            self._fault = fault
            raise

    def on_message_complete(self) -> None:
        request, self.reading = self.reading, None
        assert request is not None
        self._target = None
        self._moved = True
        self._reads.request_read(request)
