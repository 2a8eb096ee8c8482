"""How late the front's loop comes to what is due, under full load and with the admin page open."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.bench import client
from tests.bench.peers import Ours
from tests.bench.workloads import WIKI, WORKLOADS, forget_visitors, warm

LOOKS = 1.0
"""Seconds between two looks of an open admin page."""


@dataclass(frozen=True)
class LagSample:
    """What the front itself tells of the last minute; milliseconds."""

    p50: float
    p99: float
    worst: float
    rate: float
    """Wiki pages a second meanwhile."""


class OursWatched(Ours):
    """Ours with an address for operators."""

    @property
    def admin(self) -> Path:
        """Its Unix socket."""
        return self.folder / "admin.sock"

    def launch(self) -> None:
        self.more = ["--admin", f"unix:{self.admin}"]
        super().launch()

    def status(self) -> dict[str, Any]:
        """Give what the admin page is told."""
        with closing(http.client.HTTPConnection("localhost", timeout=30)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.admin))
            connection.request("GET", "/-/status.json")
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            return found


def measure(environment: Path, folder: Path, workers: int, seconds: float) -> LagSample:
    """Load all workers with wiki pages, look at the status as an open page does, and hear how late the loop was."""
    peer = OursWatched(environment, folder, workers)
    forget_visitors(environment)
    over = Event()

    def look() -> None:
        while not over.wait(LOOKS):
            peer.status()

    page = Thread(target=look)
    try:
        peer.start()
        peer.wait_until_serving(WIKI)
        warm(peer, WORKLOADS[:1], 1)
        page.start()
        load = client.wrk(peer.port, WIKI, 2 * workers, seconds)
        lag = peer.status()["lag"]
    finally:
        over.set()
        if page.ident is not None:
            page.join()
        peer.stop()
    return LagSample(lag["p50"] * 1e3, lag["p99"] * 1e3, lag["max"] * 1e3, load.rate)
