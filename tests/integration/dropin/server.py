"""tracd and tracd-cluster, started by the same command line and looked at through the same windows."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, ProcessTree, free_port, wait_until

TRACD = "tracd"
OURS = "tracd-cluster"
PROGRAMS = (TRACD, OURS)
START = 30.0
STOP = 20.0
NOBODY = 65534
"""An ordinary user, and its group."""

ours_only = pytest.mark.parametrize("program", [OURS], scope="module")
"""For what tracd cannot do; the docstring of the test says what it does instead."""

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Reply:
    """What came back for one request; a name may stand in its head more than once."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def cookie(self, name: str) -> str:
        """Give the line that sets a cookie, or an empty one."""
        lines: list[str] = self.headers.get_all("Set-Cookie") or []
        return next((line for line in lines if line.startswith(f"{name}=")), "")


def executable(program: str) -> str:
    """Give the path of one of the servers."""
    return str(Path(sys.executable).with_name(program))


def variables(program: str) -> dict[str, str]:
    """Give what is added to a server's environment: this checkout, and for tracd that its lines come at once."""
    return {"PYTHONPATH": str(ROOT), **({"PYTHONUNBUFFERED": "1"} if program == TRACD else {})}


@dataclass(frozen=True)
class Python:
    """An interpreter that is not the tests' own, and what its environment needs."""

    path: str
    environment: Mapping[str, str]


def run(program: str, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the servers to its end: where it only says something, or does not start."""
    return subprocess.run(
        [executable(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables(program)},
        stdin=subprocess.DEVNULL,
        check=False,
        **how,
    )


class Server:
    """One of the two servers, running.

    It listens on a loopback port of its choice, unless the caller has chosen one and said so in ``arguments``. Ours
    gets two workers unless ``arguments`` say how many. Its standard output and standard error are kept apart.
    """

    def __init__(
        self,
        folder: Path,
        program: str,
        *arguments: str,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        authority: str | None = None,
        python: Python | None = None,
        **how: Any,
    ) -> None:
        number = next(_NUMBERS)
        self.program = program
        self.port = port or free_port()
        self.scheme = "https" if authority else "http"
        self._tls = ssl.create_default_context(cadata=authority) if authority else None
        self._output = folder / f"{program}-{number}.out"
        self._errors = folder / f"{program}-{number}.err"
        where = [] if port else ["-b", "127.0.0.1", "-p", str(self.port)]
        pool = ["--workers", "2"] if program == OURS and "--workers" not in arguments else []
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell's background jobs ignore Ctrl-C, and so would everything they start.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.tree = ProcessTree(
            [*([python.path] if python else []), executable(program), *where, *arguments, *pool],
            self._output,
            {**variables(program), **(python.environment if python else {}), **(environment or {})},
            self._errors,
            **how,
        )

    def __repr__(self) -> str:
        return f"<Server {self.program} {self.tree.pid} on port {self.port}>"

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def stdout(self) -> str:
        """What it has written to standard output."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written to standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    # -- starting and stopping

    def wait_until_serving(self, path: str = "/", status: int = 0) -> Server:
        """Wait for the first answer; an end in failure fails the test, with what was said."""

        def serving() -> bool:
            assert not self.tree.process.poll(), f"{self!r} ended at its start:\n{self.stdout}\n{self.stderr}"
            return self.answers(path)

        wait_until(serving, START, f"the first answer of {self!r}")
        return self

    def answers(self, path: str = "/") -> bool:
        """Tell whether a page comes."""
        try:
            return self.get(path).status < 500
        except (OSError, http.client.HTTPException):
            return False

    def interrupt(self) -> int:
        """Press Ctrl-C, which a terminal sends to everything that runs in it, and give how it ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.tree.pid, signal.SIGINT)
        status = self.tree.wait(STOP)
        self.assert_nothing_left()
        return status

    def assert_nothing_left(self) -> None:
        """Assert that no process of it runs; one that is ending may take a moment."""
        wait_until(lambda: not self.tree.alive(), 5, f"the end of {self.tree.alive()} of {self!r}:\n{self.stderr}")

    def kill(self) -> None:
        """End everything at once."""
        self.tree.kill()

    # -- a client

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """Open a connection, from any address of the loopback network."""
        if self._tls is not None:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=30, source_address=(source, 0), context=self._tls
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(source, 0))

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        source: str = "127.0.0.1",
    ) -> Reply:
        """Send one request on a connection of its own."""
        with contextlib.closing(self.connect(source)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())

    def get(self, path: str, headers: Mapping[str, str] | None = None, source: str = "127.0.0.1") -> Reply:
        """Get one page."""
        return self.request("GET", path, headers, source=source)
