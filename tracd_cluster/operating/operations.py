"""Everything of this package put together for one service: called by ``tap`` at each turn of the service's life.

In order: ``logs.log_to``, ``prepare``, ``ports_opened`` (as root still, if we were root), ``start``; then
``begin_stop``, perhaps ``hurry``, and ``end``; ``failed`` wherever the start comes to nothing.

A successor goes the same way, but holds back between ``start`` and its turn: its ports are not read, and it has
neither pidfile, control socket nor a word for systemd. With ``_take_turn`` it has all of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tracd_cluster.errors import StartError
from tracd_cluster.operating import places, systemd, takeover
from tracd_cluster.operating.commands import Commands, Service
from tracd_cluster.operating.control_socket import ControlSocket
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.operating.inheritance import take_inheritance
from tracd_cluster.operating.logs import Logs
from tracd_cluster.operating.pidfile import write_pid
from tracd_cluster.operating.predecessor import Predecessor
from tracd_cluster.operating.protocol import End
from tracd_cluster.operating.successor import Command, Upgrade
from tracd_cluster.settings.whole import Settings
from tracd_cluster.workers.steps import Wish
from tracd_cluster.workers.worker import Life

PULSE = 0.25
"""Seconds between two looks, where somebody wants to know: systemd, or a predecessor."""

ANSWERED_WITHIN = 5.0
"""Seconds in which whoever asked for an upgrade is told of it, before we begin to end."""

NOT_HERE = (
    "this service runs in the foreground, and whoever started it would take its end for the end of the service: "
    "upgrade needs -d, or systemd with Type=notify; restart takes new code of Trac and plugins"
)

log = Logger()


class Operations:
    """The operator's side of one service; ``give_up`` ends it with a message and status 1."""

    def __init__(
        self, cluster: Service, settings: Settings, reactor: Any, twistd: Any, give_up: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._reactor = reactor
        self._twistd = twistd
        self._give_up = give_up
        self._command = Command()
        self._began = reactor.seconds()
        left = take_inheritance(os.environ)
        self._predecessor = Predecessor(left, reactor) if left is not None else None
        self._manager = systemd.take_manager(os.environ, os.getpid())
        self._notifier = systemd.Notifier(self._manager) if self._manager is not None else None
        self._herald = systemd.Herald(self._manager.watchdog if self._manager is not None else 0.0)
        self._settled = 1
        """The generation whose take-over is no news any more."""
        self.commands = Commands(cluster, reactor.stop, self.upgrade, lambda: reactor.seconds() - self._began)
        self._control: ControlSocket | None = None
        self._upgrade: Upgrade | None = None
        self._handed_over = False
        self._stopping = False
        self._said_ready = False
        self._delay: tuple[IDelayedCall, Deferred[None]] | None = None
        self._pulse = LoopingCall(self._look)
        self._pulse.clock = reactor
        self.logs = Logs(settings.log, twistd, reactor, cluster.front.recorders)

    @property
    def _waiting(self) -> bool:
        """Whether we are a successor whose turn has not come."""
        return self._predecessor is not None and not self._predecessor.serving

    # -- the start

    def prepare(self) -> None:
        """Begin: the process is the one that it will be, and nothing is open yet."""
        signal.signal(signal.SIGUSR1, lambda number, frame: self._reactor.callFromThread(self.logs.reopen))
        if self._predecessor is not None:
            self._predecessor.here()
            self._cluster.front.inherited = dict(self._predecessor.left.ports)

    def ports_opened(self, user: int | None) -> None:
        """Do what may need root before ``user`` goes on, if that is somebody else; raise StartError."""
        front = self._cluster.front
        if self._predecessor is not None:
            front.hold_back()
            self._cluster.admin.hold_back()
            for descriptor in front.inherited.values():
                os.close(descriptor)
            return
        if user is not None:
            self.logs.give_to(user)
            if pidfile := self._twistd.get("pidfile"):
                with suppress(OSError):
                    os.chown(pidfile, user, -1)
        self._open_control(user)

    def _open_control(self, user: int | None, replace: bool = False) -> None:
        wanted = self._settings.process.control
        if wanted == "off":
            return
        try:
            path = wanted
            if wanted == "auto":
                left = self._predecessor.left.control if self._predecessor is not None else None
                path = left or self._default_path()
                places.prepare(os.path.dirname(path), user)
            else:
                places.check_folder(os.path.dirname(path))
            control = ControlSocket(path, self.commands.begin, self._reactor, own_folder=wanted == "auto")
            control.open(user, replace)
        except StartError as error:
            if wanted != "auto" and not replace:
                raise StartError(f"--control {wanted}: {error}") from None
            log.warn("tracd-cluster ctl cannot reach this service: {error}", error=error)
        else:
            self._control = control

    def _default_path(self) -> str:
        base = places.base_for(os.environ, os.geteuid())
        front = self._cluster.front
        description = front.descriptions[0]
        if description.startswith("systemd:"):
            description = places.description_of(front.ports[0].getHost())
        name = places.name_of(description, os.getpid())
        return os.path.join(base, name, places.SOCKET)

    def start(self) -> None:
        """Serve, or wait for our turn."""
        self.logs.start()
        self.commands.addresses = self._cluster.front.addresses()
        if self._control is not None:
            self._control.start()
            log.info("tracd-cluster ctl reaches this service at {path}", path=self._control.path)
        if self._predecessor is not None:
            self._cluster.pool.inherit(self._predecessor.left.wish)
            self._predecessor.my_turn = self._take_turn
            self._predecessor.gone = self._give_up
            self._predecessor.wait()
        if self._notifier is not None or self._predecessor is not None:
            self._pulse.start(PULSE)

    def failed(self, why: str) -> None:
        """Tell a predecessor why it has to go on."""
        if self._predecessor is not None:
            if os.geteuid() != 0 and self._settings.process.user is not None:
                why += (
                    f" (a successor starts as user {os.geteuid()} and never was root: what it reads at its start, as "
                    "certificate keys, has to be readable for that user; a stop and a start work without)"
                )
            self._predecessor.failed(why)

    # -- now and then

    def reload_begins(self) -> None:
        """Tell systemd of a reload before anything of it is done; the next look tells of its end."""
        if self._notifier is not None and not self._waiting:
            self._notifier.send(self._herald.reload_begins())

    def _look(self) -> None:
        ready = self._ready()
        if self._waiting:
            if ready >= self._cluster.pool.desired.count and not self._said_ready and not self._stopping:
                self._said_ready = True
                assert self._predecessor is not None
                self._predecessor.ready()
        elif self._notifier is not None:
            self._notifier.send(self._herald.look(self._seen(ready), self._reactor.seconds()))

    def _ready(self) -> int:
        if isinstance(self._cluster.pool, Elsewhere):
            return 1  # there is nothing to wait for: who asks may be told that no server answers
        return sum(worker.life is Life.READY for worker in self._cluster.pool.table.workers.values())

    def _seen(self, ready: int) -> systemd.Seen:
        desired = self._cluster.pool.desired
        status = f"{ready} of {desired.count} workers ready, generation {desired.generation}"
        taking_over = False
        if desired.generation > self._settled:
            standing = takeover.look(desired, self._cluster.pool.table, desired.generation)
            taking_over, status = not standing.over, standing.text
            if standing.over:
                self._settled = desired.generation
        return systemd.Seen(ready, "stopping" if self._stopping else status, taking_over, self._stopping)

    # -- an upgrade

    def upgrade(self) -> Upgrade | str:
        """Start a successor; a text says why there will be none."""
        if self._stopping or self._handed_over:
            return "the service is stopping"
        if self._waiting:
            return "this process is a successor itself, and its turn has not come"
        if self._upgrade is not None and self._upgrade.outcome is None:
            return f"an upgrade is under way: {self._upgrade.state}"
        if self._twistd.get("nodaemon") and self._manager is None:
            return NOT_HERE
        front = self._cluster.front
        try:
            self._upgrade = Upgrade(
                self._reactor,
                self._command,
                {what: port.fileno() for what, port in zip(front.descriptions, front.ports, strict=True)}
                | self._cluster.admin.handed(),
                self._twistd.get("pidfile") or None,
                self._control.path if self._control is not None else None,
                systemd.variables_of(self._manager),
                self._settings.pool.start_timeout,
                self._cluster.pool.wish,
                self._main_process,
                self._upgraded,
            )
        except OSError as error:
            return f"the new process cannot be started: {error.strerror}"
        return self._upgrade

    def _main_process(self, pid: int) -> None:
        if self._notifier is not None:
            self._notifier.send([f"MAINPID={pid}"])

    def _upgraded(self, end: End) -> None:
        if end.status == 0:
            log.info("Upgrade: {text}", text=end.say)
            self._hand_over()
            return
        log.error("Upgrade: {text}", text=end.say)
        # It may have come as far as taking these.
        self._main_process(os.getpid())
        if pidfile := self._twistd.get("pidfile"):
            write_pid(pidfile)
        if self._control is not None and not self._control.is_ours:
            self._control.close()
            self._control = None
            self._open_control(None, replace=True)
            if self._control is not None:
                self._control.start()

    def _hand_over(self) -> None:
        """Leave everything to the successor, tell whoever asked for it, and end."""
        self._handed_over = True
        self._cluster.front.hold_back()
        self._cluster.admin.hold_back()
        self._twistd["pidfile"] = ""  # which twistd would take away at our end
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None
        visits = 0
        if self._control is not None:
            visits = self._control.visits
            self._control.close()
        self._end_when_answered(self._reactor.seconds() + ANSWERED_WITHIN if visits else 0.0)

    def _end_when_answered(self, deadline: float) -> None:
        if self._control is not None and self._control.visits and self._reactor.seconds() < deadline:
            self._reactor.callLater(0.05, self._end_when_answered, deadline)
        elif not self._stopping:
            self._reactor.stop()

    def _take_turn(self, wish: Wish) -> None:
        assert self._predecessor is not None
        self._cluster.pool.inherit(wish)
        left = self._predecessor.left
        self._cluster.front.accept()
        self._cluster.admin.accept()
        if left.pidfile is not None:
            write_pid(left.pidfile)
            self._twistd["pidfile"] = left.pidfile
        self._open_control(None, replace=True)
        if self._control is not None:
            self._control.start()
        self._predecessor.take_over()
        log.info("This process, pid {pid}, serves in the place of pid {old}", pid=os.getpid(), old=left.predecessor)
        self._look()
        if self._notifier is None:
            self._pulse.stop()

    # -- the end

    def begin_stop(self) -> Deferred[None]:
        """Say that we are going to end; the Deferred fires when it is time to."""
        self._stopping = True
        self._cluster.front.withdrawn = True
        if self._upgrade is not None:
            self._upgrade.cancel("the service is stopping")
        if self._notifier is not None:
            self._look()
        delay = self._settings.process.drain_delay
        if not delay or self._cluster.front.others_serve:
            return succeed(None)
        log.info("Stopping in {delay:g} s: load balancers have to notice first", delay=delay)
        over: Deferred[None] = Deferred()
        self._delay = (self._reactor.callLater(delay, self._delay_over), over)
        return over

    def hurry(self) -> None:
        """Do not wait for load balancers."""
        if self._delay is not None:
            self._delay[0].cancel()
            self._delay_over()

    def _delay_over(self) -> None:
        assert self._delay is not None
        over, self._delay = self._delay[1], None
        over.callback(None)

    def end(self) -> None:
        """Leave nothing behind."""
        self.logs.end()
        if self._pulse.running:
            self._pulse.stop()
        if self._control is not None:
            self._control.close()
        if self._predecessor is not None:
            self._predecessor.close()
