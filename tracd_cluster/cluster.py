"""The service: everything is built and wired here, opened in one order and ended in one order.

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
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from twisted.application import service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from tracd_cluster import privileges, signals
from tracd_cluster.admin.listener import Admin
from tracd_cluster.auth.gate import Gate
from tracd_cluster.auth.secret import derive, read_secret
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.balancer import Balancer
from tracd_cluster.balancer import Lane as AnyLane
from tracd_cluster.configuration.values import processors
from tracd_cluster.errors import StartError
from tracd_cluster.front.asking import Asking
from tracd_cluster.front.budget import make_room
from tracd_cluster.front.compressed import Loader
from tracd_cluster.front.door import Door
from tracd_cluster.front.entrance import Entrance
from tracd_cluster.front.garbage import settle
from tracd_cluster.front.learned import Learned
from tracd_cluster.front.listener import Front
from tracd_cluster.front.rendering import Strangers
from tracd_cluster.front.robots import robots_of
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.operating.operations import Operations
from tracd_cluster.reloading import Reloading
from tracd_cluster.servers.choice import LeastLoaded
from tracd_cluster.servers.pool import Servers
from tracd_cluster.servers.resolvers import make_resolver
from tracd_cluster.settings.whole import Settings
from tracd_cluster.traffic.places import Places
from tracd_cluster.traffic.policies import policies_of
from tracd_cluster.upstream.commands import command_lanes
from tracd_cluster.upstream.lane import Lane
from tracd_cluster.workers.command import CommandTemplate
from tracd_cluster.workers.lanes import OpenLanes, open_pairs, open_to_port
from tracd_cluster.workers.recycling import recycling_of
from tracd_cluster.workers.resizing import resizing_of
from tracd_cluster.workers.sources import Sources
from tracd_cluster.workers.supervisor import Supervisor
from tracd_cluster.workers.watch import Watch

log = Logger()

Reread = Callable[[], Settings]


class Cluster(service.Service):
    """Front and supervisor as one service: opened in this order, ended in this order.

    The front ends first, with all that it has accepted; only then do the workers go.
    """

    name = "tracd-cluster"

    def __init__(self, settings: Settings, reactor: Any, twistd: dict[str, Any], reread: Reread) -> None:
        secret = derive(read_secret(settings.auth.secret_file), b"visitors")
        settings = _with_secret(settings, secret)
        self._settings = settings
        self._reactor = reactor
        self._twistd = twistd
        idle = LeastLoaded()
        choice = idle if settings.foreign.upstreams else None
        self.balancer = Balancer(settings.front.queue, idle=choice, clock=reactor.seconds, traffic=settings.traffic)
        self.front = Front(settings.front, settings.pool.drain_timeout, self.balancer, reactor)
        self.door = self.front.door = Door(settings.clients, self.front.trusts)
        self.entrance = self.front.entrance = Entrance(
            settings.clients, self.front.connections, self.door.exempts, 1, self.front.refused_connections
        )
        self.supervisor: Supervisor | Servers
        if settings.foreign.upstreams:
            resolver = partial(make_resolver, settings.foreign.resolver, reactor)
            self.supervisor = Servers(settings.foreign, self.balancer, idle, reactor, resolver)
        else:
            self.supervisor = self._make_supervisor()
            self.front.base_urls = self.supervisor.table.base_urls
            if settings.pool.command is None and settings.pool.application is None:
                self.front.asks_workers = True
                self.front.strangers = Strangers(settings.cache, self.balancer, reactor.seconds)
            self.front.learned = self._make_learned(self.supervisor)
            projects = settings.pool.projects
            self.front.places = Places(projects.base_path.encode("ascii"), projects.single_env, self.front.is_slow)
        self.front.policies = policies_of(settings, reactor.seconds())
        self.front.robots = robots_of(settings)
        # Half of the processors at the most: those who have logged in already come first.
        self.verifier = Verifier(reactor, max(1, processors() // 2))
        self.watch: Watch | None = None
        if isinstance(self.supervisor, Supervisor):
            in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
            sources = partial(self._sources, self.supervisor)
            poll = settings.process.reload_poll
            self.watch = Watch(reactor, sources, self.supervisor.new_generation, in_thread, poll)
        self.watches = [self.watch] if self.watch is not None else []
        self.minders = self._make_minders(settings)
        self.reloading = Reloading(settings, lambda: _with_secret(reread(), secret), self._prepare_gate, self._prepare)
        if (contexts := self.front.contexts) is not None:
            self.reloading.also.append(lambda: contexts.reload(reactor.seconds()))
        self.pool = self.supervisor if isinstance(self.supervisor, Supervisor) else Elsewhere(self.supervisor)
        self.operations = Operations(self, settings, reactor, twistd, self._fatal)
        in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self.admin = Admin(settings.admin, self, lambda: self.operations.commands, reactor, in_thread)
        self.reloading.also.append(self.admin.reload)

    def _make_learned(self, supervisor: Supervisor) -> Learned:
        projects = self._settings.pool.projects
        load = Loader(partial(deferToThreadPool, self._reactor, self._reactor.getThreadPool()))
        learned = Learned(projects.base_path.encode("ascii"), projects.single_env, load)
        learned.take(self._settings.static)
        asking = Asking(self.front)
        learned.ask = asking.want

        def forget() -> None:
            learned.forget()
            asking.forget()
            if self.front.robots is not None:
                self.front.robots.forget()

        supervisor.table.generations_changed = forget
        return learned

    # -- changes while it runs

    def reload(self) -> list[str]:
        """Read settings, passwords and certificates again, and have new workers; say what came of it."""
        before = self._generation()
        self.operations.reload_begins()
        said = self.reloading.reload()
        if self._generation() != before:
            said.append(f"New workers are starting: generation {self._generation()}")
        for line in said:
            log.warn("{line}", line=line)
        return said

    def _generation(self) -> int:
        return self.supervisor.desired.generation if isinstance(self.supervisor, Supervisor) else 0

    def _sources(self, supervisor: Supervisor) -> Sources:
        settings = self.reloading.settings
        return supervisor.table.sources(settings.pool.projects.env_parent_dir, settings.process.auto_reload)

    def _prepare_gate(self, settings: Settings) -> Callable[[], None]:
        if self.front.gate is not None:
            return self.front.gate.prepare(settings.auth)
        gate = self._make_gate(settings)

        def take() -> None:
            self.front.gate = gate

        return take

    def _make_gate(self, settings: Settings) -> Gate | None:
        if not settings.auth.wanted:
            return None
        return Gate(settings.auth, read_secret(settings.auth.secret_file), self._reactor.seconds(), self.verifier)

    def _prepare(self, settings: Settings) -> Callable[[], None]:
        def take() -> None:
            self.front.take(settings.front, settings.pool.drain_timeout)
            self.balancer.take(settings.traffic)
            self.door.take(settings.clients)
            self.entrance.take(settings.clients, make_room(settings))
            if self.front.strangers is not None:
                self.front.strangers.take(settings.cache)
            self.front.public_health = settings.admin.public_health
            self.front.learned.take(settings.static)
            self.front.policies.take(settings.kinds.policies)
            self.front.robots = robots_of(settings)
            if isinstance(self.supervisor, Supervisor) and self.watch is not None:
                self.watch.poll_every(settings.process.reload_poll)
                self.supervisor.take(settings.pool)
                self._change_minders(settings)
                self.supervisor.new_generation()

        return take

    def _hung_up(self) -> None:
        """Reload, as HUP asks; or stop, where it only says that the terminal is gone."""
        if signals.terminal_is_gone():
            log.info("The terminal has been closed")
            self._reactor.stop()
        elif self.running:
            log.info("Received SIGHUP, reloading")
            self.reload()

    def _change_minders(self, settings: Settings) -> None:
        for minder in self.minders:
            minder.stopService()  # type: ignore[no-untyped-call]
        self.minders = self._make_minders(settings)
        for minder in self.minders:
            minder.startService()  # type: ignore[no-untyped-call]

    def _make_minders(self, settings: Settings) -> list[service.Service]:
        """Make those who look now and then whether the pool should change; nobody does for servers elsewhere."""
        pool, supervisor, reactor = settings.pool, self.supervisor, self._reactor
        if not isinstance(supervisor, Supervisor):
            return []
        in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        resizing = resizing_of(pool, supervisor, self.balancer, reactor)
        recycling = recycling_of(pool, supervisor, reactor, in_thread)
        return [one for one in (resizing, recycling) if one is not None]

    def _make_supervisor(self) -> Supervisor:
        pool, foreign, reactor = self._settings.pool, self._settings.foreign, self._reactor
        launch = None
        open_lanes: OpenLanes = partial(open_pairs, self._open_lane)
        if pool.command is not None:
            launch = partial(CommandTemplate, reactor, pool.command)
            open_lane = command_lanes(pool.command, foreign, self.balancer, reactor)
            open_lanes = partial(open_to_port, open_lane)
        return Supervisor(pool, self.balancer, reactor, open_lanes, self._fatal, launch)

    def setServiceParent(self, parent: Any) -> None:  # noqa: N802
        """Join twistd's application, whose log is ours to keep."""
        self.operations.logs.log_to(parent)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def _open_lane(self, sock: socket.socket, name: str, lost: Callable[[AnyLane, str], None]) -> Lane:
        self.front.learn_hosts()
        return Lane(sock, name, lost, self._reactor, self.balancer)

    def privilegedStartService(self) -> None:  # noqa: N802
        """Do what may need root, give it up, or end the process with status 1 and one clear message."""
        # Until the reactor has its handlers, Ctrl-C would be an exception anywhere in here.
        signals.hold()
        self._reactor.callWhenRunning(self._reactor.callLater, 0, signals.release)
        settings, process = self._settings, self._settings.process
        try:
            self.operations.prepare()
            self.entrance.take(settings.clients, make_room(settings))
            self.front.gate = self._make_gate(settings)
            self.supervisor.privilegedStartService()
            self.front.privilegedStartService()
            self.admin.open(process.user, process.group)
            self.operations.ports_opened(process.user if process.user is not None else self._twistd.get("uid"))
            privileges.drop(privileges.identity_of(process.user, process.group))
        except StartError as error:
            self._say(str(error))
            self._end_twistd(str(error))
            raise SystemExit(1) from None

    def startService(self) -> None:  # noqa: N802
        """Start the template and begin to serve; requests wait in line until the first worker is ready."""
        super().startService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGHUP, lambda number, frame: self._reactor.callFromThread(self._hung_up))
        for warning in self._settings.warnings:
            self._announce(warning, sys.__stderr__)
        self._announce(f"Server starting in PID {os.getpid()}.", sys.__stdout__)
        for address in self.front.addresses():
            self._announce(f"Serving on {address}", sys.__stdout__)
        if self._settings.front.keep_alive:
            self._announce("Using HTTP/1.1 protocol version", sys.__stdout__)
        self.supervisor.startService()
        if any(entry.kind == "basic" for entry in self._settings.auth.entries):
            self.verifier.start()
        for minder in (*self.minders, *self.watches):
            minder.startService()  # type: ignore[no-untyped-call]
        self.front.startService()
        self.operations.start()
        self.admin.start()
        settle()

    def _announce(self, line: str, stream: TextIO | None) -> None:
        """Say a line that scripts look for: alone on its stream where the log leaves that free, else in the log."""
        if self._twistd.get("logger") and stream is not None:
            print(line, file=stream, flush=True)
        else:
            log.info("{line}", line=line)

    def stopService(self) -> Deferred[None]:  # noqa: N802
        """Let everything that was accepted end, then the workers, then fire."""
        super().stopService()  # type: ignore[no-untyped-call]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: self._reactor.callFromThread(self._hurry))
        for minder in (*self.minders, *self.watches):
            minder.stopService()  # type: ignore[no-untyped-call]
        stopping = self.operations.begin_stop()
        stopping.addCallback(lambda _: self.front.stopService())
        stopping.addCallback(lambda _: self.supervisor.stopService())
        stopping.addCallback(lambda _: self.verifier.stop())
        stopping.addCallback(lambda _: self.admin.stop())
        stopping.addCallback(lambda _: self.operations.end())
        return stopping

    def _hurry(self) -> None:
        """Do not wait any longer for what runs: whoever asks twice means it."""
        log.warn("Asked again to stop: requests that still run are cut off")
        self.operations.hurry()
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
        self.operations.failed(message)
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


def _with_secret(settings: Settings, secret: bytes) -> Settings:
    """Give settings with what signs the notes of visitors: the same for all generations of workers."""
    return replace(settings, pool=replace(settings.pool, visitor_secret=secret))


def _exit_with(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
