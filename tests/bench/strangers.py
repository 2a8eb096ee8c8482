"""Clients without cookies: ``python -m tests.bench.strangers walk|pass PORT COUNT REVISIONS...``.

``walk``: COUNT clients, each with an address of its own and on a connection that it keeps, ask for one slow page after
another, as crawlers do that walk all links of a Trac, and pause only when they are refused. ``pass``: COUNT clients
come again and again, each time from another address, ask once and leave. They work until standard input is closed;
then it prints what came of their requests, as JSON.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from threading import Event, Lock, Thread
from urllib.parse import quote

from tests.bench.addresses import NETWORKS, address_of

TIMEOUT = 60.0
REFUSED = frozenset((403, 429, 503))
PAUSE = 1.0
"""Seconds after which a refused one comes again: sooner than it is told to."""

ORDERS = ("id", "summary", "owner", "status", "milestone", "reporter", "component", "time", "changetime", "priority")
WORDS = ("harbour", "tide", "forecast", "station", "sensor", "login", "error", "report", "sea", "wind")
CODE = "/code"
"""The repository."""
FILE = "/code/tidewatch/forecast.py"
TODAY = date(2026, 1, 1)

STATIC, WORK = "/chrome/common/css/trac.css", "/wiki/WikiStart"
SELDOM = 10
"""One in so many who pass by needs a worker."""


def walk(revisions: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Give slow pages without end, hardly ever one twice."""
    late = revisions[: max(1, len(revisions) // 2)]  # newest first; the file is not in the oldest
    while True:
        revision, other, word = rng.choice(revisions), rng.choice(revisions), rng.choice(WORDS)
        day = TODAY - timedelta(days=rng.randrange(1000))
        pages = [
            f"/changeset/{revision}{CODE}",
            f"/changeset/{revision}{CODE}/?old={other}&old_path={quote(CODE, safe='')}",
            f"/log{CODE}?rev={revision}&limit={rng.randrange(50, 300)}",
            f"/browser{CODE}?rev={revision}",
            f"/browser{FILE}?rev={rng.choice(late)}&annotate=blame",
            f"/timeline?from={day.isoformat()}&daysback={rng.randrange(10, 90)}&ticket=on&repo-code=on&wiki=on",
            f"/query?max={rng.randrange(50, 400)}&order={rng.choice(ORDERS)}&col=id&col=summary&col=owner",
            f"/query?summary=~{word}&order={rng.choice(ORDERS)}&desc={rng.randrange(2)}",
            f"/search?q={word}+{rng.choice(WORDS)}&noquickjump=1",
        ]
        rng.shuffle(pages)
        yield from pages


class Strangers:
    """All of them, each in a thread, and what came of their requests."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self.addresses = 0
        self._port = port
        self._lock = Lock()
        self._over = Event()

    def walk(self, number: int, revisions: Sequence[str]) -> None:
        """Walk until it is over."""
        rng = random.Random(number)
        connection = self._from(address_of(number))
        for path in walk(revisions, rng):
            if self._over.is_set():
                return
            self._ask(connection, "GET", path)

    def come_and_go(self, number: int) -> None:
        """Ask once from each of many addresses, until it is over."""
        rng = random.Random(number)
        while not self._over.is_set():
            connection = self._from(address_of(rng.randrange(NETWORKS * 254)))
            work = rng.randrange(SELDOM) == 0
            # HEAD, as what is made for it is kept for nobody: memory for kept pages has its own bound.
            self._ask(connection, "HEAD" if work else "GET", WORK if work else STATIC)
            connection.close()
            with self._lock:
                self.addresses += 1

    def _from(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT, source_address=(address, 0))

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str) -> None:
        refused = False
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            what = str(answer.status)
            refused = answer.status in REFUSED
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            what = type(error).__name__
            refused = True
        if self._over.is_set():
            return
        with self._lock:
            self.answers[what] += 1
        if refused:
            self._over.wait(PAUSE)

    def end(self) -> dict[str, object]:
        """Give what came until now, and count no more."""
        with self._lock:
            self._over.set()
            return {"answers": dict(self.answers), "addresses": self.addresses}


def main(what: str, port: int, count: int, revisions: Sequence[str]) -> None:
    """Work until standard input ends."""
    strangers = Strangers(port)
    for number in range(count):
        work = partial(strangers.walk, number, revisions) if what == "walk" else partial(strangers.come_and_go, number)
        Thread(target=work, daemon=True).start()
    sys.stdin.read()
    print(json.dumps(strangers.end()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
