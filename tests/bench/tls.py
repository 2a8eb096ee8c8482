"""What encryption costs: pages over TLS to the same over plain HTTP, and new handshakes to those of OpenSSL's server.

One of ours serves both ports, so that the same workers make the pages; the certificate of ``openssl s_server`` is the
same. Either comparison is made in turns, within seconds.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from tests.bench import client, workloads
from tests.bench.peers import Ours
from tests.certificates import chain_of, issue, key_of, put
from tests.processes import ProcessTree, free_port, wait_until

CLIENTS = 2
"""Of ``openssl s_time``, each of which makes one handshake after another."""
KINDS = ("ECDSA", "RSA")

_CONNECTIONS = re.compile(r"(\d+) connections in \d+ real seconds")

PLAIN, ENCRYPTED, OPENSSL = "plain", "encrypted", "openssl s_server"


@dataclass(frozen=True)
class TlsSample:
    """One measurement: of what, by whom, how many a second, and the server's CPU for each, in microseconds."""

    what: str
    server: str
    rate: float
    cpu: float


class OursTls(Ours):
    """Ours with a second, encrypted port."""

    name = "tracd-cluster over TLS"
    kind = KINDS[0]
    https_port = 0

    def launch(self) -> None:
        """Start it as ours, with more options."""
        self.https_port = free_port()
        certificate, key = files(self.folder, self.kind)
        self.more = ["--https-port", str(self.https_port), "--certfile", str(certificate), "--keyfile", str(key)]
        super().launch()


def files(folder: Path, kind: str) -> tuple[Path, Path]:
    """Write a certificate and its key."""
    leaf = issue("localhost", kind=kind)
    return put(folder / f"{kind}.pem", chain_of(leaf)), put(folder / f"{kind}.key", key_of(leaf))


def pages(environment: Path, folder: Path, workers: int, seconds: float, reps: int) -> list[TlsSample]:
    """Measure wiki pages over either port, in turns."""
    peer = OursTls(environment, folder, workers)
    found: list[TlsSample] = []
    peer.start()
    try:
        peer.wait_until_serving(workloads.WIKI)
        workloads.warm(peer, workloads.WORKLOADS[:1], seconds / 2)
        turns = [(PLAIN, peer.port, "http"), (ENCRYPTED, peer.https_port, "https")]
        for repetition in range(reps):
            for server, port, scheme in turns if repetition % 2 == 0 else turns[::-1]:
                workloads.forget_visitors(environment)
                before = sum(workloads.cpu_of(peer))
                load = client.wrk(port, workloads.WIKI, 2 * workers, seconds, scheme)
                cpu = sum(workloads.cpu_of(peer)) - before
                found.append(TlsSample("pages", server, load.rate, cpu * 1e6 / max(1, load.requests)))
    finally:
        peer.stop()
    return found


def handshakes(environment: Path, folder: Path, application: str, seconds: float, reps: int) -> list[TlsSample]:
    """Measure new handshakes, for each kind of certificate, in turns with OpenSSL's own server."""
    found: list[TlsSample] = []
    for kind in KINDS:
        peer = OursTls(environment, folder, 1, application)
        peer.kind = kind
        peer.start()
        theirs = s_server(peer.folder, kind, port := free_port())
        try:
            peer.wait_until_serving("/")
            wait_until(lambda port=port: s_time(port, 1) > 0, 10, OPENSSL)  # type: ignore[misc]
            turns = [(Ours.name, peer.https_port, peer.trees[0].pid), (OPENSSL, port, theirs.pid)]
            for repetition in range(reps):
                for server, at, pid in turns if repetition % 2 == 0 else turns[::-1]:
                    before = _cpu(pid)
                    rate = s_time(at, seconds)
                    cpu = (_cpu(pid) - before) * 1e6 / max(1.0, rate * seconds)
                    found.append(TlsSample(f"handshakes, {kind}", server, rate, cpu))
        finally:
            peer.stop()
            theirs.kill()
    return found


def s_server(folder: Path, kind: str, port: int) -> ProcessTree:
    """Start OpenSSL's own server."""
    certificate, key = files(folder, kind)
    options = ["-accept", f"127.0.0.1:{port}", "-cert", str(certificate), "-key", str(key), "-quiet", "-www"]
    return ProcessTree(["openssl", "s_server", *options], folder / "s_server.log")


def s_time(port: int, seconds: float) -> float:
    """Give the new handshakes a second that all clients together come to."""
    whole = max(1, round(seconds))
    program = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(whole)]
    running = [
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(CLIENTS)
    ]
    outputs = [each.communicate(timeout=whole + 30)[0] for each in running]
    # What it calls real seconds is one too many, now and then: it stops at the time it was given.
    return sum(int(match[1]) for output in outputs if (match := _CONNECTIONS.search(output))) / whole


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def ratio(samples: list[TlsSample], what: str, ours: str, theirs: str) -> float | None:
    """Give the median of ours to theirs, repetition by repetition."""

    def rates(server: str) -> list[float]:
        return [sample.rate for sample in samples if (sample.what, sample.server) == (what, server)]

    found = [one / other for one, other in zip(rates(ours), rates(theirs), strict=False) if other]
    return median(found) if found else None


def middle(samples: list[TlsSample], what: str, server: str, part: str = "rate") -> float | None:
    """Give the median of one server."""
    found = [getattr(sample, part) for sample in samples if (sample.what, sample.server) == (what, server)]
    return median(found) if found else None
