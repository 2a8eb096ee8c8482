"""The front as a service: its ports, its connections, its clock.

Time on the hot path is ``now``, which a sweep four times a second sets; deadlines are as fine as that. The same
sweep acts on the deadlines that have passed, a few in each turn of the reactor, and makes the Date line.
"""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Any, Protocol

from twisted.application import service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tracd_cluster.auth.gate import Gate
from tracd_cluster.balancer import Balancer
from tracd_cluster.front import ports
from tracd_cluster.front.addresses import is_within, name_in, shown
from tracd_cluster.front.connection import LINGER, Connection
from tracd_cluster.front.deadlines import TICK, Deadlines
from tracd_cluster.front.door import Door
from tracd_cluster.front.encrypted import EncryptedFactory
from tracd_cluster.front.entrance import Entrance
from tracd_cluster.front.factory import ClientFactory, make_connection
from tracd_cluster.front.hosts import hosts_of
from tracd_cluster.front.learned import Learned
from tracd_cluster.front.limits import shortest, time_limits
from tracd_cluster.front.pages import ErrorPages
from tracd_cluster.front.proxied import ProxiedFactory
from tracd_cluster.front.record import Recorder
from tracd_cluster.front.rendering import Strangers
from tracd_cluster.front.reply import Standing
from tracd_cluster.front.robots import Robots
from tracd_cluster.front.spool import Spool
from tracd_cluster.front.tls import Contexts
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.traffic.kinds import Kinds
from tracd_cluster.traffic.places import Asked, Places
from tracd_cluster.traffic.policies import Policies

log = Logger()

GRACE = 1.0
"""Seconds that connections without a request stay open after the ports have closed: a request may be on its way."""

HANDED_OVER_GRACE = 15.0
"""The same when another process serves the ports, and nobody is waiting for our end."""
HANDED_OVER_LIMIT = 3600.0
"""Seconds that requests then get at the most; the limits of each bring nearly all of them to an end long before."""


class Unattended(Protocol):
    """What a worker is at, and no client waits for."""

    def timed_out(self) -> None: ...


class Front(service.Service):
    """What all connections share: settings, balancer, time, and the set of themselves.

    ``draining`` is set by ``stopService``: ports closed, every answer is its connection's last. ``abandoned`` holds
    what a worker is at and no client waits for, with the deadlines: journeys whose client has gone, questions of our
    own.
    """

    name = "front"
    never = float("inf")

    def __init__(self, settings: FrontSettings, drain_timeout: float, balancer: Balancer, reactor: Any) -> None:
        self.settings = settings
        self.balancer = balancer
        self.gate: Gate | None = None
        """Who asks for passwords; set before the start, None where nobody does."""
        self.strangers: Strangers | None = None
        """What strangers share; set before the start, None where they share nothing."""
        self.door: Door | None = None
        """Who holds clients to their limits; set before the start, None where nobody does."""
        self.entrance: Entrance | None = None
        """Who counts connections; set before the start, None where nobody does."""
        self.places = Places(is_slow=self.is_slow)
        """Where each request stands in line."""
        self.policies = Policies(Kinds(settings.base_path.encode("ascii"), None), reactor.seconds())
        """What becomes of requests for slow pages; set before the start."""
        self.robots: Robots | None = None
        """What robots are told; set before the start, None for nothing."""
        self.asks_workers = False
        """Workers tell who has signed in, where they are asked to; set before the start."""
        self.base_urls: Callable[[], tuple[str, ...]] = tuple
        """Gives where the environments say that they are; set before the start."""
        self._base_urls: tuple[str, ...] = ()
        self.base_path = settings.base_path.encode("ascii")
        self.redirect_port = settings.redirect_port
        hsts = settings.tls.hsts if settings.tls is not None else 0
        self.standing = {
            b"http": Standing(),
            b"https": Standing(b"Strict-Transport-Security: max-age=%d\r\n" % hsts if hsts else b""),
        }
        self.contexts = Contexts(settings.tls) if settings.tls is not None else None
        self.draining = False
        self.connections: set[Connection] = set()
        self.deadlines = Deadlines(reactor)
        """The same, by the time that each of them has."""
        self.abandoned: dict[Unattended, float] = {}
        self.learned = Learned()
        """Static files; set before the start."""
        self.ports: list[Any] = []
        """Listening ports of Twisted's."""
        self.descriptions: list[str] = []
        """What each port was opened as."""
        self.inherited: dict[str, int] = {}
        """Descriptors of ports, by their descriptions, that another process has left to us; set before the start."""
        self.others_serve = False
        """Another process serves the same ports: they are its own at our end (Note [Shared sockets] in ports.py)."""
        self.withdrawn = False
        """We have been asked to stop: whoever asks whether to send clients here is told not to."""
        self.refused: Counter[str] = Counter()
        """Requests that were refused without having been looked at, by the reason (errors.py, refused_for)."""
        self.refused_connections = {"all": 0, "client": 0}
        """Connections that were refused, because there were too many in ``all`` or of one ``client``."""
        self.spool = Spool(settings.spool_limit)
        self.public_health = False
        """Clients are told of that too (health.py)."""
        self.take(settings, drain_timeout)
        self.recorders: list[Recorder] = []
        """Who is told of each request that has ended."""
        self.clock: Callable[[], float] = reactor.seconds
        self._ids = itertools.count(1)
        self.id_prefix = secrets.token_hex(4).encode("ascii")
        self._reactor = reactor
        self._drained: Deferred[None] | None = None
        self._drain_deadline = self.never
        self._idle_deadline = self.never
        self._sweeping = LoopingCall(self._sweep_safely)
        self._sweeping.clock = reactor
        self._second = 0
        self.now = 0.0
        self.date_line = b""
        self._tick(reactor.seconds())

    def take(self, settings: FrontSettings, drain_timeout: float) -> None:
        """Go by these settings from the next request on; what cannot be changed is as it was (changes.py)."""
        self.settings = settings
        self.balancer.limit = settings.queue
        self.hosts = hosts_of(settings.hosts, settings.canonical_host, self._base_urls)
        """Which hosts are served, None for any."""
        self.harden_cookies = settings.harden_cookies
        self.keep_alive = settings.keep_alive
        self.max_body = settings.max_body
        self.body_memory = settings.body_memory
        self.spool.limit = settings.spool_limit
        self.answer_memory = settings.answer_memory
        self.request_line_limit = settings.request_line_limit
        self.head_limit = settings.head_limit
        self.header_limit = settings.header_limit
        self.head_timeout = settings.head_timeout
        self.body_timeout = settings.body_timeout
        self.min_body_rate = settings.min_body_rate
        self.idle_timeout = settings.idle_timeout
        self.time_limits = time_limits(settings)
        self.queue_timeout = settings.queue_timeout
        self.drain_timeout = drain_timeout
        self.deadlines.look_within(min(LINGER, shortest(settings)))
        self.error_pages = ErrorPages(settings.error_page)
        for connection in self.connections:
            connection.go_by(settings)

    def new_id(self) -> bytes:
        """Give a name for a request that no other of this process has, and hardly one of another."""
        return b"%b-%x" % (self.id_prefix, next(self._ids))

    def is_slow(self, head: Asked) -> bool:
        """Tell whether what strangers ask for is to be one of few."""
        return self.policies.is_slow(head.target)

    # -- time

    def _tick(self, now: float) -> None:
        self.now = now
        if int(now) != self._second:
            self._second = int(now)
            self.date_line = b"Date: %b\r\n" % formatdate(now, usegmt=True).encode("ascii")
            for standing in self.standing.values():
                standing.tick(self.date_line)

    def _sweep_safely(self) -> None:
        """Sweep, and go on sweeping whatever happens: without it time would stand still."""
        try:
            self.sweep()
        except Exception:
            log.failure("A sweep over the deadlines failed; the next one follows")

    def sweep(self) -> None:
        """Set the time and act on all deadlines that have passed."""
        now = self._reactor.seconds()
        self._tick(now)
        if self.gate is not None:
            self.gate.tick(now)
        self.policies.tick(now)
        self.balancer.expire(now)
        self.deadlines.look()
        for journey in [j for j, deadline in self.abandoned.items() if deadline <= now]:
            del self.abandoned[journey]
            journey.timed_out()
        if self.draining:
            self._sweep_draining(now)
        elif self.contexts is not None:
            self.contexts.look(now)

    # -- ports

    def privilegedStartService(self) -> None:  # noqa: N802
        """Read certificates and open the ports; raise StartError when that cannot be."""
        if self.contexts is not None:
            for fault in self.contexts.read(self._reactor.seconds()):
                log.error("{fault}; it is not served", fault=fault)
        for description in self.settings.endpoints:
            self.open_port(description, self._proxied(ClientFactory(self, b"http")))
        if self.contexts is not None:
            factory = self._proxied(self.encrypted(self.contexts))
            for description in self.settings.secure_endpoints:
                self.open_port(description, factory)

    def _proxied(self, factory: IProtocolFactory) -> IProtocolFactory:
        """Have a PROXY line read before anything else, if there has to be one."""
        return ProxiedFactory(factory, self.trusts) if self.settings.proxy_protocol else factory

    def encrypted(self, contexts: Contexts) -> EncryptedFactory:
        """Make what makes the connections of encrypted ports."""
        tls = self.settings.tls
        names = tls.client_cert_user if tls is not None else None
        return EncryptedFactory(
            contexts, partial(make_connection, self, b"https"), lambda: self.date_line, lambda: self.now, names
        )

    def open_port(self, description: str, factory: IProtocolFactory) -> None:
        """Open one port, or take it over; raise StartError that says why it cannot be had."""
        inherited = self.inherited.pop(description, None)
        self.ports.append(ports.open_port(self._reactor, description, factory, inherited))
        self.descriptions.append(description)

    def hold_back(self) -> None:
        """Leave whoever comes to the other process that serves these ports, until ``accept`` is called."""
        self.others_serve = True
        for port in self.ports:
            port.stopReading()

    def accept(self) -> None:
        """Take clients from now on, beside the other process or in its place."""
        self.others_serve = False
        for port in self.ports:
            port.startReading()
            ports.take_lock(port)

    def startService(self) -> None:  # noqa: N802
        """Begin to serve."""
        super().startService()  # type: ignore[no-untyped-call]
        self._sweeping.start(TICK)

    def addresses(self) -> list[str]:
        """Give the addresses that are listened on, in tracd's words (trac/web/standalone.py, serve)."""
        path = self.settings.base_path.lstrip("/")
        described = [("http", each) for each in self.settings.endpoints]
        described += [("https", each) for each in self.settings.secure_endpoints]
        opened = zip(self.ports, described, strict=True)
        return [shown(port.getHost(), name_in(where), scheme, path) for port, (scheme, where) in opened]

    # -- connections

    def trusts(self, address: str) -> bool:
        """Tell whether a client at this address may say who somebody else is; it is empty for a Unix socket."""
        return is_within(address, self.settings.trusted_proxies)

    def learn_hosts(self) -> None:
        """Serve the hosts at which the environments say that they are, unless the options say something else.

        To be called before a worker that has read them takes requests.
        """
        if self.base_urls() == self._base_urls:
            return
        self._base_urls = self.base_urls()
        if not self.settings.hosts:
            self.hosts = hosts_of((), self.settings.canonical_host, self._base_urls)
            if self.hosts is not None:
                log.info("Serving only {hosts}; --allowed-host says otherwise", hosts=self.hosts)

    def connection_lost(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        if connection.counted_as and self.entrance is not None:
            self.entrance.left(connection.counted_as)
        if self.draining:
            self._sweep_draining(self._reactor.seconds())

    # -- the end

    def stopService(self) -> Deferred[None]:  # noqa: N802
        """Close the ports, let what was accepted end, and fire when no connection is left."""
        super().stopService()  # type: ignore[no-untyped-call]
        self.draining = True
        now = self._reactor.seconds()
        self._tick(now)
        self._drain_deadline = now + (HANDED_OVER_LIMIT if self.others_serve else self.drain_timeout)
        self._idle_deadline = now + (HANDED_OVER_GRACE if self.others_serve else GRACE)
        for description, port in zip(self.descriptions, self.ports, strict=True):
            if self.others_serve or description.startswith("systemd:"):
                ports.leave(port)
            else:
                ports.close(port)
        self._drained = Deferred()
        drained = self._drained
        self._sweep_draining(now)
        return drained

    def hurry(self) -> None:
        """Wait no longer for what runs; ``stopService`` has been called."""
        self._idle_deadline = self._drain_deadline = now = self._reactor.seconds()
        self._sweep_draining(now)

    def _sweep_draining(self, now: float) -> None:
        drained = self._drained
        if drained is None:
            return
        if now >= self._idle_deadline:
            for connection in list(self.connections):
                if connection.idle:
                    connection.close()
        if now >= self._drain_deadline and self.connections:
            log.warn("{count} connections were cut at the drain deadline", count=len(self.connections))
            for connection in list(self.connections):
                connection.broken()
        if not self.connections:
            self._drained = None
            if self._sweeping.running:
                self._sweeping.stop()
            drained.callback(None)
