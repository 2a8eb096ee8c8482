"""A unit of systemd's, as far as its sandbox goes, read word for word from ``deploy/``."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Unit:
    """The settings of one unit, each with all its values, in order; a backslash at a line's end is not understood."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                name, _, value = line.partition("=")
                self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        """Give a setting that is there once."""
        (value,) = self._values[name]
        return value

    def names(self) -> set[str]:
        """Give what is set."""
        return set(self._values)

    def words(self, name: str) -> list[str]:
        """Give a setting's words, those of all its lines; none if it is not there."""
        return " ".join(self._values.get(name, ())).split()

    def system_calls(self) -> set[str]:
        """Give the names of the system calls that are let through."""
        allowed: set[str] = set()
        for line in self._values["SystemCallFilter"]:
            names = _members(line.removeprefix("~").split())
            allowed = allowed - names if line.startswith("~") else allowed | names
        return allowed


def _members(names: list[str]) -> set[str]:
    """Give the system calls that these names stand for; a name with an @ is a set, which may hold sets."""
    found: set[str] = set()
    for name in names:
        if not name.startswith("@"):
            found.add(name)
            continue
        argv = ["systemd-analyze", "syscall-filter", "--no-pager", name]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
        lines = [line.strip() for line in done.stdout.splitlines()[1:]]
        found |= _members([line for line in lines if line and not line.startswith("#")])
    return found
