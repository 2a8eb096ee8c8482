"""How much memory a process has to itself, as Linux tells it."""

from __future__ import annotations

from collections.abc import Iterable

PROC = "/proc"


def memory_of(pid: int, proc: str = PROC) -> int | None:
    """Give the memory of a process in bytes; None if it has gone, or nobody tells.

    It is the PSS: what it has alone, and its part of what it shares with the others (proc(5), smaps_rollup, since
    Linux 4.14). Where that is missing, the resident set, which counts all that is shared as well.
    """
    for name, field in (("smaps_rollup", b"Pss:"), ("status", b"VmRSS:")):
        try:
            with open(f"{proc}/{pid}/{name}", "rb") as file:
                for line in file:
                    if line.startswith(field):
                        return int(line.split()[1]) * 1024
        except (OSError, ValueError, IndexError):
            continue
    return None


def memory_of_all(pids: Iterable[int], proc: str = PROC) -> dict[int, int]:
    """Give the memory of each process that is there; the kernel walks all its pages, some milliseconds for each."""
    found = {pid: memory_of(pid, proc) for pid in pids}
    return {pid: size for pid, size in found.items() if size is not None}
