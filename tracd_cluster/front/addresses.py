"""Addresses: our own as operators read them, and whether a client's is within some networks."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from typing import Any

from tracd_cluster.settings.front import Network


def is_within(address: str, networks: Sequence[Network | None]) -> bool:
    """Tell whether an address is in one of some networks; it is empty for a Unix socket, whose network is None."""
    if not networks:
        return False
    if not address:
        return None in networks
    client = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    return any(client in network for network in networks if network is not None)


def name_in(description: str) -> str:
    """Give the host name that an endpoint listens on, empty for an address: that is better told by the port."""
    match = re.search(r":interface=([A-Za-z][^:\\]*)(?::|\Z)", description)
    return match[1] if match is not None else ""


def shown(host: Any, name: str, scheme: str, path: str) -> str:
    """Tell of a port as tracd does; ``name`` is the host name it was opened with, or empty."""
    if not hasattr(host, "port"):
        return f"unix:{os.fsdecode(host.name)}"
    if host.host == "0.0.0.0":  # noqa: S104 - a comparison
        return f"0.0.0.0:{host.port} view at {scheme}://127.0.0.1:{host.port}/{path}"
    name = name or (f"[{host.host}]" if ":" in host.host else host.host)
    return f"{scheme}://{name}:{host.port}/{path}"
