"""How each server elsewhere is spoken to, and who it has to show that it is."""

from __future__ import annotations

from typing import Any

from tracd_cluster.rewrite.outward import plain
from tracd_cluster.servers.names import Place
from tracd_cluster.settings.foreign import ForeignSettings, Upstream
from tracd_cluster.upstream.dialling import dialler, tls_for
from tracd_cluster.upstream.site import Site
from tracd_cluster.upstream.wire import Dial

_PORTS = {"http": 80, "https": 443}


class Sites:
    """Makes the way to a server; raises StartError for a file of certificates that cannot be read."""

    def __init__(self, settings: ForeignSettings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._tls = {
            upstream: tls_for(_domain(upstream), settings.ca_file) if upstream.scheme == "https" else None
            for upstream in settings.upstreams
        }

    def way_to(self, upstream: Upstream, place: Place) -> tuple[Site, Dial]:
        """Give the site of a server, and what connects to it."""
        settings = self._settings
        outer = settings.base_path
        inner = outer if upstream.base_path is None else upstream.base_path
        names = {_authority(upstream, place.address, place.port), _authority(upstream, _domain(upstream), place.port)}
        site = Site(
            scheme=upstream.scheme.encode("ascii"),
            authority=_authority(upstream, _domain(upstream), place.port),
            names=frozenset(plain(name) for name in names),
            outer=outer.encode("ascii"),
            inner=inner.encode("ascii"),
            own_host=upstream.own_host,
            trusted=upstream.trusted,
            passwords=settings.passwords,
            health_path=(settings.health_path or inner + "/").encode("ascii"),
            health_host=settings.health_host.encode("ascii"),
            health_scheme=settings.health_scheme.encode("ascii"),
        )
        return site, dialler(self._reactor, place.address, place.port, self._tls[upstream])


def shown(upstream: Upstream, place: Place) -> str:
    """Name a server for the log: its name as well, where it has one."""
    where = _authority(upstream, place.address, place.port).decode("ascii")
    named = "" if upstream.host == place.address else f" ({upstream.host})"
    return f"{upstream.scheme}://{where}{named}"


def _domain(upstream: Upstream) -> str:
    """Give the name that a certificate has to be for: with SRV records, the domain that they are of (RFC 6125)."""
    labels = upstream.host.split(".")
    while upstream.srv and len(labels) > 1 and labels[0].startswith("_"):
        labels = labels[1:]
    return ".".join(labels)


def _authority(upstream: Upstream, host: str, port: int) -> bytes:
    bracketed = f"[{host}]" if ":" in host else host
    return (bracketed if port == _PORTS[upstream.scheme] else f"{bracketed}:{port}").encode("ascii")
