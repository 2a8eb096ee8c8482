"""Who is asked for names: the host's own file first and then its name servers, or those that the operator names."""

from __future__ import annotations

from typing import Any

from twisted.names import client, hosts, resolve

HOSTS_TTL = 60
"""Seconds for which an address from the file of hosts is taken to hold."""


def make_resolver(address: tuple[str, int] | None, reactor: Any) -> Any:
    """Make a resolver that remembers nothing itself: how long an answer holds is counted by who asked."""
    if address is not None:
        return client.Resolver(servers=[address], reactor=reactor)  # type: ignore[no-untyped-call]
    local = hosts.Resolver(ttl=HOSTS_TTL)  # type: ignore[no-untyped-call]
    remote = client.Resolver(resolv="/etc/resolv.conf", reactor=reactor)  # type: ignore[no-untyped-call]
    return resolve.ResolverChain([local, remote])  # type: ignore[no-untyped-call]
