"""What a process has of the memory: its own pages, and its share of those that it has together with others."""

from __future__ import annotations

import re

_PSS = re.compile(r"^Pss:\s*(\d+) kB", re.MULTILINE)


def pss(pid: int | None) -> int | None:
    """Give the proportional set size in bytes; None where nobody tells (on Linux proc(5) does, in smaps_rollup)."""
    if pid is None:
        return None
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            found = _PSS.search(file.read())
    except OSError:
        return None
    return int(found[1]) * 1024 if found is not None else None
