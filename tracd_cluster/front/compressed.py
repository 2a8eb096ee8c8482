"""Files read into memory, plain and compressed, once for each state of a file and off the reactor's thread.

Note [Which codings]. gzip, because everything takes it, and Brotli where its library is installed: all browsers take
that over HTTPS. A file is compressed once and sent for weeks, so only its size counts: Trac's own scripts and style
sheets, 695 KB, are 208 KB in gzip at its best, 197 KB in zstd at its best, and 180 KB in Brotli, which takes a second
for all of them. zstd is younger, too: not every browser takes it.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.codings import BROTLI, GZIP, LEAST

try:
    import brotli
except ImportError:
    brotli = None

log = Logger()

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, and when content and file were changed last: as long as these are the same, so is the file."""


def identity_of(stat: os.stat_result) -> Identity:
    """Tell a file, and its state, from all others."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class Loaded:
    """A file in memory: ``plain``, and those of its compressed ``forms`` that are smaller.

    ``entries`` are the addresses that it is answered at.
    """

    __slots__ = ("entries", "forms", "plain", "size")

    def __init__(self, plain: bytes, forms: dict[bytes, bytes]) -> None:
        self.plain = plain
        self.forms = forms
        self.size = len(plain) + sum(map(len, forms.values()))
        self.entries: set[Any] = set()


def load(path: bytes, identity: Identity, compress: bool) -> Loaded | None:
    """Read a file and compress it; None if it is not in this state any more, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if identity_of(os.fstat(descriptor)) != identity:
                return None
            plain = file.read(identity[2] + 1)
    except OSError:
        return None
    if len(plain) != identity[2]:
        return None
    forms: dict[bytes, bytes] = {}
    if compress and len(plain) >= LEAST:
        forms = {coding: made for coding, made in _compressed(plain) if len(made) < len(plain)}
    return Loaded(plain, forms)


def _compressed(plain: bytes) -> list[tuple[bytes, bytes]]:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # 16: with the head and foot of gzip
    found = [(GZIP, deflate.compress(plain) + deflate.flush())]
    if brotli is not None:
        found.append((BROTLI, brotli.compress(plain, mode=brotli.MODE_TEXT)))
    return found


Told = Callable[[Loaded | None], object]


class Loader:
    """Has files loaded in a thread, one after another: the first page of a day is not to take all processors."""

    def __init__(self, in_thread: Callable[..., Deferred[Any]]) -> None:
        self._in_thread = in_thread
        self._waiting: deque[tuple[Callable[[], Loaded | None], Told]] = deque()
        self._busy = False

    def __call__(self, path: bytes, identity: Identity, compress: bool, told: Told) -> None:
        """Load a file; ``told`` is called once, with None if that failed."""
        self._waiting.append((partial(load, path, identity, compress), told))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._waiting:
            work, told = self._waiting.popleft()
            self._in_thread(work).addErrback(_failed).addCallback(told).addErrback(_failed).addCallback(
                lambda _: self._next()
            )


def _failed(failure: Failure) -> None:
    log.failure("A static file could not be loaded", failure=failure)
