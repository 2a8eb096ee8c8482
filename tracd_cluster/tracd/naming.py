"""An answer that is a file names it, and the front sends it: a worker has better to do, and the front less to copy.

What is said of the file, size, time and inode, is what was there when Trac opened it. If the front finds anything else
under that name, it asks again, and wants the bytes.
"""

from __future__ import annotations

import io
import os
import stat
from typing import Any
from urllib.parse import quote_from_bytes

FIELD = b"Tracd-Cluster-File"
"""Its value: size, time of the last change in nanoseconds, device:inode, and the path, percent-encoded."""


def line_of(file: Any, length: int | None) -> bytes:
    """Give the header line that names ``file``; empty if it must go out as bytes.

    That is everything but a file on disk that still has its name, opened without any more ado, of which nothing has
    been read; and ``length``, which the application has announced, must be all of it.
    """
    if type(file) not in (io.BufferedReader, io.BufferedRandom) or type(file.raw) is not io.FileIO:
        return b""
    if isinstance(file.name, int):
        return b""
    try:
        found = os.fstat(file.fileno())
        path = os.path.abspath(os.fsencode(file.name))
        whole = stat.S_ISREG(found.st_mode) and found.st_nlink > 0 and found.st_size == length and file.tell() == 0
    except (OSError, ValueError):
        return b""  # closed, or without a folder to be in
    if not whole:
        return b""
    where = b"%d:%d %b" % (found.st_dev, found.st_ino, quote_from_bytes(path).encode("ascii"))
    return b"%b: %d %d %b\r\n" % (FIELD, found.st_size, found.st_mtime_ns, where)
