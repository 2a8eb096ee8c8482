"""A file that one of our own workers has named in place of its bytes (tracd/naming.py)."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import unquote_to_bytes

from tracd_cluster.front.ranges import Whole
from tracd_cluster.rewrite.headers import Field

NO_FILES = b"Tracd-Cluster-No-Files: 1\r\n"
"""Asks a worker for the bytes of a file, after its name was of no use."""

# Not to wait for the other end where a pipe has come in its place.
_HOW = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class FileChanged(Exception):
    """Under its name is not the file any more that was named, or it has been written to."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a worker has found: where, how large, when changed (in nanoseconds), and which inode of which device."""

    path: bytes
    size: int
    changed: int
    device: int
    inode: int

    @classmethod
    def read(cls, value: bytes) -> Named:
        """Read the field's value; raise ValueError if it makes no sense."""
        size, changed, place, path = value.split(b" ")
        device, _, inode = place.partition(b":")
        return cls(unquote_to_bytes(path), int(size), int(changed), int(device), int(inode))

    def open(self) -> int:
        """Open it and give the descriptor; raise OSError if that cannot be done, or FileChanged.

        Symbolic links are followed, as they were by who named it: what counts is that it is the same file.
        """
        fd = os.open(self.path, _HOW)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) != (self.device, self.inode):
                raise FileChanged("another file has its name")
            self._compare(found)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def check(self, fd: int) -> None:
        """Raise FileChanged if the open file has been written to."""
        self._compare(os.fstat(fd))

    def _compare(self, found: os.stat_result) -> None:
        if (found.st_size, found.st_mtime_ns) != (self.size, self.changed):
            raise FileChanged("it has been written to")

    @property
    def etag(self) -> bytes:
        """The strong entity tag of a file that has none by itself; it tells nobody where the file is."""
        seen = b"%d %d %d %d" % (self.changed, self.size, self.device, self.inode)
        return b'"%b"' % blake2b(seen, digest_size=12).hexdigest().encode("ascii")

    def whole(self, fields: list[Field]) -> tuple[Whole, list[Field]]:
        """Give what it is known by, with these fields of its answer, and the fields with the entity tag among them."""
        found = {name.lower(): value for name, value in fields}
        etag = found.get(b"etag", b"")
        if not etag:
            etag = self.etag
            fields = [*fields, (b"ETag", etag)]
        kind = found.get(b"content-type", b"application/octet-stream")
        return Whole(self.size, etag, found.get(b"last-modified", b""), kind), fields
