"""Clients of encrypted ports: openssl, curl, and a closed loop of many that count what fails."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """What ``openssl s_client`` has told of a connection."""

    output: str
    status: int

    @property
    def good(self) -> bool:
        """There was a handshake, and the certificate was what it has to be."""
        return self.status == 0 and "Verification: OK" in self.output

    @property
    def resumed(self) -> bool:
        """It went on with a session of before."""
        return "\nReused, " in self.output

    @property
    def name(self) -> str:
        """The certificate's common name."""
        return next(line.rpartition("CN = ")[2] for line in self.output.splitlines() if line.startswith("subject="))


def s_client(port: int, ca: Path, *options: str, name: str | None = None, say: str = "") -> Seen:
    """Let ``openssl s_client`` connect, send a request or another text, and read to the end."""
    request = say or "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    where = ["-connect", f"127.0.0.1:{port}", "-CAfile", str(ca), "-ign_eof"]
    where += ["-servername", name, "-verify_hostname", name] if name else ["-noservername"]
    program = ["openssl", "s_client", *where, *options]
    done = subprocess.run(program, input=request, capture_output=True, text=True, timeout=20, check=False)
    return Seen(done.stdout + done.stderr, done.returncode)


def curl(*arguments: str) -> str:
    """Let curl print the head and body it gets; what it gives up with is printed too."""
    done = subprocess.run(
        ["curl", "-sSi", "--max-time", "20", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout + done.stderr


class Crowd:
    """Clients in a closed loop, half of them with a new connection for each request."""

    def __init__(self, port: int, context: Callable[[], ssl.SSLContext], path: str = "/") -> None:
        self._port = port
        self._context = context
        self._path = path
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.good = 0
        self.handshakes = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(bool(n % 2),), daemon=True) for n in range(6)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them after their request under way."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs"

    def _run(self, keeps: bool) -> None:
        connection: http.client.HTTPSConnection | None = None
        while not self._over.is_set():
            try:
                if connection is None:
                    context = self._context()
                    connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=context, timeout=20)
                    connection.connect()
                    self.handshakes += 1
                connection.request("GET", self._path)
                answer = connection.getresponse()
                good = answer.read() != b"" and answer.status == 200
            except (OSError, http.client.HTTPException) as error:
                self._count(False, repr(error))
                if connection is not None:
                    connection.close()
                connection = None
                continue
            self._count(good, f"status {answer.status}")
            if not keeps:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _count(self, good: bool, what: str) -> None:
        with self._lock:
            if good:
                self.good += 1
            else:
                self.failures.append(what)
