"""Processes that check passwords, on paper: a test sees what they are asked, answers for them, and lets them end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tracd_cluster.auth.passwords import verify


class Child:
    """One process, as its transport: ``asked`` are the questions that it has not answered."""

    def __init__(self, protocol: ProcessProtocol, command: Sequence[str]) -> None:
        self.command = command
        self.asked: list[dict[str, str]] = []
        self.signals: list[str] = []
        self.stdin_closed = self.reaped = False
        self._protocol = protocol
        protocol.makeConnection(self)  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        assert data.endswith(b"\n")
        self.asked.append(json.loads(data))

    def closeStdin(self) -> None:  # noqa: N802
        self.stdin_closed = True

    def signalProcess(self, name: str) -> None:  # noqa: N802
        if self.reaped:
            raise ProcessExitedAlready
        self.signals.append(name)

    def answer(self, right: bool) -> None:
        """Let it answer its question."""
        self.asked.pop(0)
        self._protocol.outReceived(b"1\n" if right else b"0\n")

    def work(self) -> None:
        """Let it answer as a real one would, until it is asked no more."""
        while self.asked:
            self.answer(verify(self.asked[0]["password"], self.asked[0]["hash"]))

    def complain(self, text: str) -> None:
        """Let it write to standard error."""
        self._protocol.errReceived(text.encode())

    def end(self, status: int = 0) -> None:
        """Let it end."""
        self.reaped = True
        self.asked.clear()
        how: Any = ProcessTerminated if status else ProcessDone
        reason = how(status)
        self._protocol.processEnded(Failure(reason))  # type: ignore[no-untyped-call]


class ChildReactor(Clock):
    """Time and processes; ``refuses`` is what the system says to one more."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[Child] = []
        self.refuses: OSError | None = None

    def spawnProcess(  # noqa: N802
        self, protocol: ProcessProtocol, executable: str, args: Sequence[str], env: Mapping[str, str] | None
    ) -> Child:
        if self.refuses is not None:
            raise self.refuses
        assert executable == args[0]
        self.children.append(Child(protocol, args))
        return self.children[-1]
