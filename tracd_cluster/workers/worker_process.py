"""A worker's process, seen from the front: its output, its signals, and its exit when no template tells of it.

Lifetime. Made with the fork request, it owns the descriptors that go to the worker until the fork is known to have
been made or to have failed: what is on its way in a socket must not be closed under it. After that it owns the
reading end of the output pipe and a pidfd. ``end`` closes everything.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.output import PipeReader, Tail

POLL_INTERVAL = 0.05
"""Seconds between two looks at an orphan, where the kernel has no pidfd to tell of its exit."""

log = Logger(namespace="tracd_cluster.worker")


def log_line(origin: str, line: str) -> None:
    """Log one line of output with the name of the process it came from."""
    log.info("{origin}: {line}", origin=origin, line=line)


@implementer(IReadDescriptor)
class WorkerProcess:
    """One worker's process; as a reader on the reactor it is its own pidfd.

    A pidfd, where there is one, means this process for ever: a signal cannot hit another one that got its number.
    """

    def __init__(
        self, number: int, theirs: Sequence[socket.socket], descriptors: IReactorFDSet, clock: IReactorTime
    ) -> None:
        self.name = f"worker {number}"
        self.pid: int | None = None
        self._pidfd = -1
        self._descriptors = descriptors
        self._clock = clock
        self._gone: Callable[[int | None], None] | None = None
        self._tail = Tail(lambda line: log_line(self.name, line))
        reading, self._writing = os.pipe()
        self._output = PipeReader(reading, self.name, self._tail, descriptors)
        self._theirs = list(theirs)

    def to_send(self) -> list[int]:
        """Give the descriptors the worker gets: its lanes, and last its output."""
        return [*(end.fileno() for end in self._theirs), self._writing]

    def forked(self, pid: int) -> None:
        """Take note of its process."""
        self.pid = pid
        self._close_theirs()
        try:
            self._pidfd = os.pidfd_open(pid)
        except (OSError, AttributeError):
            # It has ended already, or this system has none: its number does.
            self._pidfd = -1

    def signal(self, number: int) -> None:
        """Send it a signal, if there is still someone to get it."""
        if self.pid is None:
            return
        try:
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def ask_for_stack(self) -> None:
        """Have it print where it stands, which becomes its last words (tracd/stack.py)."""
        self._tail.expect_stack()
        self.signal(signal.SIGUSR1)

    def end(self, status: int | None) -> Ending:
        """Close everything and say what is known of its end."""
        self._close_theirs()
        self._output.close()
        self._gone = None
        if self._pidfd >= 0:
            self._descriptors.removeReader(self)
            os.close(self._pidfd)
            self._pidfd = -1
        return Ending(status=status, last_words=self._tail.last_words)

    def watch(self, gone: Callable[[int | None], None]) -> None:
        """Call ``gone`` once it has exited, with its status if it has become our child: its template is dead."""
        self._gone = gone
        if self._pidfd >= 0:
            self._descriptors.addReader(self)
        else:
            self._poll()

    def fileno(self) -> int:
        """Give the pidfd, readable once the process has exited; -1 if there is none."""
        return self._pidfd

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name
        """Name this worker in a traceback the reactor logs."""
        return self.name

    def doRead(self) -> None:  # noqa: N802
        """See its exit."""
        self._tell(self._reap())

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """Nothing to do: the reactor closes no descriptor that is not its own."""

    def _poll(self) -> None:
        if self._gone is None or self.pid is None:
            return
        status = self._reap()
        if status is None and _exists(self.pid):
            self._clock.callLater(POLL_INTERVAL, self._poll)
        else:
            self._tell(status)

    def _reap(self) -> int | None:
        """Take its status if it is ours to take: orphans come to process 1, which in a container may be we."""
        assert self.pid is not None, "an orphan without a process"
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status) if pid else None

    def _tell(self, status: int | None) -> None:
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(status)

    def _close_theirs(self) -> None:
        for end in self._theirs:
            end.close()
        self._theirs = []
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
