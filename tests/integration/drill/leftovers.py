"""What a service has: processes, open descriptors, files that are for a moment or for its life only."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.integration.cluster import TEMPLATE_TITLE, WORKER_TITLE
from tests.integration.drill.site import SOON, Site
from tests.processes import title, wait_until

PATIENCE = 10.0
"""Seconds in which what is ending has ended."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Inventory:
    """What there is of each kind, at a moment when nobody asks for anything."""

    processes: Counter[str]
    descriptors: dict[str, Counter[str]]
    """What is open, of each kind of process: the most that any one of it has."""
    files: frozenset[str]

    def more_than(self, before: Inventory) -> list[str]:
        """Say what there is more of than there was."""
        found = [f"{count} {role}" for role, count in (self.processes - before.processes).items()]
        for role, kinds in self.descriptors.items():
            more = kinds - before.descriptors.get(role, Counter())
            if sum(kinds.values()) > sum(before.descriptors.get(role, Counter()).values()):
                found.append(f"descriptors of the {role}: {dict(more)}")
        return found + sorted(self.files - before.files)

    def __str__(self) -> str:
        totals = {role: sum(kinds.values()) for role, kinds in self.descriptors.items()}
        opened = ", ".join(f"{count} descriptors of the {role}" for role, count in totals.items())
        return f"{sum(self.processes.values())} processes, {opened}, {len(self.files)} files"


def take_inventory(site: Site) -> Inventory:
    """Wait until there is the same at two looks: what asks for the status has just been connected itself."""
    looks = [_look(site)]

    def still() -> bool:
        looks.append(_look(site))
        return looks[-1] == looks[-2]

    wait_until(still, SOON, "an inventory that stays the same")
    return looks[-1]


def leftovers(site: Site, before: Inventory) -> list[str]:
    """Give what there is more of than there was, once it does not become less any more."""
    found: list[str] = []

    def nothing() -> bool:
        found[:] = _look(site).more_than(before)
        return not found

    with contextlib.suppress(AssertionError):
        wait_until(nothing, PATIENCE)
    return found


def _look(site: Site) -> Inventory:
    wait_until(lambda: site.report().get("connections") == 0, SOON, "the end of the last connection")
    site.rest()
    wait_until(site.daemon.watches, SOON, "the watch over files")
    processes: Counter[str] = Counter()
    descriptors: dict[str, Counter[str]] = {}
    for process in site.daemon.tree.alive():
        role = role_of(site, process)
        processes[role] += 1
        kinds = open_in(process.pid)
        if sum(kinds.values()) >= sum(descriptors.get(role, Counter()).values()):
            descriptors[role] = kinds
    return Inventory(processes, descriptors, frozenset(files_of(site)))


def role_of(site: Site, process: psutil.Process) -> str:
    """Say what a process is for."""
    name = title(process)
    if process.pid == site.daemon.pid:
        return "front"
    if TEMPLATE_TITLE.search(name):
        return "template"
    return "worker" if WORKER_TITLE.match(name) else f"process {process.pid} ({name})"


def open_in(pid: int) -> Counter[str]:
    """Count what a process has open, by kind."""
    kinds: Counter[str] = Counter()
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            kinds[_NUMBER.sub("", os.readlink(f"{folder}/{name}"))] += 1
    return kinds


def files_of(site: Site) -> set[str]:
    """Give the files that are not to stay, and the journals of a database that nobody writes to."""
    folders = (site.folder / "temporary", site.folder / "runtime", site.env / "db")
    found = {str(path) for folder in folders for path in folder.rglob("*")}
    # A log of changes stays while anybody has the database open; it is no journal of one that was cut off.
    return {path for path in found if not path.endswith((".db-wal", ".db-shm"))}


def memory_of(pid: int) -> int:
    """Give the resident set of a process, in bytes: what it has alone changes with what its neighbours share."""
    return int(psutil.Process(pid).memory_info().rss)


def files_left(folder: Path) -> list[str]:
    """Give what is in a folder once the service has ended."""
    return sorted(str(path) for path in folder.rglob("*"))
