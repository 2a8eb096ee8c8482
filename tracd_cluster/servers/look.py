"""One look at all upstreams, for ``--check``: where they are, and whether each server is well."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from tracd_cluster.errors import StartError
from tracd_cluster.servers.check import HealthCheck
from tracd_cluster.servers.names import Answer, Place, Resolver, look_up
from tracd_cluster.servers.sites import Sites, shown
from tracd_cluster.settings.foreign import ForeignSettings, Upstream

Findings = list[tuple[str, str]]


def look(settings: ForeignSettings, resolver: Resolver, reactor: Any) -> Deferred[Findings]:
    """Find and ask every server once; give a finding for each."""
    try:
        sites = Sites(settings, reactor)
    except StartError as error:
        return _soon(reactor, [("problem", str(error))])
    asked = []
    for upstream in settings.upstreams:
        found: Deferred[Any] = look_up(upstream, resolver)
        asked.append(found.addCallbacks(partial(_ask_all, sites, upstream, reactor), partial(_unknown, upstream)))
    return gatherResults(asked).addCallback(_together)


def _unknown(upstream: Upstream, failure: Failure) -> Findings:
    return [("problem", f"no address of {upstream.host} was found: {type(failure.value).__name__}")]


def _ask_all(sites: Sites, upstream: Upstream, reactor: Any, answer: Answer) -> Any:
    places = sorted(answer[0])
    if not places:
        return [("problem", f"no address of {upstream.host} was found")]
    return gatherResults([_ask(sites, upstream, place, reactor) for place in places]).addCallback(_together)


def _ask(sites: Sites, upstream: Upstream, place: Place, reactor: Any) -> Deferred[Findings]:
    asked: Deferred[Findings] = Deferred()
    name = shown(upstream, place)
    site, dial = sites.way_to(upstream, place)

    def told(fault: str | None) -> None:
        asked.callback([("hint", f"{name} is well") if fault is None else ("problem", f"{name} is not well: {fault}")])

    HealthCheck(name, site, dial, reactor, told)
    return asked


def _together(found: list[Findings]) -> Findings:
    return [finding for findings in found for finding in findings]


def _soon(reactor: Any, findings: Findings) -> Deferred[Findings]:
    told: Deferred[Findings] = Deferred()
    reactor.callLater(0, told.callback, findings)
    return told
