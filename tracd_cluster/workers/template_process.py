"""A template's process: its start, the control link to it, and the processes of the workers it forks.

Lifetime. ``TemplateProcess`` lives from the spawn until the template and every worker it forked are gone. Its owner
hears of each exactly once: ``template_ended`` for the template, and for each ``fork`` either ``fork_failed`` or
``worker_ended``. The template tells how its workers ended; when it is dead their pidfds tell that they have.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.signals import held_for_child
from tracd_cluster.workers import control
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.output import Tail
from tracd_cluster.workers.worker_process import WorkerProcess, log_line

PROGRAM = (sys.executable, "-m", "tracd_cluster.tracd.template")

END_GRACE = 0.2
"""Seconds in which the three signs of a template's end come together: its exit, its output's and its link's end.

They come within a millisecond, unless a process of a plugin's has inherited one of them and holds it open.
"""

LAST_WORDS = 0.3
"""Seconds that a template which hangs has to print where it stands."""

READ_SIZE = 64 * 1024

log = Logger()


class Owner(Protocol):
    """Who hears of a template and its workers."""

    def template_ready(self, generation: int, ready: control.Ready) -> None: ...

    def template_ended(self, generation: int, ending: Ending) -> None: ...

    def worker_forked(self, generation: int, number: int, pid: int) -> None: ...

    def fork_failed(self, generation: int, number: int, error: str) -> None: ...

    def worker_ended(self, generation: int, number: int, ending: Ending) -> None: ...


@implementer(IReadWriteDescriptor)
class ControlLink:
    """The front's end of the control link: bytes with descriptors out, bytes in."""

    def __init__(
        self,
        sock: socket.socket,
        reactor: IReactorFDSet,
        received: Callable[[bytes], None],
        lost: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._reactor = reactor
        self._received = received
        self._lost = lost
        self._unsent: deque[tuple[bytes, Sequence[int]]] = deque()
        self._closed = False
        reactor.addReader(self)

    def send(self, line: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a line, with the descriptors at its first byte; they may be closed once the template has answered."""
        if not self._closed:
            self._unsent.append((line, descriptors))
            self.doWrite()
            if self._unsent:
                self._reactor.addWriter(self)

    def close(self) -> None:
        """Close the link; nothing is told of it."""
        if not self._closed:
            self._closed = True
            self._unsent.clear()
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._socket.close()

    def fileno(self) -> int:
        """Give the socket's descriptor, or -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name
        """Name the link in a traceback the reactor logs."""
        return "control link"

    def doRead(self) -> Any:  # noqa: N802
        """Take what the template says; give the reason when nothing can come any more."""
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._received(data)
        return None

    def doWrite(self) -> Any:  # noqa: N802
        """Send what the socket takes."""
        try:
            while self._unsent:
                line, descriptors = self._unsent[0]
                sent = socket.send_fds(self._socket, [line], descriptors)
                if sent < len(line):
                    self._unsent[0] = (line[sent:], ())
                    return None
                self._unsent.popleft()
        except BlockingIOError:
            return None
        except OSError:
            # The reading side tells of the end, after the last message.
            self._unsent.clear()
        self._reactor.removeWriter(self)
        return None

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The template has closed its end."""
        if not self._closed:
            self.close()
            self._lost()


class TemplateProcess(ProcessProtocol):
    """One template, started when this is made. ``reactor`` is the real one, or a fake with the same methods."""

    def __init__(
        self,
        reactor: Any,
        settings: PoolSettings,
        generation: int,
        owner: Owner,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.generation = generation
        self.name = f"template {generation}"
        self._reactor = reactor
        self._owner = owner
        self._tail = Tail(lambda line: log_line(self.name, line))
        self._splitter = control.LineSplitter()
        self._workers: dict[int, WorkerProcess] = {}
        self._failed: control.Failed | None = None
        self._status: int | None = None
        self._open = {"process", "output", "link"}
        self._grace: IDelayedCall | None = None
        self._last_words = False
        """It has been asked for its stack, and needs a moment before it is killed."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, open(os.devnull, "rb") as nothing, held_for_child():
                ends: dict[int, int | str] = {0: nothing.fileno(), 1: "r", 2: "r", 3: theirs.fileno()}
                self._process = reactor.spawnProcess(self, program[0], program, env=None, childFDs=ends)
        except BaseException:
            ours.close()
            raise
        self.pid: int = self._process.pid
        self._link = ControlLink(ours, reactor, self._received, partial(self._part_ended, "link"))
        self._link.send(control.configure(generation, settings))

    def __repr__(self) -> str:
        gone = "" if "process" in self._open else ", gone"
        return f"<TemplateProcess {self.generation}, pid {self.pid}{gone}, workers {sorted(self._workers)}>"

    # -- the owner's side

    def fork(self, number: int, theirs: Sequence[socket.socket]) -> None:
        """Ask for a worker with these ends of its lanes, which are closed here when it has them.

        Raises OSError, with the ends closed, when no descriptor is left for its output.
        """
        try:
            worker = WorkerProcess(number, theirs, self._reactor, self._reactor)
        except OSError:
            for end in theirs:
                end.close()
            raise
        self._workers[number] = worker
        self._link.send(control.fork(number), worker.to_send())

    def signal_worker(self, number: int, signal_number: int) -> None:
        """Send a worker a signal, if it is there."""
        if number in self._workers:
            self._workers[number].signal(signal_number)

    def ask_for_stack(self, number: int | None) -> None:
        """Have a worker print where it stands, if it is there, or the template itself, which is killed next."""
        if number is None:
            if "process" in self._open:
                self._tail.expect_stack()
                self._process.signalProcess(signal.SIGUSR1)
                self._last_words = True
        elif number in self._workers:
            self._workers[number].ask_for_stack()

    def quit(self) -> None:
        """Ask the template to end once it has no child left."""
        self._link.send(control.quit_line())

    def kill(self) -> None:
        """End the template now; its workers go on."""
        if self._last_words:
            self._last_words = False
            self._reactor.callLater(LAST_WORDS, self.kill)
        elif "process" in self._open:
            self._process.signalProcess("KILL")

    # -- what the template says

    def _received(self, data: bytes) -> None:
        try:
            for line in self._splitter.feed(data):
                self._told(control.decode(line))
        except control.BadLine as error:
            log.error("{name}: {error}; it is killed", name=self.name, error=error)
            self._link.close()
            self.kill()
            self._part_ended("link")

    def _told(self, message: control.Told) -> None:
        match message:
            case control.Ready():
                self._owner.template_ready(self.generation, message)
            case control.Failed():
                self._failed = message
            case control.Forked(number, pid):
                if number in self._workers:
                    self._workers[number].forked(pid)
                    self._owner.worker_forked(self.generation, number, pid)
            case control.ForkFailed(number, error):
                self._fork_failed(number, error)
            case control.Exited(number, _pid, status):
                self._worker_gone(number, status)

    def _fork_failed(self, number: int, error: str) -> None:
        worker = self._workers.pop(number, None)
        if worker is not None:
            worker.end(None)
            self._owner.fork_failed(self.generation, number, error)

    def _worker_gone(self, number: int, status: int | None) -> None:
        worker = self._workers.pop(number, None)
        if worker is not None:
            self._owner.worker_ended(self.generation, number, worker.end(status))

    # -- its output and its end, as the reactor tells of them

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803
        """Take a piece of its output."""
        self._tail.feed(data)

    def processExited(self, reason: Failure) -> None:  # noqa: N802
        """Take its status; its output and its last messages may still be on their way."""
        self._status = status_of(reason)
        self._part_ended("process")

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        """Note that its output has ended too."""
        self._part_ended("output")

    def _part_ended(self, part: str) -> None:
        if part not in self._open:
            return
        self._open.remove(part)
        if not self._open:
            self._end()
        elif self._grace is None:
            self._grace = self._reactor.callLater(END_GRACE, self._grace_over)

    def _grace_over(self) -> None:
        self._grace = None
        if "process" in self._open:
            # Without its link it is of no use, and it does not seem to know.
            self.kill()
        else:
            self._open.clear()
            self._end()

    def _end(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
        self._link.close()
        self._process.loseConnection()
        self._tail.finish()
        ending = Ending(status=self._status, last_words=self._tail.last_words, failed=self._failed)
        # The owner hears of the template first, so that it does not ask the dead for another worker.
        self._owner.template_ended(self.generation, ending)
        for number, worker in list(self._workers.items()):
            if worker.pid is None:
                self._fork_failed(number, "its template ended")
            else:
                worker.watch(partial(self._worker_gone, number))


def status_of(reason: Failure) -> int:
    """Give an exit status as the template gives it for its workers: negative for a signal."""
    ended = reason.value
    if isinstance(ended, ProcessDone):
        return 0
    assert isinstance(ended, ProcessTerminated), f"not the end of a process: {ended!r}"
    return int(ended.exitCode) if ended.signal is None else -int(ended.signal)
