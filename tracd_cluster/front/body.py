"""A request's body, kept until a worker takes it: in memory while small, then in a temporary file."""

from __future__ import annotations

import tempfile
from io import FileIO

from twisted.logger import Logger

from tracd_cluster.errors import ClientFault, NoRoom
from tracd_cluster.front.spool import Spool

log = Logger()


class Body:
    """The bytes of one body, written once and read as often as needed.

    Up to ``memory`` bytes stay in memory; beyond, all of it is in a temporary file that has no name (it is
    unlinked at once, so nothing is left behind even by a crash) and takes room of ``spool`` until ``close``. Raises
    OSError when that file cannot be made or written.
    """

    __slots__ = ("_closed", "_file", "_kept", "_memory", "_spool", "_spooled", "size")

    def __init__(self, memory: int, spool: Spool) -> None:
        self._memory = memory
        self._spool = spool
        self._spooled = 0
        # Not a list of pieces: a client chooses how small they are, and each would take as much as fifty bytes.
        self._kept = bytearray()
        self._file: FileIO | None = None
        self._closed = False
        self.size = 0

    def take(self, data: bytes, most: int, keep: bool) -> None:
        """Add a client's data, or only count it; raise ClientFault beyond ``most``, or where there is no room."""
        if self.size + len(data) > most:
            self.close()
            raise ClientFault(413, f"A request body may have {most} bytes at the most.")
        if not keep:
            self.size += len(data)
            return
        try:
            self.write(data)
        except OSError as error:
            log.error("No room for a request body of {size} bytes: {error}", size=self.size, error=error)
            self.close()
            raise NoRoom(507, "The server has no room for this upload at the moment.") from error
        except NoRoom:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Add ``data`` at the end."""
        self.size += len(data)
        if self.size <= self._memory:
            self._kept += data
            return
        self._spool.take(self.size - self._spooled, self.size)
        self._spooled = self.size
        if self._file is None:
            # Without a buffer: what the disk does not take is known while the client can still be told.
            self._file = tempfile.TemporaryFile(prefix="tracd-cluster-", buffering=0)  # noqa: SIM115 - see close
            data = b"".join((self._kept, data))
            self._kept = bytearray()
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def start(self) -> bytes:
        """Begin to read from the start: give what is in memory, the whole body or nothing."""
        if self._file is None:
            return bytes(self._kept)
        self._file.seek(0)
        return b""

    def read(self, size: int) -> bytes:
        """Give the next bytes of a body that is in a file, empty at its end; raise OSError after ``close``."""
        if self._closed:
            # To a lane that were still sending it, an end would be taken for the body's own.
            raise OSError("the body has been given up")
        return self._file.read(size) if self._file is not None else b""

    def close(self) -> None:
        """Give up the file and its room; nobody will read this body again. Again and again does no harm."""
        self._closed = True
        file, self._file = self._file, None
        if file is not None:
            file.close()
        spooled, self._spooled = self._spooled, 0
        self._spool.give_back(spooled)

    def __del__(self) -> None:
        self.close()
