"""A request's body, kept until a worker takes it: in memory while small, then in a temporary file."""

from __future__ import annotations

import tempfile
from typing import IO

from twisted.logger import Logger

from tracd_cluster.errors import ClientFault

log = Logger()


class Body:
    """The bytes of one body, written once and read as often as needed.

    Up to ``memory`` bytes stay in memory; beyond, all of it is in a temporary file that has no name (it is
    unlinked at once, so nothing is left behind even by a crash). Raises OSError when that file cannot be made
    or written.
    """

    __slots__ = ("_file", "_memory", "_pieces", "size")

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    def take(self, data: bytes, most: int, keep: bool) -> None:
        """Add a client's data, or only count it; raise ClientFault beyond ``most``, or where there is no room."""
        if self.size + len(data) > most:
            raise ClientFault(413, f"A request body may have {most} bytes at the most.")
        if not keep:
            self.size += len(data)
            return
        try:
            self.write(data)
        except OSError as error:
            log.error("No room for a request body of {size} bytes: {error}", size=self.size, error=error)
            raise ClientFault(507, "The server has no room for this upload at the moment.") from error

    def write(self, data: bytes) -> None:
        """Add ``data`` at the end."""
        self.size += len(data)
        if self._file is not None:
            self._file.write(data)
        elif self.size <= self._memory:
            self._pieces.append(data)
        else:
            self._file = tempfile.TemporaryFile(prefix="tracd-cluster-")  # noqa: SIM115 - __del__ closes it
            self._file.write(b"".join(self._pieces))
            self._file.write(data)
            self._pieces = []

    def start(self) -> bytes:
        """Begin to read from the start: give what is in memory, the whole body or nothing."""
        if self._file is None:
            return b"".join(self._pieces)
        self._file.seek(0)
        return b""

    def read(self, size: int) -> bytes:
        """Give the next bytes of a body that is in a file, empty at its end."""
        return self._file.read(size) if self._file is not None else b""

    def __del__(self) -> None:
        # The journey and the lane both hold a body, and either may be the last to need it.
        if self._file is not None:
            self._file.close()
