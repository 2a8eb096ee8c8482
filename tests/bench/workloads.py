"""What is asked of every server, and one measurement of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic

import psutil

from tests.bench import client
from tests.bench.peers import Peer

WIKI = "/wiki/WikiStart"
HEAVY = "/query?max=0&order=priority&col=id&col=summary&col=owner&col=status&col=milestone&col=reporter"
HELLO = "/"

DISTURBED = 0.2
"""Cores: if something else used more than this, a measurement is made again, twice at most."""


@dataclass(frozen=True)
class Workload:
    """One kind of page, and how many clients want it for each worker."""

    name: str
    path: str
    clients: int = 2
    in_mean: bool = False
    """Part of the geometric mean over Trac's pages."""
    cookie: str = client.COOKIE

    def run(self, port: int, workers: int, seconds: float) -> client.Load:
        """Put the load on a server."""
        if self.name == MIXED:
            return client.mixed(port, self.clients * workers, self.path, HEAVY, seconds)
        return client.wrk(port, self.path, self.clients * workers, seconds, cookie=self.cookie)


MIXED = "mixed"
WORKLOADS = (
    Workload("wiki", WIKI, in_mean=True),
    Workload("ticket", "/ticket/100", in_mean=True),
    Workload("query", "/query?status=!closed&order=priority", in_mean=True),
    Workload("report", "/report/1", in_mean=True),
    Workload("browser", "/browser/tidewatch/forecast.py", in_mean=True),
    Workload(MIXED, WIKI, clients=3),
    Workload("wiki, to strangers", WIKI, clients=8, cookie=""),
    Workload("css", "/chrome/common/css/trac.css", clients=8),
)


@dataclass(frozen=True)
class Sample:
    """One measurement; CPU in milliseconds for each request, latencies in milliseconds."""

    peer: str
    workload: str
    rate: float
    p50: float
    p99: float
    errors: int
    cpu_front: float
    cpu_workers: float
    others: float
    """Cores that neither the server nor the client used: a busy neighbour spoils a measurement."""
    heavy_p50: float = 0.0

    @property
    def cpu(self) -> float:
        """CPU of the whole server for each request."""
        return self.cpu_front + self.cpu_workers


def measure(peer: Peer, workload: Workload, seconds: float) -> Sample:
    """Load a server and see what it cost."""
    forget_visitors(peer.environment)
    front, workers, machine, begin = *cpu_of(peer), busy(), monotonic()
    load = workload.run(peer.port, peer.count, seconds)
    elapsed = monotonic() - begin
    front_after, workers_after = cpu_of(peer)
    front, workers, machine = front_after - front, workers_after - workers, busy() - machine
    return Sample(
        peer=peer.name,
        workload=workload.name,
        rate=load.rate,
        p50=load.p50,
        p99=load.p99,
        errors=load.errors,
        cpu_front=front * 1e3 / max(1, load.requests),
        cpu_workers=workers * 1e3 / max(1, load.requests),
        others=max(0.0, machine - front - workers - load.client_cpu) / elapsed,
        heavy_p50=load.heavy_p50,
    )


def undisturbed(measure_once: Callable[[], Sample]) -> Sample:
    """Measure until nothing else uses the machine, or give the least disturbed of three measurements."""
    samples: list[Sample] = []
    while len(samples) < 3 and not any(sample.others <= DISTURBED for sample in samples):
        samples.append(measure_once())
    return min(samples, key=lambda sample: sample.others)


def warm(peer: Peer, workloads: tuple[Workload, ...], seconds: float) -> None:
    """Let every worker see every page, and as many requests as a server that has run for a while."""

    def visit() -> None:
        for path in [workload.path for workload in workloads] + [HEAVY]:
            client.status(peer.port, path)

    visitors = [Thread(target=visit) for _ in range(4 * peer.count)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    client.wrk(peer.port, WIKI, 4 * peer.count, seconds)


def forget_visitors(environment: Path) -> None:
    """Remove what Trac stores for every visitor without a cookie, or the database grows with each measurement."""
    database = environment / "db" / "trac.db"
    if not database.exists():
        return
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute("DELETE FROM session WHERE authenticated = 0")
        connection.execute("DELETE FROM session_attribute WHERE authenticated = 0")


def cpu_of(peer: Peer) -> tuple[float, float]:
    """Give the CPU seconds that a server's front and its workers have used, their git processes among them."""
    front = {process.pid for process in peer.front()}
    shares = [0.0, 0.0]
    for process in peer.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            shares[process.pid not in front] += times.user + times.system
            if process.pid not in front:
                shares[1] += times.children_user + times.children_system
    return shares[0], shares[1]


def busy() -> float:
    """Give the CPU seconds that the machine has been busy."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def pss(process: psutil.Process) -> float:
    """Give a process's share of memory, in MB: what it has alone, and its part of what it shares."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def machine() -> str:
    """Say what this was measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    memory = psutil.virtual_memory().total >> 30
    return f"{model}, {os.cpu_count()} cores, {memory} GB, Linux {os.uname().release}"
