"""What trusted proxies say of a request: whose it is, and by which address the client has come.

Each proxy adds the address it was asked from at the right end of a list. So the list is believed from the right for as
long as the addresses in it are those of trusted proxies; the first that is not is the client's, and all to its left is
what the client says itself. ``X-Forwarded-*`` counts before ``Forwarded`` (RFC 7239): nearly all proxies write the
former, and pass on the latter as they got it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from tracd_cluster.errors import ClientFault
from tracd_cluster.rewrite.headers import Field

_PAIR = re.compile(rb"""\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))\s*(?:;|\Z)""")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}\Z")
"""What can stand in any log, page or field without harm."""
_PORT = re.compile(rb"[0-9]{1,5}\Z")
_DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What is believed; None where nothing was said."""

    address: str | None = None
    scheme: bytes | None = None
    host: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Hop:
    """One entry of the list: who asked a proxy, and how."""

    client: bytes | None = None
    scheme: bytes | None = None
    host: bytes | None = None


def read(claims: Iterable[Field], trusts: Callable[[str], bool]) -> Forwarded:
    """Read the fields of a request that a trusted proxy has sent; raise ClientFault where they make no sense."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in claims:
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            fields.setdefault(name, []).append(value)
    if not fields:
        return Forwarded()
    if any(name.startswith(b"x-forwarded-") for name in fields):
        return _believe(_hops_of_x_forwarded(fields), trusts)
    return _believe(_hops_of_forwarded(b",".join(fields[b"forwarded"])), trusts)


def request_id(claims: Iterable[Field]) -> bytes:
    """Give what a trusted proxy calls a request; empty if it does not say, or says it in an odd way."""
    for name, value in claims:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return value
    return b""


def _hops_of_x_forwarded(fields: dict[bytes, list[bytes]]) -> list[_Hop]:
    """Make hops of lists of which only that of the addresses need be as long as the way was; aligned at the right."""
    clients = _list(fields.get(b"x-forwarded-for"))
    schemes, hosts = _list(fields.get(b"x-forwarded-proto")), _list(fields.get(b"x-forwarded-host"))
    ports = _list(fields.get(b"x-forwarded-port"))
    hops = []
    for back in range(1, max(1, len(clients)) + 1):
        scheme, host, port = _from_right(schemes, back), _from_right(hosts, back), _from_right(ports, back)
        client = clients[-back] if clients else None
        hops.append(_Hop(client, scheme, _with_port(host, port, scheme)))
    return hops[::-1]


def _list(values: list[bytes] | None) -> list[bytes]:
    parts = [part.strip(b" \t") for part in b",".join(values or []).split(b",")]
    return [part for part in parts if part]


def _from_right(values: list[bytes], back: int) -> bytes | None:
    # A proxy that writes a field anew instead of adding to it leaves a shorter list, whose leftmost is the best known.
    return values[-min(back, len(values))] if values else None


def _with_port(host: bytes | None, port: bytes | None, scheme: bytes | None) -> bytes | None:
    """Add the port to a host that comes without; the scheme's own is left out, as browsers do."""
    if host is None or port is None or _PORT.match(port) is None:
        return host
    named = re.search(rb":[0-9]+\Z", host) is not None
    return host if named or port == _DEFAULT_PORTS.get(scheme or b"") else b"%b:%b" % (host, port)


def _hops_of_forwarded(value: bytes) -> list[_Hop]:
    hops = []
    for element in _split(value):
        found: dict[bytes, bytes] = {}
        at = 0
        while at < len(element):
            pair = _PAIR.match(element, at)
            if pair is None:
                raise ClientFault(400, "The proxy's Forwarded field is malformed.")
            text = pair[3] if pair[3] is not None else re.sub(rb"\\(.)", rb"\1", pair[2])
            found[pair[1].lower()] = text
            at = pair.end()
        hops.append(_Hop(found.get(b"for"), found.get(b"proto"), found.get(b"host")))
    return hops


def _split(value: bytes) -> list[bytes]:
    """Split a list at its commas, but not at those in quotes (RFC 9110 section 5.6.1)."""
    elements = re.findall(rb"""(?:"(?:[^"\\]|\\.)*"|[^",])+""", value)
    return [element.strip() for element in elements if element.strip()]


def _believe(hops: list[_Hop], trusts: Callable[[str], bool]) -> Forwarded:
    """Go from right to left for as long as proxies are trusted."""
    address, scheme, host = None, None, None
    for hop in reversed(hops):
        scheme, host = hop.scheme or scheme, hop.host or host
        client = _address(hop.client)
        if client is None:
            # Unknown or hidden (RFC 7239 section 6): the last proxy that is known stands for whoever it was.
            break
        address = client
        if not trusts(client):
            break
    lower = scheme.lower() if scheme is not None else None
    return Forwarded(address, lower if lower in _DEFAULT_PORTS else None, host)


def _address(client: bytes | None) -> str | None:
    """Give the address of an entry, which may have a port: ``1.2.3.4:80``, ``[::1]:80``."""
    if client is None:
        return None
    text = client.decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
