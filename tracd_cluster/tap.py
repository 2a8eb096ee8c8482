"""The root: ``twistd tracd-cluster`` builds everything here and wires it; the only module that knows the reactor.

Note [Exit status]. twistd ends with status 0 however its reactor came to stop. When serving cannot begin, a script
must be able to tell, so the status is set by an exit handler. A daemon's launcher waits on a pipe for word of the
start; an exit without a word would leave it waiting for ever.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application import service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python import usage

from tracd_cluster.balancer import Balancer
from tracd_cluster.balancer import Lane as AnyLane
from tracd_cluster.config import load
from tracd_cluster.errors import ConfigError, StartError
from tracd_cluster.front.listener import Front
from tracd_cluster.settings import Settings
from tracd_cluster.upstream.lane import Lane
from tracd_cluster.workers.supervisor import Supervisor

log = Logger()

PROG = "twistd tracd-cluster"


class Options(usage.Options):
    """The command line after ``twistd tracd-cluster``, read by argparse as tracd's own is."""

    settings: Settings

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802
        """Read the options; a wrong one ends the process with status 2 and one clear message."""
        arguments = list(sys.argv[1:] if options is None else options)
        try:
            self.settings = load(arguments, PROG)
        except ConfigError as error:
            print(f"{PROG}: error: {error}", file=sys.stderr)  # noqa: T201
            raise SystemExit(2) from None


class Cluster(service.Service):
    """Front and supervisor as one service: opened in this order, ended in this order.

    The front ends first, with all that it has accepted; only then do the workers go.
    """

    name = "tracd-cluster"

    def __init__(self, settings: Settings, reactor: Any, twistd: Mapping[str, Any]) -> None:
        self._reactor = reactor
        self._twistd = twistd
        self.balancer = Balancer(settings.front.queue)
        self.front = Front(settings.front, settings.pool.drain_timeout, self.balancer, reactor)
        self.supervisor = Supervisor(settings.pool, self.balancer, reactor, self._open_lane, self._fatal)

    def _open_lane(self, sock: socket.socket, name: str, lost: Callable[[AnyLane, str], None]) -> Lane:
        return Lane(sock, name, lost, self._reactor, self.balancer)

    def privilegedStartService(self) -> None:  # noqa: N802
        """Open the ports, or end the process with status 1 and one clear message."""
        try:
            self.front.privilegedStartService()
        except StartError as error:
            self._say(str(error))
            self._end_twistd(str(error))
            raise SystemExit(1) from None

    def startService(self) -> None:  # noqa: N802
        """Start the template and begin to serve; requests wait in line until the first worker is ready."""
        super().startService()  # type: ignore[no-untyped-call]
        log.info("Server starting in PID {pid}.", pid=os.getpid())
        for address in self.front.addresses():
            log.info("Serving on {address}", address=address)
        self.supervisor.startService()
        self.front.startService()

    def stopService(self) -> Deferred[None]:  # noqa: N802
        """Let everything that was accepted end, then the workers, then fire."""
        super().stopService()  # type: ignore[no-untyped-call]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: self._reactor.callFromThread(self._hurry))
        stopping = self.front.stopService()
        stopping.addCallback(lambda _: self.supervisor.stopService())
        return stopping

    def _hurry(self) -> None:
        """Do not wait any longer for what runs: whoever asks twice means it."""
        log.warn("Asked again to stop: requests that still run are cut off")
        self.front.hurry()
        self.supervisor.hurry()

    def _fatal(self, message: str) -> None:
        """End the process because serving cannot begin (Note [Exit status])."""
        self._say(message)
        atexit.register(_exit_with, 1)
        if self._reactor.running:
            self._reactor.stop()
        else:
            self._reactor.callWhenRunning(self._reactor.stop)

    def _say(self, message: str) -> None:
        """Tell the operator, in the log and on the terminal."""
        log.critical("{message}", message=message)
        if sys.__stderr__ is not None:
            print(f"tracd-cluster: error: {message}", file=sys.__stderr__, flush=True)

    def _end_twistd(self, message: str) -> None:
        """Do what twistd does at the end of a run, or of a start that failed, neither of which is reached."""
        pidfile, launcher = self._twistd.get("pidfile"), self._twistd.get("statusPipe")
        if pidfile and os.path.exists(pidfile):
            os.unlink(pidfile)
        if launcher is not None:
            # Its reader takes 100 bytes, the first of which says that the start has failed.
            os.write(launcher, b"1 " + message.encode("ascii", "backslashreplace")[:98])


def _exit_with(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def makeService(options: Options) -> Cluster:  # noqa: N802
    """Build the service of one command line."""
    from twisted.internet import reactor

    return Cluster(options.settings, reactor, getattr(options, "parent", None) or {})
