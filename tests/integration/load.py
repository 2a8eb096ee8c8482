"""Clients in a closed loop: pages fetched and tickets made as fast as answers come, and everything counted."""

from __future__ import annotations

import contextlib
import http.client
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from urllib.parse import urlencode

from tests.integration.place import HERE, Place

TOKEN = re.compile(rb'name="__FORM_TOKEN" value="([0-9a-f]+)"')


@dataclass
class Tally:
    """What came of the requests of one load."""

    good: int = 0
    failures: list[str] = field(default_factory=list)
    refused: int = 0
    """Connections that could not be opened at all."""
    tickets: dict[str, str] = field(default_factory=dict)
    """Summary of each ticket tried -> its location if it was acknowledged, else what came instead."""
    slowest: float = 0.0
    """Seconds that a client waited for an answer at the most."""


class Load:
    """A number of clients; ``stop`` ends them after their request under way."""

    def __init__(self, port: int, place: Place = HERE) -> None:
        self.port = port
        self.place = place
        self.tally = Tally()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def readers(self, count: int, *paths: str) -> Load:
        """Add clients that fetch pages on connections they keep."""
        for number in range(count):
            self._start(self._read, paths[number % len(paths)])
        return self

    def visitors(self, count: int, *paths: str) -> Load:
        """Add clients that fetch each page on a connection of its own."""
        for number in range(count):
            self._start(self._read, paths[number % len(paths)], False)
        return self

    def writers(self, count: int) -> Load:
        """Add clients that make tickets with summaries nobody else uses."""
        for number in range(count):
            self._start(self._write, number)
        return self

    def stop(self) -> Tally:
        """End the clients and give their tally."""
        self._over.set()
        return self.wait()

    def wait(self) -> Tally:
        """Wait for the clients to end by themselves, because nobody listens any more."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
        return self.tally

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    # -- what a client does

    def _read(self, path: str, keep: bool = True) -> None:
        while not self._over.is_set():
            with self._connection() as connection:
                if connection is None:
                    return
                while not self._over.is_set():
                    began = monotonic()
                    try:
                        connection.request("GET", path)
                        answer = connection.getresponse()
                        body = answer.read()
                    except (OSError, http.client.HTTPException) as error:
                        self._fail(f"GET {path}: {error!r}")
                        break
                    finally:
                        self._waited(began)
                    self._count(answer.status, body, f"GET {path}")
                    if answer.will_close or not keep:
                        break

    def _count(self, status: int, body: bytes, what: str) -> None:
        with self._lock:
            if status == 200 and (b"</html>" in body or b"<html" not in body):
                self.tally.good += 1
            else:
                self.tally.failures.append(f"{what}: {status}, {len(body)} bytes")

    def _write(self, number: int) -> None:
        serial = 0
        while not self._over.is_set():
            with self._connection() as connection:
                if connection is None:
                    return
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection.request("GET", "/newticket")
                    page = connection.getresponse()
                    cookies = "; ".join(v.partition(";")[0] for n, v in page.getheaders() if n.lower() == "set-cookie")
                    token = TOKEN.search(page.read())
                    if token is None or page.will_close:
                        continue
                    while not self._over.is_set():
                        serial += 1
                        self._make_ticket(connection, f"load {number}-{serial}", token[1].decode(), cookies)

    def _make_ticket(self, connection: http.client.HTTPConnection, summary: str, token: str, cookies: str) -> None:
        form = {"__FORM_TOKEN": token, "field_summary": summary, "field_type": "defect", "submit": "Create ticket"}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookies}
        with self._lock:
            self.tally.tickets[summary] = "no answer"
        began = monotonic()
        try:
            connection.request("POST", "/newticket", urlencode(form), headers)
            answer = connection.getresponse()
            answer.read()
        finally:
            self._waited(began)
        with self._lock:
            location = answer.getheader("Location") if answer.status == 303 else None
            self.tally.tickets[summary] = location or f"status {answer.status}"

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection | None]:
        connection = http.client.HTTPConnection(self.place.address, self.port, timeout=60)
        try:
            try:
                with self.place.inside():
                    connection.connect()
            except OSError:
                with self._lock:
                    self.tally.refused += 1
                yield None
            else:
                yield connection
        finally:
            connection.close()

    def _waited(self, began: float) -> None:
        with self._lock:
            self.tally.slowest = max(self.tally.slowest, monotonic() - began)

    def _fail(self, what: str) -> None:
        with self._lock:
            self.tally.failures.append(what)


TICKETS = "SELECT summary FROM ticket WHERE summary LIKE 'load %'"


def assert_no_ticket_lost_or_doubled(env: Path, tally: Tally) -> int:
    """Compare the tickets tried with those in the database; give how many were acknowledged."""
    with contextlib.closing(sqlite3.connect(env / "db" / "trac.db")) as database:
        return assert_each_once(database.execute(TICKETS), tally)


def assert_each_once(rows: Iterable[tuple[str]], tally: Tally) -> int:
    """Compare the tickets tried with the rows of TICKETS; give how many were acknowledged."""
    found = Counter(row[0] for row in rows)
    acknowledged = {summary for summary, came in tally.tickets.items() if "/ticket/" in came}
    assert set() == {summary for summary in acknowledged if found[summary] != 1}, "acknowledged, but not once there"
    assert set() == {summary for summary, times in found.items() if times > 1}, "made twice"
    return len(acknowledged)
