"""What each command does, step by step: a generator that is asked on until the command is over.

Each ``yield`` says how far it has come, and means: look again soon. It ends by returning how it ended. Nothing here
waits, so tests drive the commands by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from importlib import metadata
from typing import Any, Protocol

from tracd_cluster.balancer import Balancer
from tracd_cluster.front.listener import Front
from tracd_cluster.operating import takeover
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.operating.memory import pss
from tracd_cluster.operating.protocol import End, Request
from tracd_cluster.operating.successor import Upgrade
from tracd_cluster.workers.supervisor import Supervisor
from tracd_cluster.workers.worker import Life, Worker

Work = Generator[str, None, End]


class Doors(Protocol):
    """The admin addresses, which go along in an upgrade."""

    def handed(self) -> dict[str, int]: ...

    def hold_back(self) -> None: ...

    def accept(self) -> None: ...


class Cluster(Protocol):
    """The service, as commands see it."""

    front: Front
    balancer: Balancer
    pool: Supervisor | Elsewhere

    def reload(self) -> list[str]:
        """Take what has changed, and say what that was, one line each."""


class Service(Cluster, Protocol):
    """The same, as an upgrade sees it."""

    @property
    def admin(self) -> Doors: ...


class Commands:
    """Carries out commands. ``stop`` begins the end of the service; ``upgrade`` begins one, or says why not."""

    def __init__(
        self,
        cluster: Cluster,
        stop: Callable[[], None],
        upgrade: Callable[[], Upgrade | str],
        uptime: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._stop = stop
        self._upgrade = upgrade
        self._uptime = uptime
        self.addresses: list[str] = []
        """Where the service listens; a port that is closed cannot say so any more."""

    def begin(self, request: Request) -> Work:
        """Give the work that a request asks for."""
        match request.command:
            case "reload":
                return self._reload(request)
            case "restart":
                return self._restart(request)
            case "scale":
                return self._scale(request)
            case "drain":
                return self._drain(request)
            case "stop":
                return self._end()
            case "upgrade":
                return self._succeed(request)
            case _:
                return self._status()

    # -- looking

    def report(self, memory: Callable[[int | None], int | None] = pss) -> dict[str, Any]:
        """Give everything that is known, as plain values; ``memory`` tells that of a process."""
        front, supervisor = self._cluster.front, self._cluster.pool
        found: dict[str, Any] = dict(supervisor.snapshot())
        for process in (*found["templates"], *found["workers"]):
            process["memory"] = memory(process["pid"]) if process["life"] != Life.EXITED.value else None
        return {
            "name": "tracd-cluster",
            "version": version(),
            "pid": os.getpid(),
            "seconds": self._uptime(),
            "addresses": self.addresses,
            "connections": len(front.connections),
            "spooled": front.spool.used,
            "waiting": self._cluster.balancer.waiting,
            "memory": memory(os.getpid()),
            **found,
            "stopping": front.withdrawn or found["stopping"],
        }

    def _status(self) -> Work:
        yield from ()
        return End(0, "", self.report())

    # -- generations

    def _reload(self, request: Request) -> Work:
        desired = self._cluster.pool.desired
        before = desired.generation
        lines = self._cluster.reload()
        if desired.generation == before or not request.wait:
            return End(0, "\n".join(lines))
        end = yield from self._take_over(desired.generation)
        return End(end.status, "\n".join([*lines, end.say]))

    def _restart(self, request: Request) -> Work:
        supervisor = self._cluster.pool
        supervisor.new_generation()
        generation = supervisor.desired.generation
        if not request.wait:
            return End(0, f"generation {generation} has been asked for")
        return (yield from self._take_over(generation))

    def _take_over(self, generation: int) -> Work:
        supervisor = self._cluster.pool
        while not (standing := takeover.look(supervisor.desired, supervisor.table, generation)).over:
            yield standing.text
        return End(1 if standing.failed else 0, standing.text)

    # -- workers

    def _scale(self, request: Request) -> Work:
        supervisor = self._cluster.pool
        try:
            supervisor.scale(request.number)
        except ValueError as error:
            return End(1, f"{error}")
        while request.wait and (ready := len(self._ready())) != request.number:
            if supervisor.desired.stopping or supervisor.desired.count != request.number:
                return End(1, f"another number than {request.number} is wanted by now; {ready} workers are ready")
            yield f"{ready} of {request.number} workers ready"
        return End(0, f"{request.number} workers are {'ready' if request.wait else 'wanted'}")

    def _ready(self) -> list[Worker]:
        return [worker for worker in self._cluster.pool.table.workers.values() if worker.life is Life.READY]

    def _drain(self, request: Request) -> Work:
        supervisor, number = self._cluster.pool, request.number
        found = [worker for worker in self._ready() if worker.number == number]
        if not found:
            return End(1, f"there is no worker {number} that could be drained")
        worker = max(found, key=lambda one: one.generation)
        supervisor.recycle(number)
        while request.wait and worker.live:
            yield f"{worker} goes when its successor is ready, and its {worker.in_flight} requests have ended"
        while request.wait and number <= supervisor.desired.count and not supervisor.desired.stopping:
            if successor := next((one for one in self._ready() if one.number == number), None):
                return End(0, f"{worker} has ended, {successor} is in its place")
            yield f"{worker} has ended, the next one is starting"
        return End(0, f"{worker} {'has ended' if request.wait else 'is draining'}")

    # -- the service

    def _end(self) -> Work:
        self._stop()
        while True:
            yield "stopping"

    def _succeed(self, request: Request) -> Work:
        upgrade = self._upgrade()
        if isinstance(upgrade, str):
            return End(1, upgrade)
        if not request.wait:
            return End(0, upgrade.state)
        while upgrade.outcome is None:
            yield upgrade.state
        return upgrade.outcome


def version() -> str:
    """Give our own."""
    try:
        return metadata.version("tracd-cluster")
    except metadata.PackageNotFoundError:
        return "(not installed)"
