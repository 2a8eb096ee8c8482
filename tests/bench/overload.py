"""Do people who work notice that strangers walk all slow pages? Their clicks alone, and among hundreds of strangers.

A server is started for each measurement, so that nothing is left in it of what it was asked before. All clients run in
processes of their own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import bcrypt
import psutil

from tests.bench import client
from tests.bench.peers import NginxTracd, Ours, Peer
from tests.bench.strangers import REFUSED
from tests.bench.workloads import WIKI, busy, cpu_of, forget_visitors
from tests.processes import ROOT, free_port

STRANGERS, PEOPLE = 300, 10
CLICKING = 2.5
"""Times as long as other measurements: people who read what they get give few figures a second."""
PATIENCE = 3
"""Times as long as other measurements that people wait for an answer."""
SETTLE = 3.0
"""Seconds that strangers walk before it counts."""

USER, PASSWORD, FILE = "person", "harbour", "people.htpasswd"

HAPROXY_CONF = """
global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout queue 30s
  option http-server-close
frontend clients
  bind 127.0.0.1:{port}
  default_backend workers
backend workers
  balance leastconn
{servers}
"""
"""One request at a time for each tracd, which is what it does best, and all others in HAProxy's line."""


class OursLimited(Ours):
    """Ours with the limits that it has by itself."""

    limits = ()


class NginxLimited(NginxTracd):
    """nginx with what its manual says against one who asks too much, for each address."""

    name = "nginx + tracd, limited"
    about = "the same, each address 2 requests a second with 10 at once, 4 connections"
    zones = (
        "limit_req_zone $binary_remote_addr zone=requests:10m rate=2r/s; limit_req_status 429;"
        "limit_conn_zone $binary_remote_addr zone=connections:10m; limit_conn_status 429;"
    )
    limits = "limit_req zone=requests burst=10 nodelay; limit_conn connections 4;"


class HaproxyTracd(NginxTracd):
    """HAProxy with its line."""

    name = "HAProxy + tracd"
    about = "HAProxy 'leastconn' with 'maxconn 1' before N tracds"

    def launch(self) -> None:
        ports = [free_port() for _ in range(self.count)]
        for port in ports:
            self.tracd(port)
        servers = [f"  server tracd{port} 127.0.0.1:{port} maxconn 1" for port in ports]
        path = self.folder / "haproxy.cfg"
        path.write_text(HAPROXY_CONF.format(port=self.port, servers="\n".join(servers)))
        self.run("haproxy", "-db", "-f", str(path))


KINDS: tuple[type[Peer], ...] = (OursLimited, NginxLimited, HaproxyTracd)


@dataclass(frozen=True)
class Clicks:
    """What people had to wait, in milliseconds, and how often in vain."""

    count: int
    p50: float
    p99: float
    refused: int
    lost: int
    """Clicks with another answer than a page, or with none."""

    @classmethod
    def of(cls, found: dict[str, Any]) -> Clicks:
        """Read what their program prints."""
        latencies, answers = found["latencies"], found["answers"]
        refused = sum(number for what, number in answers.items() if what in set(map(str, REFUSED)))
        lost = sum(answers.values()) - refused - answers.get("200", 0)
        return cls(len(latencies), client.quantile(latencies, 0.5), client.quantile(latencies, 0.99), refused, lost)


@dataclass(frozen=True)
class OverloadSample:
    """People alone and among strangers, at one server."""

    peer: str
    idle: Clicks
    loaded: Clicks
    strangers: dict[str, int]
    """What strangers were answered."""
    seconds: float
    others: float
    """Cores that neither the server nor its clients used."""

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> OverloadSample:
        """Read what ``asdict`` gave."""
        return cls(**{**found, "idle": Clicks(**found["idle"]), "loaded": Clicks(**found["loaded"])})

    @property
    def ratio(self) -> float:
        """How much the strangers delay what is delayed most."""
        return self.loaded.p99 / self.idle.p99 if self.idle.p99 else 0.0

    @property
    def pages(self) -> float:
        """Pages a second that strangers got."""
        return self.strangers.get("200", 0) / self.seconds if self.seconds else 0.0


class Program:
    """A program of clients, which works until its standard input is closed."""

    def __init__(self, name: str, *arguments: object) -> None:
        argv = [sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)]
        self._process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line: str) -> None:
        """Tell it something."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Wait for its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} has ended with status {self._process.wait()}")
        return line.strip()

    def cpu(self) -> float:
        """Give the seconds of CPU that it has used."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def finish(self) -> str:
        """End it, and give the last that it says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        said = self._process.stdout.read()
        self._process.wait(10)
        return said

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()


def password_file(folder: Path) -> Path:
    """Write the people's passwords, hashed as cheaply as bcrypt can: it is not logins that are measured."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    path = folder / FILE
    path.write_text("".join(f"{USER}{number}:{hashed}\n" for number in range(PEOPLE)))
    return path


def revisions(environment: Path) -> list[str]:
    """Give the revisions that strangers find linked."""
    listing = ["git", "-C", str(environment / "git"), "rev-list", "--all"]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()


def measure(
    kind: type[Peer], environment: Path, folder: Path, workers: int, seconds: float, patience: float
) -> OverloadSample:
    """Start a server, let people work there alone, and then among strangers."""
    peer = kind(environment, folder, workers)
    folder.mkdir(parents=True, exist_ok=True)
    peer.options = ["--basic-auth", f"*,{password_file(folder)},Trac"]
    forget_visitors(environment)
    programs: list[Program] = []
    try:
        peer.start()
        peer.wait_until_serving(WIKI)
        people = Program("people", peer.port, PEOPLE, patience, USER, PASSWORD)
        programs.append(people)
        people.hear()
        _work(people, 1.0)
        idle = _work(people, seconds)
        strangers = Program("strangers", "walk", peer.port, STRANGERS, *revisions(environment))
        programs.append(strangers)
        client.pause_until(perf_counter() + SETTLE)
        used, machine, begin = sum(cpu_of(peer)) + sum(each.cpu() for each in programs), busy(), monotonic()
        loaded = _work(people, seconds)
        elapsed, machine = monotonic() - begin, busy() - machine
        used = sum(cpu_of(peer)) + sum(each.cpu() for each in programs) - used
        came = json.loads(strangers.finish())
        others = max(0.0, machine - used) / elapsed
        return OverloadSample(peer.name, idle, loaded, came["answers"], SETTLE + elapsed, others)
    finally:
        for program in programs:
            program.kill()
        peer.stop()


def _work(people: Program, seconds: float) -> Clicks:
    people.say(f"{seconds:g}")
    return Clicks.of(json.loads(people.hear()))


# -- what it comes to


def middle(samples: list[OverloadSample], peer: str, part: str) -> float | None:
    """Give the median of one server, such as of ``loaded.p99``."""
    found = []
    for sample in samples:
        if sample.peer == peer:
            value: Any = sample
            for name in part.split("."):
                value = getattr(value, name)
            found.append(value)
    return median(found) if found else None


def best_peer(samples: list[OverloadSample]) -> str | None:
    """Name the other server where people wait least among strangers."""
    others = {sample.peer for sample in samples} - {Ours.name}
    return min(others, key=lambda peer: middle(samples, peer, "loaded.p99") or 0.0, default=None)


def better_than(samples: list[OverloadSample], peer: str) -> float | None:
    """Give how many times longer the slowest clicks take at another server, repetition by repetition."""
    ours = [sample.loaded.p99 for sample in samples if sample.peer == Ours.name]
    theirs = [sample.loaded.p99 for sample in samples if sample.peer == peer]
    found = [other / own for own, other in zip(ours, theirs, strict=False) if own]
    return median(found) if found else None
