"""Slow clients in a closed loop: they take files in sips and send files and forms in drips, and compare the bytes."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import sqlite3
from collections import Counter
from pathlib import Path

from tests.integration.load import Load, Tally, ticket_form

SIP = 64 * 1024
BETWEEN_SIPS = 0.05
DRIPS = 25
BETWEEN_DRIPS = 0.04
UPLOAD = 200_000
"""Bytes of an upload: more than the front keeps in memory."""

BOUNDARY = "high-and-low-water"
NOTE = "sent in drips"


class SlowLoad(Load):
    """Clients that are slow, and hurry only when it is over."""

    def sippers(self, count: int, path: str, content: bytes) -> SlowLoad:
        """Add clients that take a long file slowly, each time on a new connection, and want each byte of it."""
        for _ in range(count):
            self._start(self._sip, path, content)
        return self

    def drippers(self, count: int, page: str) -> SlowLoad:
        """Add clients that attach files to a wiki page, look at what has come of them, and make long tickets."""
        for number in range(count):
            self._start(self._drip, number, page)
        return self

    # -- what a client does

    def _sip(self, path: str, content: bytes) -> None:
        while not self._over.is_set():
            with self._connection() as connection:
                if connection is None:
                    return
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP)
                body = bytearray()
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    while piece := answer.read(SIP):
                        body += piece
                        self._over.wait(BETWEEN_SIPS)
                except (OSError, http.client.HTTPException) as error:
                    self._fail(f"GET {path} in sips: {error!r} after {len(body)} bytes")
                else:
                    self._compare(answer.status, bytes(body), content, f"GET {path} in sips", "sipped")

    def _compare(self, status: int, body: bytes, content: bytes, what: str, kind: str) -> None:
        if status == 200 and body != content:
            self._fail(f"{what}: {len(body)} bytes, not the {len(content)} that there are")
        else:
            self._count(status, body, what, kind)

    def _drip(self, number: int, page: str) -> None:
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
                        name = f"{self.name}-drip{number}-{serial}"
                        if serial % 2:
                            self._attach(connection, page, f"{name}.bin", *form)
                        else:
                            self._make_long_ticket(connection, f"load {name}", *form)

    def _attach(self, connection: http.client.HTTPConnection, page: str, name: str, token: str, cookies: str) -> None:
        content = content_of(name, UPLOAD)
        with self._lock:
            self.tally.uploads[name] = "no answer"
        body, kind = file_form(page, name, content, token), f"multipart/form-data; boundary={BOUNDARY}"
        answer = self._send(connection, f"/attachment/wiki/{page}", body, kind, cookies)
        if self._acknowledge(self.tally.uploads, name, answer, "attached"):
            path = f"/raw-attachment/wiki/{page}/{name}"
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._fail(f"GET {path}: {error!r}")
                raise
            self._compare(answer.status, body, content, f"GET {path}", "attached and read")

    def _make_long_ticket(
        self, connection: http.client.HTTPConnection, summary: str, token: str, cookies: str
    ) -> None:
        with self._lock:
            self.tally.tickets[summary] = "no answer"
        body = ticket_form(summary, token, f"{summary} " * 200).encode()
        answer = self._send(connection, "/newticket", body, "application/x-www-form-urlencoded", cookies)
        self._acknowledge(self.tally.tickets, summary, answer, "long ticket")

    def _send(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, kind: str, cookies: str
    ) -> http.client.HTTPResponse:
        connection.putrequest("POST", path)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cookie", cookies)):
            connection.putheader(name, value)
        connection.endheaders()
        step = -(-len(body) // DRIPS)
        for start in range(0, len(body), step):
            self._over.wait(BETWEEN_DRIPS)
            connection.send(body[start : start + step])
        return connection.getresponse()


def content_of(name: str, size: int) -> bytes:
    """Give bytes that no other name has."""
    return hashlib.shake_128(name.encode()).digest(size)


def file_form(page: str, name: str, content: bytes, token: str) -> bytes:
    """Give the body that attaches a file to a wiki page."""
    fields = {"__FORM_TOKEN": token, "action": "new", "realm": "wiki", "id": page, "description": NOTE}
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="attachment"; filename="{name}"\r\n\r\n'
    return ("".join(parts) + file).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def assert_no_file_lost_or_doubled(env: Path, tally: Tally) -> int:
    """Compare the files attached with those in the database; give how many were acknowledged."""
    query = "SELECT filename, size FROM attachment WHERE description = ?"
    with contextlib.closing(sqlite3.connect(env / "db" / "trac.db")) as database:
        found = Counter(database.execute(query, (NOTE,)))
    acknowledged = {(name, UPLOAD) for name, came in tally.uploads.items() if "/attachment/" in came}
    assert set() == acknowledged - set(found), "acknowledged, but not there, or not whole"
    # A second file of the same name gets another one from Trac.
    tried = {(name, UPLOAD) for name in tally.uploads}
    assert set() == set(found) - tried, "there, but under a name that nobody gave"
    return len(acknowledged)
