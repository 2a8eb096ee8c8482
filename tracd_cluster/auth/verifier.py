"""Checks passwords off the reactor, in processes of low priority, with a bounded line before them.

Lifetime. A check is in line, then with one process, then told, exactly once. A process is started when there are more
checks in line than free processes, up to ``processes``, and lives until ``stop`` or until it fails; what it was at is
told as undecided.
"""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.signals import held_for_child

PROGRAM = (sys.executable, "-m", "tracd_cluster.auth.verifying")

LINE_LIMIT = 80
"""Checks in line; at four a second for each process, a browser would have given up before the end of a longer one."""

CHECK_TIMEOUT = 60.0
"""Seconds one check may take; a hash may ask for any amount of work, but a process busy for hours checks nothing.

A usual hash takes a quarter of a second, and on a machine that has no time left twenty times that.
"""

_ANSWER = re.compile(rb"[01]\n?")
"""An answer, or the beginning of one."""

Told = Callable[[bool | None], None]
"""Called with whether the password is right; None if that could not be found out."""

log = Logger()


@dataclass(frozen=True, slots=True)
class Check:
    """One password to be checked: the line that asks, and who is told."""

    line: bytes = field(repr=False)
    told: Told


class Verifier:
    """The line of checks and the processes that do them. ``reactor`` is the real one, or a fake with its methods."""

    def __init__(self, reactor: Any, processes: int, program: tuple[str, ...] = PROGRAM) -> None:
        self._reactor = reactor
        self._most = processes
        self._program = program
        self._line: deque[Check] = deque()
        self._processes: set[_Process] = set()
        self._stopped: Deferred[None] | None = None

    def __repr__(self) -> str:
        return f"<Verifier, {len(self._processes)} processes, {len(self._line)} in line>"

    def start(self) -> None:
        """Start the first process, so that the first login need not wait for it."""
        if not self._processes:
            self._start_process()

    def check(self, password: str, hash_: str, told: Told) -> bool:
        """Have a password checked; False if the line is full, and ``told`` is not called then."""
        if len(self._line) >= LINE_LIMIT or self._stopped is not None:
            return False
        line = json.dumps({"hash": hash_, "password": password}).encode() + b"\n"
        self._line.append(Check(line, told))
        self._go_on()
        return True

    def stop(self) -> Deferred[None]:
        """End the processes; the Deferred fires when none is left."""
        stopped = self._stopped = Deferred()
        while self._line:
            self._line.popleft().told(None)
        for process in list(self._processes):
            process.end()
        self._tell_if_empty()
        return stopped

    def _go_on(self) -> None:
        for process in list(self._processes):
            if process.check is None and self._line:
                process.ask(self._line.popleft())
        if self._line and len(self._processes) < self._most:
            self._start_process()

    def _start_process(self) -> None:
        process = _Process(self._reactor, self._go_on, self._ended)
        try:
            with held_for_child():
                self._reactor.spawnProcess(process, self._program[0], self._program, env=None)
        except OSError as error:
            log.error("No process can be started to check passwords: {error}", error=error)
            while not self._processes and self._line:
                self._line.popleft().told(None)
        else:
            self._processes.add(process)
            if self._line:
                process.ask(self._line.popleft())

    def _ended(self, process: _Process, how: str) -> None:
        self._processes.discard(process)
        check = process.check
        if self._stopped is None:
            log.error("A process that checks passwords {how}{words}", how=how, words=process.last_words)
        if check is not None:
            check.told(None)
        if self._stopped is None:
            # A process that ends before it has done anything would be started again and again for nothing.
            while process.done == 0 and not self._processes and self._line:
                self._line.popleft().told(None)
            self._go_on()
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if self._stopped is not None and not self._processes and not self._stopped.called:
            self._stopped.callback(None)


class _Process(ProcessProtocol):
    """One process, with one check at a time. ``done`` counts those it has answered.

    An answer is a whole line, and nothing is asked before it is complete: the rest of one answer, taken for the next,
    would let somebody in with another one's password. A process that says anything else is not to be trusted.
    """

    transport: Any

    def __init__(self, reactor: Any, free: Callable[[], None], ended: Callable[[_Process, str], None]) -> None:
        self.check: Check | None = None
        self.done = 0
        self._answer = b""
        self.last_words = ""
        self._reactor = reactor
        self._free = free
        self._ended = ended
        self._timer: IDelayedCall | None = None

    def ask(self, check: Check) -> None:
        """Have it do a check; the answer comes to the check."""
        self.check = check
        self._timer = self._reactor.callLater(CHECK_TIMEOUT, self._kill)
        self.transport.write(check.line)

    def end(self) -> None:
        """Let it end: without work by itself, in the middle of a check by force."""
        if self.check is not None:
            self._kill()
        else:
            self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:  # noqa: N802
        """Take the answer, which may come in pieces."""
        self._answer += data
        if self.check is None or not _ANSWER.fullmatch(self._answer):
            self.last_words = f": it said {self._answer[:100]!r}"
            self._kill()
        elif self._answer.endswith(b"\n"):
            right, self._answer = self._answer == b"1\n", b""
            check, self.check = self.check, None
            self.done += 1
            self._cancel_timer()
            check.told(right)
            self._free()

    def errReceived(self, data: bytes) -> None:  # noqa: N802
        """Keep what it complains of, of which the last line says why it ended."""
        lines = data.decode("utf-8", "replace").split("\n")
        words = [line.strip() for line in lines if line.strip()]
        if words:
            self.last_words = f": {words[-1]!r}"

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        """Tell the verifier."""
        self._cancel_timer()
        self._ended(self, f"has ended ({reason.getErrorMessage()})")

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
