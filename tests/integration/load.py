"""Clients in a closed loop: pages fetched and tickets made as fast as answers come, and everything counted."""

from __future__ import annotations

import contextlib
import http.client
import re
import sqlite3
import ssl
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
    """What came of the requests of one load, or of several that share it."""

    good: int = 0
    failures: list[str] = field(default_factory=list)
    refused: int = 0
    """Connections that could not be opened at all."""
    tickets: dict[str, str] = field(default_factory=dict)
    """Summary of each ticket tried -> its location if it was acknowledged, else what came instead."""
    uploads: dict[str, str] = field(default_factory=dict)
    """Name of each file that was attached -> the same."""
    done: Counter[str] = field(default_factory=Counter)
    """What has gone well, by the kind of client."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    slowest: float = 0.0
    """Seconds that a client waited for an answer at the most."""

    def unacknowledged(self) -> list[str]:
        """Give what came for the tickets and files whose outcome nobody was told."""
        return [came for came in (*self.tickets.values(), *self.uploads.values()) if not came.startswith("http")]


class Load:
    """A number of clients; ``stop`` ends them after their request under way.

    With ``tls`` they come by HTTPS. ``name`` tells the tickets of this load from those of another one.
    """

    def __init__(
        self,
        port: int,
        place: Place = HERE,
        *,
        tls: ssl.SSLContext | None = None,
        name: str = "",
        tally: Tally | None = None,
    ) -> None:
        self.port = port
        self.place = place
        self.tally = tally or Tally()
        self.name = name
        self._tls = tls
        self._lock = self.tally.lock
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

    def writers(self, count: int, pause: float = 0.0) -> Load:
        """Add clients that make tickets with summaries nobody else uses, after so many seconds of thinking each."""
        for number in range(count):
            self._start(self._write, number, pause)
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
        kind = f"{'kept' if keep else 'new'} {path}"
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
                    self._count(answer.status, body, f"GET {path}", kind)
                    if answer.will_close or not keep:
                        break

    def _count(self, status: int, body: bytes, what: str, kind: str) -> None:
        with self._lock:
            if status == 200 and (b"</html>" in body or b"<html" not in body):
                self.tally.good += 1
                self.tally.done[f"{self.name} {kind}".strip()] += 1
            else:
                self.tally.failures.append(f"{what}: {status}, {len(body)} bytes")

    def _write(self, number: int, pause: float) -> None:
        serial = 0
        while not self._over.is_set():
            with self._connection() as connection:
                if connection is None:
                    return
                if (form := self._form(connection)) is None:
                    continue
                with contextlib.suppress(OSError, http.client.HTTPException):
                    while not self._over.is_set():
                        serial += 1
                        self._make_ticket(connection, f"load {self.name}{number}-{serial}", *form)
                        self._over.wait(pause)

    def _form(self, connection: http.client.HTTPConnection) -> tuple[str, str] | None:
        """Fetch an empty ticket; give its token and the cookies that go with it, if the connection may go on."""
        try:
            connection.request("GET", "/newticket")
            page = connection.getresponse()
            body = page.read()
        except (OSError, http.client.HTTPException) as error:
            self._fail(f"GET /newticket: {error!r}")
            return None
        self._count(page.status, body, "GET /newticket", "form")
        cookies = "; ".join(v.partition(";")[0] for n, v in page.getheaders() if n.lower() == "set-cookie")
        token = TOKEN.search(body)
        return None if token is None or page.will_close else (token[1].decode(), cookies)

    def _make_ticket(self, connection: http.client.HTTPConnection, summary: str, token: str, cookies: str) -> None:
        body = ticket_form(summary, token)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookies}
        with self._lock:
            self.tally.tickets[summary] = "no answer"
        began = monotonic()
        try:
            connection.request("POST", "/newticket", body, headers)
            self._acknowledge(self.tally.tickets, summary, connection.getresponse(), "ticket")
        finally:
            self._waited(began)

    def _acknowledge(self, tried: dict[str, str], what: str, answer: http.client.HTTPResponse, kind: str) -> bool:
        """Note what came for a ticket or a file, and tell whether that says that it is there."""
        answer.read()
        location = answer.getheader("Location") if answer.status == 303 else None
        with self._lock:
            tried[what] = location or f"status {answer.status}"
            self.tally.done[f"{self.name} {kind}".strip()] += location is not None
        return location is not None

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection | None]:
        address = self.place.address
        connection = (
            http.client.HTTPConnection(address, self.port, timeout=60)
            if self._tls is None
            else http.client.HTTPSConnection(address, self.port, timeout=60, context=self._tls)
        )
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


def ticket_form(summary: str, token: str, description: str = "") -> str:
    """Give the body that makes a ticket."""
    form = {"__FORM_TOKEN": token, "field_summary": summary, "field_type": "defect", "submit": "Create ticket"}
    return urlencode({**form, "field_description": description})


TICKETS = "SELECT summary FROM ticket WHERE summary LIKE 'load %'"


def assert_no_ticket_lost_or_doubled(env: Path, tally: Tally) -> int:
    """Compare the tickets tried with those in the database; give how many were acknowledged."""
    with contextlib.closing(sqlite3.connect(env / "db" / "trac.db")) as database:
        return assert_each_once(database.execute(TICKETS), tally)


def assert_each_once(rows: Iterable[tuple[str]], tally: Tally) -> int:
    """Compare the tickets tried with the rows of TICKETS; give how many were acknowledged."""
    found = Counter(row[0] for row in rows)
    acknowledged = {summary for summary, came in tally.tickets.items() if "/ticket/" in came}
    assert [] == [summary for summary in acknowledged if found[summary] != 1], "acknowledged, but not once there"
    assert [] == [summary for summary, times in found.items() if times > 1], "made twice"
    return len(acknowledged)
