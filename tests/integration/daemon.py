"""A real daemon of ours, steered as an operator does: by its pidfile and ``tracd-cluster ctl``."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.integration.cluster import UNLIMITED
from tests.processes import FROM_TREE, ProcessTree, free_port, wait_until
from tracd_cluster.operating.ctl import ask
from tracd_cluster.operating.protocol import End, Request

PROGRAM = (sys.executable, "-m", "tracd_cluster.cli")


def ctl(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the operator's command to its end."""
    variables = {**FROM_TREE, **(environment or {})}
    command = [*PROGRAM, "ctl", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)


class Daemon:
    """One service in the background, on a loopback port, with pidfile, log and control socket in ``folder``.

    It is told where to listen, unless ``port`` says that it is told otherwise.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        program: tuple[str, ...] = PROGRAM,
        daemonize: bool = True,
        port: int | None = None,
        **how: Any,
    ) -> None:
        self.port = port or free_port()
        self.pidfile, self.log_file, self.socket = folder / "pid", folder / "log", folder / "ctl"
        files = ["--logfile", str(self.log_file), "--control", str(self.socket)]
        where = [] if port else ["-b", "127.0.0.1", "-p", str(self.port)]
        background = ["-d", "--pidfile", str(self.pidfile)] if daemonize else []
        words = [*program, *background, *files, *where, *UNLIMITED, *arguments]
        self.tree = ProcessTree(words, folder / "output", environment, **how)
        if daemonize:
            assert 0 == self.tree.wait(30), f"{self.output}\n{self.log}"

    def __repr__(self) -> str:
        return f"<Daemon on port {self.port}, {self.tree!r}>"

    @property
    def pid(self) -> int:
        """The front that serves now."""
        return int(self.pidfile.read_text())

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    @property
    def output(self) -> str:
        """What went to the terminal."""
        return self.tree.output.read_text()

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Have the operator ask something of it."""
        return ctl("--socket", str(self.socket), *words)

    def ask(self, command: str, number: int = 0) -> End:
        """Ask something as ``ctl`` does, without a process for it; raise Unreachable if nobody answers."""
        return ask(str(self.socket), Request(command, number), lambda text: None)

    def report(self) -> dict[str, Any]:
        """Give its status, as a script sees it."""
        done = self.ctl("--json", "status")
        assert 0 == done.returncode, f"{done.stderr}\n{self.log}"
        report: dict[str, Any] = json.loads(done.stdout)["report"]
        return report

    def wait_until_ready(self, workers: int) -> Daemon:
        """Wait until so many workers are there."""

        def ready() -> bool:
            done = self.ctl("--json", "status")
            found = json.loads(done.stdout)["report"]["workers"] if done.returncode == 0 else []
            return [worker["life"] for worker in found] == ["ready"] * workers

        wait_until(ready, 30, f"{workers} workers of {self!r}:\n{self.output}\n{self.log}")
        return self

    def get(self, path: str) -> bytes:
        """Get one page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert 200 == answer.status
            return answer.read()

    def log_since(self, place: int) -> str:
        """Give what it has written after so many characters."""
        return self.log[place:]

    def descriptors(self) -> int:
        """Count what the front has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def watches(self) -> bool:
        """Tell whether the front has begun to watch files, which it does in a thread, some time after it is ready."""
        folder = f"/proc/{self.pid}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if "inotify" in os.readlink(f"{folder}/{name}"):
                    return True
        return False

    def stop(self) -> None:
        """Have the operator stop it, and assert that nothing is left."""
        done = self.ctl("stop")
        assert (0, "the service has ended\n") == (done.returncode, done.stdout), done.stderr
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        """Assert that no process runs, and that neither pidfile nor socket says that one did."""
        wait_until(lambda: not self.tree.alive(), 20, f"the end of {self.tree.alive()}:\n{self.log}")
        assert not self.pidfile.exists()
        assert not self.socket.exists()

    def kill(self) -> None:
        """End everything at once."""
        self.tree.kill()


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **how: Any) -> Iterator[Daemon]:
    """Run a daemon that is ended whatever happens."""
    daemon = Daemon(folder, *arguments, **how)
    try:
        yield daemon
    finally:
        daemon.kill()
