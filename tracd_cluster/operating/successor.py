"""The predecessor's side of an upgrade: starts the new front, waits until it is ready, gives it its turn.

Lifetime. An ``Upgrade`` lives from the start of the new process until that serves or has failed; ``outcome`` is set
exactly once. The process itself is not ended with it if it serves. What the new process prints until its turn comes
through here into our log, and its last lines are the reason if it has none of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.operating.inheritance import VARIABLE, Inheritance, Lines, line
from tracd_cluster.operating.protocol import End
from tracd_cluster.workers.output import Tail
from tracd_cluster.workers.steps import Wish

LINK, OUT, ERR, FIRST_PORT = 3, 4, 5, 6
"""Descriptors in the new process."""

KILL_AFTER = 5.0
"""Seconds that a new process which came to nothing gets to end its own workers."""

log = Logger()


class Command:
    """The command line that this process was started by, to be started again in the same folder."""

    def __init__(self) -> None:
        self.words = tuple(sys.orig_argv)
        self.folder = os.getcwd()

    def usable_folder(self) -> str:
        """Give the folder, or the root if a user who is no longer root cannot enter it."""
        return self.folder if os.access(self.folder, os.X_OK) else "/"


class Upgrade(ProcessProtocol):
    """One attempt to be followed by a new front. ``may_serve`` is called when it is ready, just before its turn."""

    def __init__(
        self,
        reactor: Any,
        command: Command,
        ports: Mapping[str, int],
        pidfile: str | None,
        control: str | None,
        variables: Mapping[str, str],
        timeout: float,
        wish: Callable[[], Wish],
        may_serve: Callable[[int], None],
        over: Callable[[End], None],
    ) -> None:
        self.outcome: End | None = None
        self.state = "the new process is starting"
        self.pid = 0
        self._reactor = reactor
        self._wish = wish
        self._may_serve = may_serve
        self._over = over
        self._lines = Lines()
        self._tail = Tail(lambda text: log.info("successor: {text}", text=text))
        self._given = False
        self._why = ""
        ours, theirs = socket.socketpair()
        numbers = {description: FIRST_PORT + place for place, description in enumerate(ports)}
        left = Inheritance(
            predecessor=os.getpid(), link=LINK, ports=numbers, output=(OUT, ERR), pidfile=pidfile, control=control,
            wish=wish(),
        )  # fmt: skip
        ends: dict[int, int | str] = {0: 0, 1: "r", 2: "r", LINK: theirs.fileno(), OUT: 1, ERR: 2}
        ends |= {numbers[description]: descriptor for description, descriptor in ports.items()}
        environment = {**os.environ, **variables, VARIABLE: left.encode()}
        with theirs:
            try:
                self._process = reactor.spawnProcess(
                    self, sys.executable, command.words, env=environment, path=command.usable_folder(), childFDs=ends
                )
            except BaseException:
                ours.close()
                raise
        self._launched = self._process.pid
        with ours:
            ours.setblocking(False)
            self._link = _Link(self)
            reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, _Once(self._link))
        self._timer: IDelayedCall | None = reactor.callLater(timeout, self._too_late, timeout)

    def __repr__(self) -> str:
        return f"<Upgrade, {self.state}, pid {self.pid or self._launched}>"

    def cancel(self, why: str) -> None:
        """Give up, unless it is over."""
        self._fail(why)

    # -- what the new process says

    def told(self, data: bytes) -> None:
        """Take what has come on the link."""
        try:
            messages = self._lines.feed(data)
        except ValueError as error:
            self._fail(str(error))
            return
        for message in messages:
            if "here" in message:
                self.pid = int(message["here"])
                self.state = f"the new process, pid {self.pid}, starts its workers"
            elif "failed" in message:
                self._why = str(message["failed"])
            elif "ready" in message and self.outcome is None and not self._given:
                self._given = True
                self.state = f"the new process, pid {self.pid}, takes over"
                self._may_serve(self.pid)
                self._link.send(turn=True, wish=self._wish())
            elif "serving" in message:
                self._end(End(0, f"pid {self.pid} serves; pid {os.getpid()} ends when its connections have"))

    def link_lost(self) -> None:
        """The new process has closed the link: at its end, or because nothing is left to say."""
        if self.outcome is None and self.pid:
            self._reactor.callLater(0.1, self._fail, "")  # its last words may still be on their way

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803
        """Take a piece of its output."""
        self._tail.feed(data)

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        """Note an end; that of a daemon's launcher is none if all went well."""
        self._tail.finish()
        if getattr(reason.value, "exitCode", None) != 0:
            self._fail("")
        elif not self.pid:
            # A daemon's launcher ends after its daemon has told us, which the reactor may tell in any order.
            self._reactor.callLater(1.0, self._fail_if_unheard)

    # -- how it ends

    def _too_late(self, timeout: float) -> None:
        self._timer = None
        self._fail(f"it was not ready within {timeout:g} s")

    def _fail_if_unheard(self) -> None:
        if not self.pid:
            self._fail("")

    def _fail(self, why: str) -> None:
        if self.outcome is not None:
            return
        self._tail.finish()
        last = self._tail.last_words
        reason = why or self._why or (last[-1] if last else "it ended without a word")
        self._end(End(1, f"the new process failed: {reason}; pid {os.getpid()} goes on"))
        self._link.close()
        self._kill(signal.SIGTERM)
        self._reactor.callLater(KILL_AFTER, self._kill, signal.SIGKILL)

    def _end(self, end: End) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.outcome = end
        self._over(end)

    def _kill(self, number: int) -> None:
        with suppress(Exception):
            self._process.signalProcess(number)
        # A daemon is not our child. Its number is not somebody else's as long as it has our variable, or our parents.
        if self.pid and self.pid != self._launched and _is_ours(self.pid):
            with suppress(OSError):
                os.kill(self.pid, number)


def _is_ours(pid: int) -> bool:
    """Tell whether a process is one that we have started, by its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f'"predecessor": {os.getpid()},'.encode() in file.read()
    except OSError:
        return False


class _Link(Protocol):
    transport: Any

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._upgrade.told(data)

    def send(self, **what: Any) -> None:
        self.transport.write(line(**what))

    def close(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._upgrade.link_lost()


class _Once:
    """The factory of one connection, as ``adoptStreamConnection`` wants it."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Protocol:  # noqa: N802
        return self._protocol
