"""What is told of a request when it has ended: to the access log, to counters, to whoever wants to know.

A record is made once for each request, and only if anybody listens. Times are seconds; ``arrived`` is absolute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tracd_cluster.front.head import Head
from tracd_cluster.traffic.place import Place

LEFT = 499
"""The status of a request whose client went before there was an answer, as nginx has it; nobody ever gets it."""


class Record:
    """One request that has ended.

    ``sent`` are the bytes of the whole answer that were written, ``received`` those of the request's body. ``by`` says
    who has answered: ``worker``, ``front``, ``file``, ``memory`` or ``cache``; ``worker`` is the name of the last
    worker that was asked, or empty. ``whole`` says that all of the answer was written.
    """

    __slots__ = (
        "address", "arrived", "by", "ended", "generation", "head", "line_seconds", "place", "received", "request_id",
        "sent", "status", "total_seconds", "user", "whole", "worker", "worker_seconds",
    )  # fmt: skip

    def __init__(self, arrived: float, address: str, head: Head | None, request_id: bytes = b"") -> None:
        self.arrived = arrived
        self.address = address
        self.head = head
        """None for what was no request."""
        self.request_id = request_id
        self.user = b""
        """Percent-encoded."""
        self.place: Place | None = None
        """Where it stood in line; None if it needed no worker."""
        self.status = 0
        self.by = "front"
        self.worker = ""
        self.generation = 0
        """The worker's; 0 for none."""
        self.sent = 0
        self.received = 0
        self.line_seconds = 0.0
        self.worker_seconds = 0.0
        self.total_seconds = 0.0
        self.whole = True
        self.ended = False

    @property
    def method(self) -> str:
        """The method, ``-`` for what was no request."""
        return self.head.method.decode("ascii") if self.head is not None else "-"

    @property
    def target(self) -> str:
        """The target as the client wrote it, each byte a character; ``-`` for what was no request."""
        return self.head.target.decode("latin-1") if self.head is not None else "-"

    def end(self, now: float, whole: bool, recorders: Iterable[Recorder]) -> None:
        """Tell of a request that has ended."""
        self.ended = True
        self.whole = whole
        self.total_seconds = now - self.arrived
        for tell in recorders:
            tell(self)


Recorder = Callable[[Record], None]
