"""Where the servers of one ``--upstream`` are: addresses as they stand there, or what the name servers say of a name.

Note [Last good answer]. What was found is used for as long as its records say (TTL), then asked for anew. When there
is no answer, or an empty one, what was known before stays in use, for it is more likely that the name servers fail
than that all servers have gone; health checks find out about those that have. Where only a part of the questions was
answered, such as that for IPv4 but not that for IPv6, what was found joins what was known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any, Protocol

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.names.dns import AAAA, SRV, A
from twisted.names.error import AuthoritativeDomainError, DNSNameError
from twisted.python.failure import Failure

from tracd_cluster.settings.foreign import Upstream

SHORTEST = 1.0
"""Seconds that an answer is used at least; a TTL of 0 would have us ask without a pause."""
LONGEST = 3600.0
FIRST_RETRY = 1.0
LONGEST_RETRY = 30.0
QUESTION_TIMEOUT = (1, 2, 4)
"""Seconds for each try to ask a name server."""
NEVER = float("inf")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One server that was found: where it is, and how much it is to get beside others of the same name."""

    address: str
    port: int
    priority: int = 0
    weight: float = 1.0


Answer = tuple[frozenset[Place], float, bool]
"""What was found, for how many seconds that holds, and whether it is all there is."""

_Addresses = tuple[frozenset[str], float, bool]


class Resolver(Protocol):
    """Who is asked: Twisted's resolvers."""

    def lookupAddress(self, name: str, timeout: Any = ...) -> Deferred[Any]: ...  # noqa: N802 - Twisted's name

    def lookupIPV6Address(self, name: str, timeout: Any = ...) -> Deferred[Any]: ...  # noqa: N802

    def lookupService(self, name: str, timeout: Any = ...) -> Deferred[Any]: ...  # noqa: N802


@dataclass(slots=True)
class Known:
    """What is known of one upstream's places, and when to ask again. Times are absolute, in seconds."""

    places: frozenset[Place] = frozenset()
    ask_at: float = 0.0
    failures: int = 0
    asking: bool = field(default=False, repr=False)

    def found(self, answer: Answer, now: float) -> bool:
        """Take an answer, and say whether anything has changed; an empty one counts as none."""
        places, ttl, whole = answer
        if not whole:
            places |= self.places
        if not places:
            self.failed(now)
            return False
        self.failures = 0
        self.asking = False
        self.ask_at = NEVER if ttl == NEVER else now + min(LONGEST, max(SHORTEST, ttl))
        changed = places != self.places
        self.places = places
        return changed

    def failed(self, now: float) -> None:
        """Keep what is known (Note [Last good answer]), and ask again soon."""
        self.asking = False
        self.failures += 1
        self.ask_at = now + min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(self.failures - 1, 6))


def look_up(upstream: Upstream, resolver: Resolver) -> Deferred[Answer]:
    """Find the places of an upstream; fails with DNSServerError or the like when nobody can tell."""
    if upstream.srv:
        asked = resolver.lookupService(upstream.host, timeout=QUESTION_TIMEOUT)
        return asked.addCallback(partial(_follow_services, resolver))
    found = _addresses(upstream.host, resolver)
    return found.addCallback(lambda answer: (_places(answer[0], upstream.port), *answer[1:]))


def _places(addresses: Iterable[str], port: int, priority: int = 0, weight: float = 1.0) -> frozenset[Place]:
    return frozenset(Place(address, port, priority, weight) for address in addresses)


def _addresses(name: str, resolver: Resolver) -> Deferred[_Addresses]:
    """Find all addresses of a name, of either kind; fails when there are none and one question had no answer."""
    try:
        return succeed((frozenset((str(ip_address(name)),)), NEVER, True))
    except ValueError:
        pass
    kinds: tuple[tuple[Callable[..., Deferred[Any]], int], ...] = (
        (resolver.lookupAddress, A), (resolver.lookupIPV6Address, AAAA),
    )  # fmt: skip
    failures: list[Failure] = []
    asked: list[Deferred[tuple[frozenset[str], float]]] = [
        ask(name, timeout=QUESTION_TIMEOUT).addCallbacks(partial(_read, kind), partial(_none, failures))
        for ask, kind in kinds
    ]

    def both(found: list[tuple[frozenset[str], float]]) -> _Addresses | Failure:
        ttls = [ttl for addresses, ttl in found if addresses]
        if failures and not ttls:
            return failures[0]
        return frozenset().union(*(addresses for addresses, _ in found)), min(ttls, default=0.0), not failures

    return gatherResults(asked).addCallback(both)


def _read(kind: int, answer: Any) -> tuple[frozenset[str], float]:
    records = [record for record in answer[0] if record.type == kind]
    addresses = frozenset(str(ip_address(record.payload.address)) for record in records)
    return addresses, min((float(record.ttl) for record in answer[0]), default=0.0)


def _none(failures: list[Failure], failure: Failure) -> tuple[frozenset[str], float]:
    """Take "there are none" for an answer, and keep any other failure."""
    if not isinstance(failure.value, DNSNameError | AuthoritativeDomainError):
        failures.append(failure)
    return frozenset(), 0.0


def _follow_services(resolver: Resolver, answer: Any) -> Deferred[Answer]:
    """Find the addresses of all servers that SRV records name (RFC 2782)."""
    records = [record for record in answer[0] if record.type == SRV]
    asked = [_addresses(str(record.payload.target), resolver).addErrback(_unknown) for record in records]

    def together(found: list[_Addresses]) -> Answer:
        places: set[Place] = set()
        for record, (addresses, _, _) in zip(records, found, strict=True):
            service = record.payload
            # A weight of 0 is for "hardly ever" beside others, which the least of weights comes close to.
            places |= _places(addresses, service.port, service.priority, float(service.weight or 1))
        ttls = [float(record.ttl) for record in records] + [ttl for addresses, ttl, _ in found if addresses]
        return frozenset(places), min(ttls, default=0.0), all(whole for _, _, whole in found)

    return gatherResults(asked).addCallback(together)


def _unknown(failure: Failure) -> _Addresses:
    """Go on without the addresses of one of several servers."""
    return frozenset(), 0.0, False
