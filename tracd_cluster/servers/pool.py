"""Servers elsewhere as a pool: finds them, asks whether they are well, and gives their lanes to the balancer.

What is decided is decided in ``health`` and ``names``; here every event ends in ``_turn``, which brings lanes, checks
and questions in line with that and sets the one timer.

Lifetime. A ``Server`` is there from the answer that names its place until one that does not. Its ``lanes`` are in use
and known to the balancer; when they are withdrawn, those that carry an exchange are closed after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tracd_cluster.balancer import Balancer, Lane
from tracd_cluster.errors import NobodyServing
from tracd_cluster.servers.check import HealthCheck
from tracd_cluster.servers.choice import LeastLoaded, Share
from tracd_cluster.servers.health import Health
from tracd_cluster.servers.names import Answer, Known, Place, Resolver, look_up
from tracd_cluster.servers.sites import Sites, shown
from tracd_cluster.settings.foreign import ForeignSettings, Upstream
from tracd_cluster.upstream.foreign import ForeignLane, Trouble
from tracd_cluster.upstream.rest import Rest
from tracd_cluster.upstream.site import Site
from tracd_cluster.upstream.wire import Dial

HOPELESS_LOOKUPS = 3
AT_ONCE = (Trouble.CONNECT, Trouble.SILENT)
EXCUSED = (Trouble.STALE,)
OVERLOADED = (502, 503, 504)
"""Statuses of a server, or of one behind it, that cannot serve."""

log = Logger()


class Server:
    """One server: who it is, how it does, and its lanes. It is the owner of those (upstream/foreign.py)."""

    def __init__(self, pool: Servers, upstream: Upstream, place: Place, now: float) -> None:
        self.name = shown(upstream, place)
        self.upstream = upstream
        self.place = place
        self.health = Health(since=now, ask_at=now)
        self.share = Share(upstream.weight * place.weight, place.priority)
        self.rest = Rest()
        self.lanes: list[ForeignLane] = []
        self.check: HealthCheck | None = None
        self._pool = pool

    def __repr__(self) -> str:
        return f"<Server {self.name}, {self.health}, {len(self.lanes)} lanes>"

    def answered(self, lane: ForeignLane, status: int) -> None:
        """Take note of an answer."""
        if status in OVERLOADED:
            self._failed(f"it answered {status}", False)
        elif self.health.failures or self.health.times_out:
            self.health.answered(self._pool.now)

    def troubled(self, lane: ForeignLane, trouble: Trouble, why: str) -> None:
        """Take note of a request without an answer."""
        if trouble not in EXCUSED:
            self._failed(why, trouble in AT_ONCE)

    def _failed(self, why: str, at_once: bool) -> None:
        if self.health.failed(why, at_once, self._pool.now):
            self._pool.is_out(self)


class Ways(Protocol):
    """Knows how to speak to a server (sites.py)."""

    def way_to(self, upstream: Upstream, place: Place) -> tuple[Site, Dial]: ...


class Servers(Service):
    """The servers of all upstreams, for as long as the front runs.

    ``make_resolver`` is called at the start, ``make_ways`` before privileges are dropped; the latter is for tests.
    """

    def __init__(
        self,
        settings: ForeignSettings,
        balancer: Balancer,
        idle: LeastLoaded,
        reactor: Any,
        make_resolver: Callable[[], Resolver],
        make_ways: Callable[[], Ways] | None = None,
    ) -> None:
        self.servers: dict[tuple[Upstream, Place], Server] = {}
        self.known = {upstream: Known() for upstream in settings.upstreams}
        self._settings = settings
        self._balancer = balancer
        self._idle = idle
        self._reactor = reactor
        self._make_resolver = make_resolver
        self._resolver: Resolver | None = None
        self._make_ways = make_ways or partial(Sites, settings, reactor)
        self._ways: Ways | None = None
        self._timer: IDelayedCall | None = None
        self._in_turn = False
        balancer.drained = self._lane_drained

    def __repr__(self) -> str:
        return f"<Servers {list(self.servers.values())}>"

    @property
    def now(self) -> float:
        """The time, in seconds."""
        now: float = self._reactor.seconds()
        return now

    # -- wishes

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Read the certificates of those to believe; raise StartError if there are none."""
        self._ways = self._make_ways()

    def startService(self) -> None:  # noqa: N802
        """Find the servers, and begin to use those that are well."""
        super().startService()  # type: ignore[no-untyped-call]
        self._resolver = self._make_resolver()
        self._turn()

    def stopService(self) -> Deferred[None]:  # noqa: N802
        """Close everything: all that was accepted has ended before."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for server in self.servers.values():
            self._drop(server)
        self.servers.clear()
        self._balancer.refuse_all(NobodyServing("the server is stopping"))
        return succeed(None)

    def hurry(self) -> None:
        """Nothing to do: nothing of ours takes time to end."""

    def new_generation(self) -> None:
        """Ask the name servers anew, and all servers how they are."""
        now = self.now
        for known in self.known.values():
            known.ask_at = min(known.ask_at, now)
        for server in self.servers.values():
            server.health.ask_at = now
        self._turn()

    def snapshot(self) -> dict[str, object]:
        """Give what is known as plain values, for a status page."""
        return {
            "servers": [
                {
                    "server": server.name,
                    "used": server.health.used,
                    "fault": "" if server.health.used else server.health.fault,
                    "in_flight": server.share.size - len(server.share.idle),
                    "share": server.share.size,
                    "times_out": server.health.times_out,
                }
                for server in self.servers.values()
            ]
        }

    # -- what the servers and the name servers tell

    def is_out(self, server: Server) -> None:
        """Take a server out of use that has just been found not to be well."""
        wait = round(server.health.ask_at - server.health.since, 1)
        log.error("{server} is out for {wait:g} s: {why}", server=server.name, wait=wait, why=server.health.fault)
        self._turn()

    def _checked(self, server: Server, fault: str | None) -> None:
        unreachable = server.check is not None and server.check.trouble in AT_ONCE
        server.check = None
        if self.servers.get((server.upstream, server.place)) is not server:
            return
        before = server.health.fault
        was_out, first = not server.health.used, server.health.times_out == 0
        changed = server.health.checked(fault, self._settings.health_interval, self.now, unreachable)
        if changed and server.health.used:
            log.info("{server} is in use", server=server.name)
        elif changed:
            self.is_out(server)
        elif was_out and fault is not None and (first or fault != before):
            log.error("{server} is not used: {why}", server=server.name, why=fault)
        self._turn()

    def _found(self, upstream: Upstream, answer: Answer) -> None:
        known = self.known[upstream]
        changed = known.found(answer, self.now)
        if changed:
            self._place_servers(upstream, known.places)
        elif known.failures:
            self._say_unknown(upstream, known, "the answer was empty")
        self._turn()

    def _not_found(self, upstream: Upstream, failure: Failure) -> None:
        known = self.known[upstream]
        known.failed(self.now)
        self._say_unknown(upstream, known, f"{type(failure.value).__name__} {failure.value}".strip())
        self._turn()

    def _say_unknown(self, upstream: Upstream, known: Known, why: str) -> None:
        if known.failures == 1:
            still = f"; its {len(known.places)} known servers stay" if known.places else ""
            log.error("No address of {host} was found: {why}{still}", host=upstream.host, why=why, still=still)

    def _place_servers(self, upstream: Upstream, places: frozenset[Place]) -> None:
        for key, server in list(self.servers.items()):
            if key[0] is upstream and key[1] not in places:
                log.info("{server} is no server of {upstream} any more", server=server.name, upstream=upstream.host)
                del self.servers[key]
                self._drop(server)
        for place in sorted(places):
            if (upstream, place) not in self.servers:
                self.servers[upstream, place] = Server(self, upstream, place, self.now)

    # -- bringing everything in line

    def _turn(self) -> None:
        """Do what is due, then sleep until there may be more."""
        if self._in_turn or not self.running:
            return
        self._in_turn = True
        try:
            now = self.now
            for upstream, known in self.known.items():
                if now >= known.ask_at and not known.asking:
                    known.asking = True
                    self._ask(upstream)
            for server in list(self.servers.values()):
                self._adjust(server, now)
                if now >= server.health.ask_at and server.check is None:
                    server.check = self._checking(server)
        finally:
            self._in_turn = False
        self._set_timer()
        self._tell_balancer()

    def _ask(self, upstream: Upstream) -> None:
        assert self._resolver is not None
        found = look_up(upstream, self._resolver)
        found.addCallbacks(partial(self._found, upstream), partial(self._not_found, upstream))
        found.addErrback(lambda failure: log.failure("The servers of a name were not brought up to date", failure))

    def _checking(self, server: Server) -> HealthCheck:
        assert self._ways is not None
        site, dial = self._ways.way_to(server.upstream, server.place)
        return HealthCheck(server.name, site, dial, self._reactor, partial(self._checked, server))

    def _adjust(self, server: Server, now: float) -> None:
        """Give a server as many lanes as it may have requests."""
        wanted = server.health.share(self._settings.connections, now)
        while len(server.lanes) > wanted:
            self._withdraw(server.lanes.pop())
        while len(server.lanes) < wanted:
            assert self._ways is not None
            site, dial = self._ways.way_to(server.upstream, server.place)
            lane = ForeignLane(server.name, site, dial, server, self._balancer, self._reactor, server.rest)
            server.lanes.append(lane)
            self._idle.enroll(lane, server.share)
            self._balancer.add(lane)

    def _withdraw(self, lane: ForeignLane) -> None:
        claimed = self._balancer.withdraw(lane)
        self._idle.dismiss(lane)
        if not claimed:
            lane.close()

    def _lane_drained(self, lane: Lane) -> None:
        lane.close()

    def _drop(self, server: Server) -> None:
        lanes, server.lanes = server.lanes, []
        for lane in lanes:
            self._withdraw(lane)
        if server.check is not None:
            server.check.cancel()
            server.check = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now, limit = self.now, self._settings.connections
        times = [known.ask_at for known in self.known.values() if not known.asking]
        for server in self.servers.values():
            times.append(server.health.grows_at(limit, now))
            if server.check is None:
                times.append(server.health.ask_at)
        wake_at = min(times, default=float("inf"))
        if wake_at < float("inf"):
            self._timer = self._reactor.callLater(max(0.0, wake_at - now), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._turn()

    def _tell_balancer(self) -> None:
        """Have requests refused while no server is expected to be well soon, and lined up otherwise."""
        hopeless = all(server.health.hopeless for server in self.servers.values()) and all(
            known.places or known.failures >= HOPELESS_LOOKUPS for known in self.known.values()
        )
        if hopeless and self._balancer.nobody is None:
            self._balancer.refuse_all(NobodyServing("no server is well at the moment"))
        elif not hopeless and self._balancer.nobody is not None:
            self._balancer.expect()
