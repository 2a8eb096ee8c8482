"""What else comes to a server on the Internet: the silent, the crowd at one page, and those who come once.

Thousands of connections that say hardly anything must cost other people's pages nothing; a crowd that wants one page,
one rendering in each period of the cache; and addresses that come once, no memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter

from tests.bench import client
from tests.bench.overload import Program, revisions
from tests.bench.peers import Ours
from tests.bench.workloads import WIKI, forget_visitors

SLOW, IDLE = 2000, 5000
FLOODERS = 64
PERIOD = 2.0
"""Seconds that a page is kept for strangers, the default of ``--cache``."""

PASSERS = 8
EARLY = 0.25
"""The part of the time after which memory is looked at first: whatever has a bound has been filled a good deal."""


@dataclass(frozen=True)
class SilentSample:
    """A page at two servers in turn, one of which has thousands of silent clients; milliseconds."""

    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float
    memory: float
    """KiB of the front for each silent connection."""


@dataclass(frozen=True)
class Flood:
    """Many clients who want the same page as fast as they can get it."""

    requests: int
    errors: int
    seconds: float
    renderings: int

    @property
    def periods(self) -> int:
        """Periods of the cache that have begun in that time."""
        return ceil(self.seconds / PERIOD) + 1


@dataclass(frozen=True)
class Passing:
    """Clients who come once, each from another address; memory of the front in MB."""

    addresses: int
    failed: int
    seconds: float
    early: float
    late: float


class OursBeside(Ours):
    """A second one of ours, for comparison."""

    name = "tracd-cluster beside"


class OursLogging(Ours):
    """Ours with a log that says who has made each answer."""

    name = "tracd-cluster logging"

    def launch(self) -> None:
        self.log.unlink(missing_ok=True)
        self.more = ["--access-log", str(self.log), "--access-log-format", "json"]
        super().launch()

    @property
    def log(self) -> Path:
        """Where the log is."""
        return self.folder / "access.log"


def silence(environment: Path, folder: Path, workers: int, seconds: float, turns: int) -> list[SilentSample]:
    """Measure pages at both servers in turn."""
    quiet, crowded = OursBeside(environment, folder, workers), Ours(environment, folder, workers)
    forget_visitors(environment)
    crowd: Program | None = None
    found: list[SilentSample] = []
    try:
        for peer in (quiet, crowded):
            peer.start()
        for peer in (quiet, crowded):
            peer.wait_until_serving(WIKI)
            _pages(peer, 1.0)
        before = _memory(crowded)
        crowd = Program("crowd", crowded.port, SLOW, IDLE)
        crowd.hear()
        memory = (_memory(crowded) - before) * 1024 / (SLOW + IDLE)
        for turn in range(turns):
            loads = {peer: _pages(peer, seconds) for peer in ((quiet, crowded), (crowded, quiet))[turn % 2]}
            alone, beside = loads[quiet], loads[crowded]
            found.append(SilentSample(alone.p50, alone.p99, beside.p50, beside.p99, memory))
    finally:
        if crowd is not None:
            crowd.kill()
        crowded.stop()
        quiet.stop()
    return found


def _pages(peer: Ours, seconds: float) -> client.Load:
    return client.wrk(peer.port, WIKI, peer.count, seconds)


def _memory(peer: Ours) -> float:
    return float(peer.front()[0].memory_info().rss) / (1 << 20)


def flood(environment: Path, folder: Path, workers: int, seconds: float) -> Flood:
    """Let many clients ask for one page, and count how often it is made."""
    peer = OursLogging(environment, folder, workers)
    path = f"/changeset/{revisions(environment)[0]}/code"
    forget_visitors(environment)
    try:
        peer.start()
        peer.wait_until_serving(WIKI)
        load = client.wrk(peer.port, path, FLOODERS, seconds, cookie="")
    finally:
        peer.stop()
    with peer.log.open() as lines:
        made = renderings(lines, path)
    return Flood(load.requests, load.errors, load.seconds, made)


def renderings(lines: Iterable[str], path: str) -> int:
    """Count how often workers have made a page, by the access log."""
    records = (json.loads(line) for line in lines if '"by": "worker"' in line)
    return sum(record["target"] == path for record in records)


def passing(environment: Path, folder: Path, workers: int, seconds: float) -> Passing:
    """Let clients come from as many addresses as they can, and look at the front's memory."""
    peer = Ours(environment, folder, workers)
    forget_visitors(environment)
    passers: Program | None = None
    try:
        peer.start()
        peer.wait_until_serving(WIKI)
        begin = monotonic()
        passers = Program("strangers", "pass", peer.port, PASSERS)
        client.pause_until(perf_counter() + EARLY * seconds)
        early = _memory(peer)
        client.pause_until(perf_counter() + (1 - EARLY) * seconds)
        late = _memory(peer)
        came = json.loads(passers.finish())
        failed = sum(number for what, number in came["answers"].items() if not what.isdigit())
        return Passing(came["addresses"], failed, monotonic() - begin, early, late)
    finally:
        if passers is not None:
            passers.kill()
        peer.stop()


def ratio(samples: list[SilentSample], part: str) -> float | None:
    """Give how many times longer pages take beside the silent, turn by turn."""
    pairs = [(getattr(each, f"beside_{part}"), getattr(each, f"alone_{part}")) for each in samples]
    found = [beside / alone for beside, alone in pairs if alone]
    return median(found) if found else None
