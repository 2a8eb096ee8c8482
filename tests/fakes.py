"""Stand-ins that speak the real interfaces and write down what they are told."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock

from tracd_cluster.balancer import Lane
from tracd_cluster.errors import WorkerFault
from tracd_cluster.workers.control import Ready
from tracd_cluster.workers.template_process import Owner


class FakeTransport:
    """A process that was not started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.signals: list[str | int] = []

    def signalProcess(self, name: str | int) -> None:  # noqa: N802
        self.signals.append(name)

    def loseConnection(self) -> None:  # noqa: N802
        self.signals.append("closed")


class FakeReactor(Clock):
    """Time, descriptors and processes; nothing moves but by hand.

    What a real child would inherit is kept in ``child_fds``, as duplicates.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[IReadDescriptor] = set()
        self.writers: set[IWriteDescriptor] = set()
        self.child_fds: dict[int, Any] = {}
        self.transport = FakeTransport(4000)

    def addReader(self, reader: IReadDescriptor) -> None:  # noqa: N802
        self.readers.add(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:  # noqa: N802
        self.readers.discard(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:  # noqa: N802
        self.writers.add(writer)

    def removeWriter(self, writer: IWriteDescriptor) -> None:  # noqa: N802
        self.writers.discard(writer)

    def spawnProcess(  # noqa: N802
        self,
        protocol: ProcessProtocol,
        executable: str,
        args: Sequence[str],
        env: Mapping[str, str] | None,
        childFDs: Mapping[int, int | str],  # noqa: N803
    ) -> FakeTransport:
        link = childFDs[3]
        assert isinstance(link, int)
        self.child_fds = {**childFDs, 3: socket.socket(fileno=socket.dup(link))}
        return self.transport


class FakeLane:
    """A lane over no socket: the test says what its worker does."""

    def __init__(self, sock: socket.socket, name: str, lost: Callable[[Lane, str], None]) -> None:
        sock.close()
        self.name = name
        self.generation = 0
        self.served = 0
        self.closed = False
        self.work: tuple[str, str, str, float] | None = None
        self._lost = lost
        self._answered: Callable[[], None] | None = None

    def probe(self, answered: Callable[[], None]) -> None:
        self._answered = answered

    def answer(self) -> None:
        """Let the worker answer its probe."""
        assert self._answered is not None
        assert not self.closed
        self._answered()

    def lose(self, why: str = "it closed its lane") -> None:
        """Let the worker close its end."""
        if not self.closed:
            self.closed = True
            self._lost(self, why)

    def close(self) -> None:
        self.closed = True

    def asked(self) -> tuple[str, str, str, float] | None:
        return self.work

    def give_up(self, error: WorkerFault) -> None:
        self.lose(str(error))

    def request_head(self, head: object, origin: object, user: bytes, length: int) -> bytes:
        raise NotImplementedError("no request is sent here")

    def send(self, exchange: object, head: bytes, body: object) -> None:
        raise NotImplementedError("no request is sent here")

    def pause(self) -> None:
        raise NotImplementedError("no answer is read here")

    resume = pause


class FakeTemplate:
    """A template that forks on paper: what is asked of it is a line of ``transcript``, or raises its ``fault``."""

    fault: Exception | None = None

    def __init__(self, generation: int, owner: Owner, transcript: list[str]) -> None:
        self.generation = generation
        self.pid = 1000 * generation
        self.owner = owner
        self._transcript = transcript
        self._say("start")

    def fork(self, number: int, theirs: Sequence[socket.socket]) -> None:
        for end in theirs:
            end.close()
        self._say(f"fork {number}")

    def signal_worker(self, number: int, signal_number: int) -> None:
        self._say(f"{signal.Signals(signal_number).name} to {number}")

    def ask_for_stack(self, number: int | None) -> None:
        self._say("stack" if number is None else f"stack of {number}")

    def quit(self) -> None:
        self._say("quit")

    def kill(self) -> None:
        self._say("kill")

    def get_ready(self, *warnings: str) -> None:
        """Tell the owner that it can fork."""
        self.owner.template_ready(self.generation, Ready(0.5, True, ("/trac/a.py", "/trac/b.py"), warnings, ()))

    def _say(self, what: str) -> None:
        if self.fault is not None:
            raise self.fault
        self._transcript.append(f"template {self.generation}: {what}")
