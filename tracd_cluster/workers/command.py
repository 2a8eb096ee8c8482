"""Workers that are not ours: a command of the operator's, run once for each worker, that serves HTTP on a port.

To the supervisor this is a template like another: ready at once, for there is nothing to warm, and its fork is the
start of the command. So crash, backoff, drain and change of generation are the planner's, as for our own workers.

Lifetime. A ``CommandWorker`` lives from the start of its command until that has exited and its output has ended; then
its whole process group is ended, and its owner hears of it once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tracd_cluster.settings.pool import CommandSettings
from tracd_cluster.workers import control
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.output import Tail
from tracd_cluster.workers.template_process import Owner, status_of
from tracd_cluster.workers.worker_process import log_line

LEASH = (sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py")))

OUTPUT_GRACE = 0.2
"""Seconds after the exit in which the rest of the output may come; a process that has left the group may hold it."""


def fill_in(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Put the values in the place of their names in braces; other braces stay."""
    filled = []
    for word in words:
        for name, value in values.items():
            word = word.replace("{" + name + "}", value)
        filled.append(word)
    return filled


class CommandWorker(ProcessProtocol):
    """One process of the command, with all that it starts."""

    def __init__(
        self, reactor: Any, number: int, words: Sequence[str], folder: str, ended: Callable[[Ending], None]
    ) -> None:
        self.name = f"worker {number}"
        self._reactor = reactor
        self._ended = ended
        self._tail = Tail(lambda line: log_line(self.name, line))
        self._status: int | None = None
        self._grace: IDelayedCall | None = None
        reading, self._leash = os.pipe()
        try:
            with open(os.devnull, "rb") as nothing:
                ends: dict[int, int | str] = {0: nothing.fileno(), 1: "r", 2: "r", 3: reading}
                words = [*LEASH, *words]
                self._process = reactor.spawnProcess(self, words[0], words, env=None, path=folder, childFDs=ends)
        except BaseException:
            os.close(self._leash)
            raise
        finally:
            os.close(reading)
        self.pid: int = self._process.pid

    def signal(self, number: int) -> None:
        """Send a signal to all that the command has started, as long as it is there itself."""
        if self._status is not None:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            # It has no group of its own yet.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803
        """Take a piece of its output."""
        self._tail.feed(data)

    def processExited(self, reason: Failure) -> None:  # noqa: N802
        """Take its status, and end what it has left behind."""
        self._status = status_of(reason)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self._leash)
        self._grace = self._reactor.callLater(OUTPUT_GRACE, self._end)

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        """Note that its output has ended too."""
        if self._grace is not None:
            self._grace.cancel()
            self._end()

    def _end(self) -> None:
        self._grace = None
        self._process.loseConnection()
        self._tail.finish()
        self._ended(Ending(status=self._status, last_words=self._tail.last_words))


class CommandTemplate:
    """What stands in for a template: starts the command, and knows the processes of its generation."""

    pid = None

    def __init__(self, reactor: Any, settings: CommandSettings, generation: int, owner: Owner) -> None:
        self.generation = generation
        self._reactor = reactor
        self._settings = settings
        self._owner = owner
        self._workers: dict[int, CommandWorker] = {}
        self._ending = False
        reactor.callLater(0, self._get_ready)

    def __repr__(self) -> str:
        return f"<CommandTemplate {self.generation}, workers {sorted(self._workers)}>"

    def fork(self, number: int, theirs: Sequence[socket.socket]) -> None:
        """Start the command for a worker, on the port that the first of ``theirs`` has kept free until now."""
        host, port = theirs[0].getsockname()[:2]
        for end in theirs:
            end.close()
        values = {
            "port": str(port), "host": host, "number": str(number), "base_path": self._settings.base_path or "/",
        }  # fmt: skip
        words = fill_in(self._settings.words, values)
        ended = partial(self._worker_ended, number)
        worker = self._workers[number] = CommandWorker(self._reactor, number, words, self._settings.folder, ended)
        self._owner.worker_forked(self.generation, number, worker.pid)

    def signal_worker(self, number: int, signal_number: int) -> None:
        """Send a signal to a worker and all that it has started."""
        if number in self._workers:
            self._workers[number].signal(signal_number)

    def ask_for_stack(self, number: int | None) -> None:
        """Do nothing: the signal that our own workers answer would end a stranger."""

    def quit(self) -> None:
        """End: the planner asks when no worker is left."""
        if not self._ending:
            self._ending = True
            self._reactor.callLater(0, self._end)

    kill = quit

    def _get_ready(self) -> None:
        if not self._ending:
            self._owner.template_ready(self.generation, control.Ready(0.0, False, (), (), ()))

    def _end(self) -> None:
        self._owner.template_ended(self.generation, Ending(status=0))

    def _worker_ended(self, number: int, ending: Ending) -> None:
        del self._workers[number]
        self._owner.worker_ended(self.generation, number, ending)
