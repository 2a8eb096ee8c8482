"""A front that learns, on files of a test's own; threads do their work at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from tests.unit.front.wire import FakeLane, make_front
from tracd_cluster.front.asking import Asking
from tracd_cluster.front.compressed import Identity, Told, load
from tracd_cluster.front.learned import Learned
from tracd_cluster.front.listener import Front
from tracd_cluster.settings.static import StaticSettings
from tracd_cluster.tracd.naming import line_of

CSS = b"body { color: navy }\n" * 100
PATH = b"/chrome/site/a.css"
FIELDS = b"Content-Type: text/css\r\nLast-Modified: Thu, 26 Nov 2026 00:00:00 GMT\r\n"
COOKIE = b"Cookie: trac_session=1\r\n"


def load_now(path: bytes, identity: Identity, compress: bool, told: Told) -> None:
    """Load without a thread."""
    told(load(path, identity, compress))


class StaticFront:
    """A front with one worker, which is the test."""

    def __init__(self, folder: Path, settings: StaticSettings | None = None, **front: Any) -> None:
        self.folder = folder
        self.front: Front
        self.clock: Clock
        self.front, self.clock = make_front(**front)
        self.learned = Learned(b"", True, load_now)
        self.learned.take(settings or StaticSettings())
        self.front.learned = self.learned
        self.asking = Asking(self.front)
        self.learned.ask = self.asking.want
        self.lane = FakeLane(self.front)
        self.front.balancer.add(self.lane)
        self.put(CSS)

    @property
    def file(self) -> Path:
        """The file that the worker names."""
        return self.folder / "a.css"

    def put(self, data: bytes) -> None:
        """Put another file in its place."""
        new = self.folder / "new"
        new.write_bytes(data)
        new.replace(self.file)

    def named(self, fields: bytes = FIELDS, path: Path | None = None) -> bytes:
        """Give what the worker answers."""
        with (path or self.file).open("rb") as file:
            line = line_of(file, os.fstat(file.fileno()).st_size)
        return b"HTTP/1.1 200 OK\r\n%b%bContent-Length: 0\r\n\r\n" % (fields, line)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the front notice."""
        self.clock.advance(seconds)
        self.front.sweep()

    @property
    def asked(self) -> int:
        """How many requests the worker has got."""
        return len(self.lane.heads)


def get(path: bytes = PATH, fields: bytes = b"", method: bytes = b"GET") -> bytes:
    """Write a request."""
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, path, fields)


def parts(sent: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Give status, fields and body of an answer."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = [line.split(b": ", 1) for line in lines]
    found = {name.lower(): value for name, value in fields}
    assert len(fields) == len(found), "a field stands there twice"
    return int(first[9:12]), found, body
