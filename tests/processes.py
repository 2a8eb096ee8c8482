"""Real processes for tests and measurements: start them, look at them, and be sure that none is left.

A tree is followed by parentage and by session, so a process whose parent has died is still found; and by a mark in
the environment, so a daemon is found that has left both.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
FROM_TREE = {**os.environ, "PYTHONPATH": str(ROOT)}
"""The variables of a program that is to find the package here, wherever it runs."""
_PAUSE = Event()
_NEVER_OUTGOING = range(20_000, 30_000)


def wait_until(condition: Callable[[], T], deadline: float, what: str = "the condition") -> T:
    """Give the first true value of ``condition``; AssertionError if none comes within ``deadline`` seconds."""
    end = monotonic() + deadline
    while not (value := condition()):
        if monotonic() > end:
            raise AssertionError(f"{what} did not come about within {deadline:g} s")
        _PAUSE.wait(0.01)
    return value


def free_port() -> int:
    """Find a port that nobody has at any address, and that the kernel gives to no outgoing connection meanwhile."""
    for port in random.sample(_NEVER_OUTGOING, len(_NEVER_OUTGOING)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("all ports are taken")


class ProcessTree:
    """A program and all that comes of it.

    It runs in a session of its own, with its output in a file, or in two if ``errors`` is one. Whatever was seen of
    the tree once is remembered, so that ``alive`` finds it even after everything above it is gone. What else is given
    goes to ``Popen``.
    """

    def __init__(
        self,
        argv: list[str],
        output: Path,
        environment: Mapping[str, str] | None = None,
        errors: Path | None = None,
        **how: Any,
    ) -> None:
        self.output = output
        self._seen: set[psutil.Process] = set()
        self._mark = uuid.uuid4().hex
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "PROCESS_TREE": self._mark, **(environment or {})}
        with output.open("ab") as stream, (errors or output).open("ab") as error_stream:
            self.process = subprocess.Popen(
                argv,
                cwd=output.parent,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=error_stream,
                start_new_session=True,
                **how,
            )
        self._sessions = {self.pid}

    def __repr__(self) -> str:
        return f"<ProcessTree {self.process.pid}, {len(self.alive())} alive>"

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self.process.pid

    def alive(self) -> list[psutil.Process]:
        """Give the processes of the tree that run, the started one first."""
        if self.process.poll() is not None:
            self._seen |= set(_marked(self._mark))
            self._sessions |= {session for process in self._seen if (session := _session_of(process.pid))}
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            self._seen |= {root, *root.children(recursive=True)}
        self._seen |= set(_of_sessions(self._sessions))
        self._seen = {process for process in self._seen if _runs(process)}
        return sorted(self._seen, key=lambda process: (process.pid != self.pid, process.pid))

    def children(self, of: int | None = None) -> list[psutil.Process]:
        """Give the running children of one process of the tree."""
        try:
            children = psutil.Process(of or self.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [process for process in children if _runs(process)]

    def signal(self, number: int) -> None:
        """Send a signal to the started process."""
        self.alive()
        self.process.send_signal(number)

    def wait(self, deadline: float) -> int:
        """Wait for the started process and give how it ended."""
        return self.process.wait(deadline)

    def kill(self) -> None:
        """End the whole tree, whatever it is doing."""
        for process in self.alive():
            kill(process.pid)
        self.process.wait(10)
        wait_until(lambda: not self.kill_again(), 10, f"the end of {self!r}")

    def kill_again(self) -> bool:
        """Kill what is still there, and tell whether there was anything."""
        left = self.alive()
        for process in left:
            kill(process.pid)
        return bool(left)


def kill(pid: int) -> None:
    """End one process at once, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def title(process: psutil.Process) -> str:
    """Give what ``ps`` shows of a process; empty if it has gone."""
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _of_sessions(sessions: set[int]) -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        if _session_of(pid) in sessions:
            with contextlib.suppress(psutil.NoSuchProcess):
                yield psutil.Process(pid)


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("PROCESS_TREE") == mark:
                yield process
