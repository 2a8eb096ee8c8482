"""A thousand slow clients at once: what the next page waits for beside them, and what each costs the front."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from tests.bench import client
from tests.bench.peers import BIN, Ours
from tests.bench.workloads import WIKI, pss
from tests.crowd import Crowd, Plan

PROBES = 100
BLOCKS = 5
"""So often as many pages are asked for, and the quietest counts: the machine may have other things to do."""
SIZE = 5_000_000
FILE = "/raw-attachment/wiki/WikiStart/slow.bin"
PAGE = "/wiki/WikiFormatting"

CASES = {
    "1 000 read an attachment": Plan(readers={FILE: 1000}),
    "1 000 read a page of 47 KB": Plan(readers={PAGE: 1000}, cookie=""),
    "1 000 send 200 KB": Plan(uploaders=1000, begin=100_000, size=200_000),
    "1 000 send a form of 48 KB": Plan(uploaders=1000, begin=46_000, size=49_000),
    "1 000 read, 1 000 send": Plan(
        readers={FILE: 500, PAGE: 500}, cookie="", uploaders=1000, begin=100_000, size=200_000
    ),
}


@dataclass(frozen=True)
class Slow:
    """One measurement: a page's milliseconds before and beside the crowd, and KiB of the front for each of it."""

    case: str
    idle_p50: float
    idle_p99: float
    p50: float
    p99: float
    memory: float


class OursWithSlow(Ours):
    """Ours, with patience for a crowd that all comes at once."""

    more = ("--queue-timeout", "120", "--queue-target", "0")


def measure(environment: Path, folder: Path, workers: int, reps: int) -> list[Slow]:
    """Measure each case on a front of its own, so that what one leaves in memory is not there for the next."""
    attach(environment)
    found = []
    for _ in range(reps):
        for case, plan in CASES.items():
            peer = OursWithSlow(environment, folder, workers)
            peer.start()
            try:
                peer.wait_until_serving(WIKI)
                found.append(once(case, plan, peer))
            finally:
                peer.stop()
    return found


def attach(environment: Path) -> None:
    """Attach a file that nobody reads in a moment."""
    path = environment.parent / "slow.bin"
    path.write_bytes(b"slow" * (SIZE // 4))
    admin = [str(BIN / "trac-admin"), str(environment), "attachment"]
    subprocess.run([*admin, "remove", "wiki:WikiStart", path.name], check=False, capture_output=True)
    subprocess.run([*admin, "add", "wiki:WikiStart", str(path)], check=True, capture_output=True)
    path.unlink()


def once(case: str, plan: Plan, peer: Ours) -> Slow:
    """Measure one case."""
    [front] = peer.front()
    probe(peer.port)  # all is warm
    idle, before = quietest(peer.port), pss(front)
    with Crowd(peer.port, plan):
        beside, after = quietest(peer.port), pss(front)
    clients = sum(plan.readers.values()) + plan.uploaders
    return Slow(case, *idle, *beside, (after - before) * 1024 / clients)


def quietest(port: int) -> tuple[float, float]:
    """Give median and p99 of the block in which the latter is best."""
    return min((middle_and_end(probe(port)) for _ in range(BLOCKS)), key=lambda found: found[1])


def probe(port: int) -> list[float]:
    """Ask for a page again and again, as somebody with a cookie, and give the milliseconds."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for _ in range(PROBES):
            begin = perf_counter()
            connection.request("GET", WIKI, headers={"Cookie": client.COOKIE})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status} in place of a page")
            found.append((perf_counter() - begin) * 1e3)
    return found


def middle_and_end(values: list[float]) -> tuple[float, float]:
    """Give median and p99."""
    return median(values), quantiles(values, n=100)[98]


def ratio(found: Iterable[Slow]) -> float:
    """Give how much later the last of a hundred pages comes beside a crowd, at the median of the repetitions."""
    return median(each.p99 / each.idle_p99 for each in found)
