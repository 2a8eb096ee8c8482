"""What happens when processes end, and how long a start takes."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic, perf_counter

import psutil

from tests.bench import client
from tests.bench.peers import Ours, Peer
from tests.bench.workloads import WIKI
from tests.processes import kill, wait_until

BACK = 30.0
SETTLE = 0.3
"""Seconds between two ends of a worker: each dies in a house that is whole again."""


def start_times(kind: type[Peer], environment: Path, folder: Path, workers: int, count: int) -> list[float]:
    """Start a server again and again, and give the seconds to its first page each time."""
    found = []
    for _ in range(count):
        peer = kind(environment, folder, workers)
        try:
            begin = monotonic()
            peer.start()
            peer.wait_until_serving(WIKI)
            found.append(monotonic() - begin)
        finally:
            peer.stop()
    return found


def replace_times(peer: Ours, count: int) -> list[float]:
    """Kill a worker while a client asks for pages; give the seconds until its successor is said to be ready."""
    loop = client.ClosedLoop(peer.port, 1, lambda _: WIKI)
    loop.start()
    try:
        return [_replace_time(peer) for _ in range(count)]
    finally:
        loop.stop()


def _replace_time(peer: Ours) -> float:
    victim = _all_workers(peer)[0]
    with peer.trees[0].output.open("rb") as log:
        log.seek(0, os.SEEK_END)
        begin, told = perf_counter(), b""
        kill(victim.pid)
        # No pause in this loop: what it waits for takes a few milliseconds.
        while b"is ready" not in told:
            told += log.read()
            if perf_counter() > begin + BACK:
                raise RuntimeError(f"{peer.name}: no new worker within {BACK:g} s")
        elapsed = perf_counter() - begin
    client.pause_until(perf_counter() + SETTLE)
    return elapsed


def successor_times(peer: Peer, count: int) -> list[float]:
    """Kill a worker while all others stand still; give the seconds to the next page, which its successor makes."""
    return [_successor_time(peer) for _ in range(count)]


def _successor_time(peer: Peer) -> float:
    victim, *others = _all_workers(peer)
    for other in others:
        other.suspend()
    try:
        waiting = _occupy(peer, len(others))
        begin = perf_counter()
        kill(victim.pid)
        if client.status(peer.port, WIKI) != 200:
            raise RuntimeError(f"{peer.name}: no page from a new worker")
        elapsed = perf_counter() - begin
    finally:
        for other in others:
            other.resume()
    for each in waiting:
        each.join(BACK)
    client.pause_until(perf_counter() + SETTLE)
    return elapsed


def _occupy(peer: Peer, suspended: int) -> list[Thread]:
    """Give each suspended worker of ours a request, or the next page would be asked of one of them.

    A suspended worker of a peer takes no request from the port that all of them listen on.
    """
    waiting: list[Thread] = []
    while isinstance(peer, Ours) and len(waiting) < suspended:
        asking = [Thread(target=client.status, args=(peer.port, WIKI), daemon=True) for _ in range(peer.count)]
        for each in asking:
            each.start()
        client.pause_until(perf_counter() + SETTLE)
        waiting += [each for each in asking if each.is_alive()]
    return waiting


def _all_workers(peer: Peer) -> list[psutil.Process]:
    return wait_until(lambda: found if len(found := peer.workers()) == peer.count else [], BACK, "all workers")


@dataclass(frozen=True)
class Loss:
    """What clients saw of the end of all workers."""

    failed: int
    first_page: float
    """Seconds from the end of the workers to the first page that was asked for after it."""


def total_loss(peer: Peer) -> Loss:
    """End all workers, and what they are forked from, under the load of eight clients."""
    _all_workers(peer)
    loop, newcomer = (client.ClosedLoop(peer.port, clients, lambda _: WIKI) for clients in (8, 1))
    loop.start()
    try:
        wait_until(lambda: len(loop.answers) > 20, BACK, "pages")
        failed = len(loop.failures)
        begin = monotonic()
        for process in _victims(peer):
            os.kill(process.pid, signal.SIGKILL)
        # The eight may all wait for answers to what they asked before; somebody asks now.
        newcomer.start()
        after = wait_until(lambda: _asked_after(begin, newcomer, loop), BACK, "a page")
        wait_until(lambda: _asked_after(monotonic() - SETTLE, loop), BACK, "pages for everybody")
        return Loss(len(loop.failures) + len(newcomer.failures) - failed, min(after) - begin)
    finally:
        newcomer.stop()
        loop.stop()


def _asked_after(begin: float, *loops: client.ClosedLoop) -> list[float]:
    return [came for loop in loops for sent, came in list(loop.answers) if sent >= begin]


def _victims(peer: Peer) -> list[psutil.Process]:
    """Give what dies: the template first, or it would fork new workers meanwhile."""
    templates = peer.templates() if isinstance(peer, Ours) else []
    return [*templates, *peer.workers()]
