"""A real ``twistd tracd-cluster`` on a loopback port, as the integration tests use it."""

from __future__ import annotations

import http.client
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.integration.place import HERE, Place
from tests.processes import ProcessTree, free_port, title, wait_until

UNLIMITED = ("--client-requests", "0", "--client-rate", "0", "--client-connections", "0")
"""All clients of a test come from one address; a test of these limits says its own, behind these."""

START = 30.0
STOP = 20.0
WORKER_TITLE = re.compile(r"^tracd-cluster: worker (\d+)\b")
TEMPLATE_TITLE = re.compile(r"^tracd-cluster: template\b|tracd_cluster\.tracd\.template")


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    body: bytes


class ClusterProcess:
    """One running service: its address, its processes, its log.

    ``arguments`` are those of the command line after the options that say where to listen; ``program`` is twistd, or
    our own command. Used as a context manager
    or stopped by the fixture that made it, it always ends, and ends everything that came of it.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        program: str = "twistd",
        place: Place = HERE,
        port: int | None = None,
    ) -> None:
        self.place = place
        self.port = port or free_port()
        self.log_file = folder / f"twistd-{self.port}.log"
        command = [str(Path(sys.executable).with_name(program))]
        if program == "twistd":
            command += ["--nodaemon", "--pidfile=", "tracd-cluster"]
        where = ["-b", place.address, "-p", str(self.port), *UNLIMITED]
        self.tree = ProcessTree(
            place.command(*command, *where, *arguments),
            self.log_file,
            {"PYTHONUNBUFFERED": "1", **(environment or {})},
        )

    def __repr__(self) -> str:
        return f"<ClusterProcess {self.tree.pid} on port {self.port}>"

    def __enter__(self) -> ClusterProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"http://{self.place.address}:{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    # -- starting and stopping

    def wait_until_serving(self, path: str = "/", deadline: float = START) -> ClusterProcess:
        """Wait for the first answer of a worker; an early end fails the test, with the log."""

        def serving() -> bool:
            assert self.tree.process.poll() is None, f"{self!r} ended at its start:\n{self.log}"
            try:
                return self.get(path).status < 500
            except (OSError, http.client.HTTPException):
                return False

        wait_until(serving, deadline, f"the first answer of {self!r}")
        return self

    def wait_until_ended(self, deadline: float = STOP) -> int:
        """Wait for the service to end, assert that it left no process, and give how it ended."""
        status = self.tree.wait(deadline)
        self.assert_nothing_left()
        return status

    def stop(self, deadline: float = STOP) -> None:
        """Stop it as an operator does, and assert that it ended well and left no process."""
        if self.tree.process.poll() is None:
            self.tree.signal(signal.SIGTERM)
        status = self.wait_until_ended(deadline)
        assert status in (0, -signal.SIGTERM), f"{self!r} ended with status {status}:\n{self.log}"

    def assert_nothing_left(self, grace: float = 1.0) -> None:
        """Assert that no process of it runs; a process that is ending may take a moment."""
        try:
            wait_until(lambda: not self.tree.alive(), grace)
        except AssertionError:
            left = ", ".join(f"{process.pid} ({title(process)})" for process in self.tree.alive())
            raise AssertionError(f"{self!r} left processes behind: {left}\n{self.log}") from None

    def kill(self) -> None:
        """End everything at once."""
        self.tree.kill()

    # -- its processes

    @property
    def front_pid(self) -> int:
        """The process that speaks with clients."""
        return self.tree.pid

    def templates(self) -> list[psutil.Process]:
        """Give the templates, oldest first; one, but while generations change."""
        found = [process for process in self.tree.children() if TEMPLATE_TITLE.search(title(process))]
        return sorted(found, key=lambda process: process.create_time())

    def template_pid(self) -> int:
        """Give the process that workers are forked from."""
        return self.templates()[-1].pid

    def workers(self) -> dict[int, psutil.Process]:
        """Give the workers by their numbers."""
        found = {}
        for template in self.templates():
            for process in self.tree.children(template.pid):
                if match := WORKER_TITLE.match(title(process)):
                    found[int(match[1])] = process
        return found

    def worker_pids(self) -> list[int]:
        """Give the processes of the workers, by the workers' numbers."""
        return [process.pid for _, process in sorted(self.workers().items())]

    def wait_for_workers(self, count: int, without: tuple[int, ...] = (), deadline: float = START) -> list[int]:
        """Wait until ``count`` workers run, none of them one of ``without``."""

        def there() -> list[int]:
            pids = self.worker_pids()
            return pids if len(pids) == count and not set(pids) & set(without) else []

        return wait_until(there, deadline, f"{count} workers of {self!r}")

    def wait_for_log(self, text: str, deadline: float = 10.0) -> str:
        """Wait until the log holds ``text``, and give the log."""
        return wait_until(lambda: self.log if text in self.log else "", deadline, f"{text!r} in the log")

    # -- a client

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.place.address, self.port, timeout=30)
        try:
            with self.place.inside():
                connection.connect()
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Get one page."""
        return self.request("GET", path, headers=headers)
