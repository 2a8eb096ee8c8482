"""The admin addresses: opened with the public ports, open to the very end, handed on in an upgrade.

An open page holds nothing up: its connections are no clients, and are closed when the service ends or another
process takes its place. Where there are no addresses, nothing is counted and nothing is loaded: the libraries of the
site cost a tenth of a second and some megabytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.logger import Logger

from tracd_cluster.admin.counts import Counts
from tracd_cluster.admin.guard import Guard
from tracd_cluster.admin.lag import Lag
from tracd_cluster.admin.memory import InThread, Memory
from tracd_cluster.admin.password import read_password
from tracd_cluster.admin.slow import SlowRequests
from tracd_cluster.errors import ClientFault, StartError
from tracd_cluster.front import ports
from tracd_cluster.front.hosts import Hosts
from tracd_cluster.settings.admin import AdminAddress, AdminSettings

if TYPE_CHECKING:
    from tracd_cluster.admin.metrics import Watched
    from tracd_cluster.admin.visits import AdminSite
    from tracd_cluster.operating.commands import Commands

log = Logger()


class Admin:
    """The listener of all admin addresses. ``commands`` gives what can be asked of the service."""

    def __init__(
        self,
        settings: AdminSettings,
        service: Watched,
        commands: Callable[[], Commands],
        reactor: Any,
        in_thread: InThread,
    ) -> None:
        self._settings = settings
        self._service = service
        self._commands = commands
        self._reactor = reactor
        self._counts = Counts()
        self._slow = SlowRequests()
        self._lag = Lag(reactor, monotonic)
        self._memory = Memory(reactor, in_thread, self._pids)
        self._secret = os.urandom(32)
        self._guards: list[Guard] = []
        self._sites: list[AdminSite] = []
        self._ports: list[Any] = []
        service.front.public_health = settings.public_health

    def _pids(self) -> list[int]:
        table = self._service.pool.table
        found = [each.pid for each in (*table.templates.values(), *table.workers.values()) if each.live]
        return [os.getpid(), *(pid for pid in found if pid is not None)]

    # -- the start

    def open(self, user: int | None = None, group: int | None = None) -> None:
        """Open the addresses, or take them over; raise StartError. Sockets are for ``user`` and ``group``."""
        if not self._settings.addresses:
            return
        path = self._settings.password_file
        password = read_password(path) if path is not None else None
        inherited = self._service.front.inherited
        for address in self._settings.addresses:
            site = self._make_site(address, password)
            before = os.umask(0o177)
            try:
                port = ports.open_port(self._reactor, address.endpoint, site, inherited.pop(_known_as(address), None))
            except StartError as error:
                raise StartError(f"--admin {address}: {error}") from None
            finally:
                os.umask(before)
            self._ports.append(port)
            self._sites.append(site)
            if address.path and user is not None and os.geteuid() == 0:
                os.chown(address.path, user, -1 if group is None else group)

    def _make_site(self, address: AdminAddress, password: bytes | None) -> AdminSite:
        from tracd_cluster.admin.metrics import Metrics, ServiceCollector
        from tracd_cluster.admin.overview import Overview
        from tracd_cluster.admin.site import AdminPages, Room
        from tracd_cluster.admin.visits import AdminSite
        from tracd_cluster.operating.commands import version

        service, commands = self._service, self._commands()
        port = address.reach != "socket"
        guard = Guard(
            self._secret, self._is_ours, port=port, password=password if port else None, open_metrics=address.open
        )
        self._guards.append(guard)
        collector = ServiceCollector(service, self._counts, self._lag, self._memory, version())
        overview = Overview(service, commands, self._counts, self._slow, self._lag, self._memory)
        room = Room(service.front, overview, commands, Metrics(collector), self._memory)
        return AdminSite(AdminPages(guard, room, self._reactor), self._reactor)

    def _is_ours(self, host: bytes) -> bool:
        front = self._service.front.settings
        own = [address.host for address in self._settings.addresses if address.host]
        names = [*own, *(name for name in front.hosts if name != "*")]
        try:
            Hosts(names, front.canonical_host).check(host, b"http", b"/")
        except ClientFault:
            return False
        return True

    def start(self) -> None:
        """Count and look from now on."""
        if not self._ports:
            return
        self._service.front.recorders += [self._counts.tell, self._slow.tell]
        self._lag.start()
        for address, port in zip(self._settings.addresses, self._ports, strict=True):
            where = f"http://{_shown(port.getHost())}" if address.reach != "socket" else str(address)
            what = "status page, metrics and health"
            if address.reach != "socket" and self._settings.password_file is None:
                what = "metrics and health; a password (--admin-password-file) would open the status page"
            log.info("Admin at {where}: {what}", where=where, what=what)

    def reload(self) -> None:
        """Read the password again; one that cannot be used changes nothing."""
        if self._settings.password_file is None:
            return
        try:
            password = read_password(self._settings.password_file)
        except StartError as error:
            log.error("{error}; the password that was read before stays in force", error=error)
            return
        for guard in self._guards:
            if guard.password is not None:
                guard.password = password

    # -- an upgrade

    def handed(self) -> dict[str, int]:
        """Give the descriptors that a successor takes over, by what they are known as."""
        addresses = self._settings.addresses if self._ports else ()
        return {_known_as(address): port.fileno() for address, port in zip(addresses, self._ports, strict=True)}

    def hold_back(self) -> None:
        """Leave whoever comes to the other process that has these addresses, until ``accept`` is called."""
        for port in self._ports:
            port.stopReading()
        for site in self._sites:
            site.close_visits()

    def accept(self) -> None:
        """Take whoever comes from now on."""
        for port in self._ports:
            port.startReading()
            ports.take_lock(port)

    # -- the end

    def stop(self) -> Deferred[Any]:
        """Close everything; the Deferred fires when the ports are."""
        if self._ports:
            self._lag.stop()
        closing = []
        for port in self._ports:
            if self._service.front.others_serve:
                ports.leave(port)
            else:
                closing.append(maybeDeferred(port.stopListening))
        for site in self._sites:
            site.close_visits()
        self._ports = []
        return gatherResults(closing)


def _known_as(address: AdminAddress) -> str:
    return f"admin {address.endpoint}"


def _shown(host: Any) -> str:
    return f"[{host.host}]:{host.port}/-/" if ":" in host.host else f"{host.host}:{host.port}/-/"
