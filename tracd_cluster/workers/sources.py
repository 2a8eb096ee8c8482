"""What the running code consists of, and whether any of it has changed."""

from __future__ import annotations

import os
from collections.abc import Iterable

Look = dict[str, tuple[int, int, int] | None]
"""For each path its time of modification (nanoseconds), size and inode; None if it is not there."""


def look_at(paths: Iterable[str]) -> Look:
    """Look at files, and at folders, whose entries come and go."""
    found: Look = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found[path] = None
        else:
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def changed(before: Look, after: Look) -> list[str]:
    """Name what is not as it was; what only one of the looks knows has not changed."""
    return sorted(path for path in before.keys() & after.keys() if before[path] != after[path])
