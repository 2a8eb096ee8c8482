"""Which hosts are ours: a request for any other gets nothing, and nobody is sent there.

Trac makes links and redirects of the Host a client names, so a client that may name any can have others sent
anywhere, by a cache in between or by a link in a mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from tracd_cluster.errors import ClientFault

REMEMBERED = 1000
"""Host fields known to be ours; a bound, since a client may add any port."""

LOOPBACK = (b"localhost", b"127.0.0.1", b"[::1]")
"""Names under which only this host itself knows us; health checks use them."""


def hosts_of(names: Sequence[str], canonical: str | None, base_urls: Sequence[str]) -> Hosts | None:
    """Give the hosts that are served, None for any: those of the options, else of all environments."""
    if "*" in names:
        return None
    if not names and base_urls and all(base_urls):
        names = sorted({urlsplit(url).hostname or "" for url in base_urls} - {""})
    return Hosts(names, canonical) if names or canonical else None


class Hosts:
    """The names that are served: exact ones, and ``*.example.org`` for all directly or further below.

    ``canonical`` is where clients are sent who name another.
    """

    def __init__(self, names: Iterable[str], canonical: str | None = None) -> None:
        lowered = [name.lower().encode("idna" if not name.isascii() else "ascii") for name in names]
        self._exact = {name for name in lowered if not name.startswith(b"*")} | set(LOOPBACK)
        self._below = tuple(name[1:] for name in lowered if name.startswith(b"*."))
        self._canonical = canonical.encode("ascii") if canonical else None
        if self._canonical is not None:
            self._exact.add(_name_of(self._canonical))
        self._known: set[bytes] = set()

    def __repr__(self) -> str:
        return f"<Hosts {self}>"

    def __str__(self) -> str:
        names = sorted(self._exact.difference(LOOPBACK)) + [b"*" + name for name in self._below]
        return b", ".join(names).decode()

    def check(self, host: bytes | None, scheme: bytes, target: bytes) -> None:
        """Raise ClientFault, with the way to the canonical host if there is one, for a host that is not ours."""
        if host in self._known:
            return
        name = _name_of(host) if host is not None else b""
        if name in self._exact or name.endswith(self._below):
            if host is not None and len(self._known) < REMEMBERED:
                self._known.add(host)
        elif self._canonical is not None:
            lines = b"Location: %b://%b%b\r\n" % (scheme, self._canonical, target)
            raise ClientFault(308, "This site has another address.", lines)
        else:
            raise ClientFault(421, "This server does not serve that host.")


def _name_of(host: bytes) -> bytes:
    """Give the name in a Host field, without port and without the dot that a full name may end with."""
    if host.startswith(b"["):
        return host.partition(b"]")[0].lower() + b"]"
    return host.partition(b":")[0].lower().rstrip(b".")
