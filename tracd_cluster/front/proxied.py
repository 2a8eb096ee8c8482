"""Connections that begin with a PROXY header, in which a proxy that does not speak HTTP says who the client is.

See haproxy.org's proxy-protocol.txt, versions 1 and 2. Twisted's parsers read the header, but only once all of it is
there and only if its addresses are some: by themselves they take a header in two segments for none, raise what nobody
catches for a port that is no number, and do not know the short ``PROXY UNKNOWN``, which nginx writes for a client at a
Unix socket.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.logger import Logger
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._info import ProxyInfo
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper, HAProxyWrappingFactory

log = Logger()

LONGEST_LINE = 107
"""Bytes of a version 1 header with its line break, from the specification."""
_LINE, _SIGNATURE = b"PROXY ", V2Parser.PREFIX


class ProxyHeaderFault(Exception):
    """What a connection begins with is no PROXY header."""


def header_size(begun: bytes) -> int:
    """Give the size of the header that a connection begins with, 0 for as long as that cannot be told.

    Raises ProxyHeaderFault for one that does not begin with any.
    """
    if begun.startswith(_LINE):
        size = begun.find(b"\r\n") + 2
        if size > LONGEST_LINE or (size < 2 and len(begun) >= LONGEST_LINE):
            raise ProxyHeaderFault
        return size if size >= 2 else 0
    if begun.startswith(_SIGNATURE):
        return 16 + int.from_bytes(begun[14:16], "big") if len(begun) >= 16 else 0
    if _LINE.startswith(begun) or _SIGNATURE.startswith(begun):
        return 0
    raise ProxyHeaderFault


def read_header(header: bytes) -> ProxyInfo:
    """Read a whole header; raise ProxyHeaderFault if it makes no sense.

    Nobody is named where the proxy speaks for itself, as its health checks do.
    """
    try:
        if header.startswith(_SIGNATURE):
            info = V2Parser.parse(header)
        elif header.split()[1:2] == [V1Parser.UNKNOWN_PROTO]:
            info = ProxyInfo(header, None, None)
        else:
            info = V1Parser.parse(header[:-2])
        return ProxyInfo(header, _plain(info.source), _plain(info.destination))
    except (InvalidProxyHeader, ValueError) as error:
        raise ProxyHeaderFault from error


def _plain(address: IAddress | None) -> IAddress | None:
    """Write an address as everybody writes it; raises ValueError for one that is none."""
    if isinstance(address, IPv4Address | IPv6Address):
        return type(address)(address.type, str(ip_address(address.host)), address.port)
    return address


class ProxiedConnection(HAProxyProtocolWrapper):
    """Reads the header, and lets the connection behind it have the rest."""

    def __init__(self, factory: Any, connection: IProtocol) -> None:
        super().__init__(factory, connection)
        self._begun = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take bytes from the proxy; what does not come in time, the connection's own deadline ends."""
        if self._proxyInfo is not None:
            self.wrappedProtocol.dataReceived(data)
            return
        if self.disconnecting:
            return
        self._begun += data
        try:
            size = header_size(self._begun)
            if not size or len(self._begun) < size:
                return
            self._proxyInfo = read_header(self._begun[:size])
        except ProxyHeaderFault:
            address = getattr(self.getPeer(), "host", "unix")
            log.warn("A connection from {address} did not begin with a PROXY header and was closed", address=address)
            self.loseConnection()  # type: ignore[no-untyped-call]
            return
        rest, self._begun = self._begun[size:], b""
        if rest:
            self.wrappedProtocol.dataReceived(rest)


class ProxiedFactory(HAProxyWrappingFactory):
    """Makes such connections, with trusted proxies and nobody else."""

    noisy = False
    protocol = ProxiedConnection  # type: ignore[assignment]

    def __init__(self, factory: IProtocolFactory, trusts: Callable[[str], bool]) -> None:
        super().__init__(factory)  # type: ignore[no-untyped-call]
        self._trusts = trusts

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        """Make a connection; None, which closes it, for somebody who is not trusted, or if there are too many."""
        address = getattr(addr, "host", "")
        if self._trusts(address):
            connection = self.wrappedFactory.buildProtocol(addr)
            return self.protocol(self, connection) if connection is not None else None
        log.warn("A connection from {address}, which is no trusted proxy, was closed", address=address or "unix")
        return None
