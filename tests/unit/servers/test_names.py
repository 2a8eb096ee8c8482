"""Where servers are: addresses, names, records of services, and what is kept when nobody can tell."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import dns as any_dns
from twisted.names.error import DNSNameError, DNSServerError

from tracd_cluster.servers.names import NEVER, Known, Place, look_up
from tracd_cluster.settings.foreign import Upstream

dns: Any = any_dns


class Zone:
    """A resolver that answers from a table: a list of records with their TTL, or an error."""

    def __init__(self, **table: Any) -> None:
        self.table = table

    def _answer(self, kind: str, name: str) -> Deferred[Any]:
        found = self.table.get(kind, {}).get(name, DNSNameError())
        if isinstance(found, Exception):
            return fail(found)
        records, ttl = found
        return succeed(([dns.RRHeader(name, r.TYPE, dns.IN, ttl, r) for r in records], [], []))

    def lookupAddress(self, name: str, timeout: Any = None) -> Deferred[Any]:  # noqa: N802
        return self._answer("a", name)

    def lookupIPV6Address(self, name: str, timeout: Any = None) -> Deferred[Any]:  # noqa: N802
        return self._answer("aaaa", name)

    def lookupService(self, name: str, timeout: Any = None) -> Deferred[Any]:  # noqa: N802
        return self._answer("srv", name)


def a(*addresses: str) -> list[Any]:
    """Make A records."""
    return [dns.Record_A(address) for address in addresses]


def result(found: Deferred[Any]) -> Any:
    """Give what a Deferred that has fired holds."""
    got: list[Any] = []
    found.addBoth(got.append)
    return got[0]


def upstream(host: str, **others: Any) -> Upstream:
    """Make an upstream."""
    return Upstream(scheme="http", host=host, port=8000, **others)


@pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::1"])
def test_an_address_needs_nobody(address: str) -> None:
    """It stands there, and holds for ever."""
    assert (frozenset((Place(address, 8000),)), NEVER, True) == result(look_up(upstream(address), Zone()))


def test_a_name_stands_for_all_its_addresses() -> None:
    """Of both kinds, for as long as the shortest TTL says."""
    six = [dns.Record_AAAA("2001:db8::1")]
    zone = Zone(a={"trac": (a("10.0.0.5", "10.0.0.6"), 30)}, aaaa={"trac": (six, 20)})
    places, ttl, whole = result(look_up(upstream("trac"), zone))
    assert whole
    assert {"10.0.0.5", "10.0.0.6", "2001:db8::1"} == {str(ipaddress.ip_address(p.address)) for p in places}
    assert ttl == 20


def test_one_kind_alone_is_enough_but_a_failure_is_not_none() -> None:
    """No IPv6 is an answer; a name server that fails at it has only told a part, which drops nobody."""
    places = frozenset((Place("10.0.0.5", 8000),))
    assert (places, 30.0, True) == result(look_up(upstream("trac"), Zone(a={"trac": (a("10.0.0.5"), 30)})))
    zone = Zone(a={"trac": (a("10.0.0.5"), 30)}, aaaa={"trac": DNSServerError()})
    part = result(look_up(upstream("trac"), zone))
    assert (places, 30.0, False) == part
    known = Known(places=frozenset((Place("10.0.0.6", 8000),)))
    known.found(part, 100.0)
    assert {"10.0.0.5", "10.0.0.6"} == {place.address for place in known.places}
    zone = Zone(aaaa={"trac": DNSServerError()})
    assert isinstance(result(look_up(upstream("trac"), zone)).value, DNSServerError)


def test_records_of_services_name_ports_priorities_and_weights() -> None:
    """Each target is looked up; a weight of 0 is the least of weights."""
    services = [dns.Record_SRV(1, 30, 8001, "one"), dns.Record_SRV(2, 0, 8002, "two")]
    zone = Zone(srv={"_http._tcp.trac": (services, 60)}, a={"one": (a("10.0.0.1"), 5), "two": (a("10.0.0.2"), 90)})
    found = result(look_up(upstream("_http._tcp.trac", srv=True), zone))
    assert (frozenset((Place("10.0.0.1", 8001, 1, 30.0), Place("10.0.0.2", 8002, 2, 1.0))), 5, True) == found
    zone.table["a"]["two"] = DNSServerError()
    assert (frozenset((Place("10.0.0.1", 8001, 1, 30.0),)), 5, False) == result(
        look_up(upstream("_http._tcp.trac", srv=True), zone)
    )


def test_the_last_good_answer_is_kept() -> None:
    """Failures and empty answers change nothing, and are asked about again after 1 s, 2 s, 4 s … 30 s."""
    known = Known()
    places = frozenset((Place("10.0.0.5", 8000),))
    assert known.found((places, 20.0, True), 100.0)
    assert 120.0 == known.ask_at
    assert not known.found((places, 20.0, True), 120.0)
    known.failed(140.0)
    assert not known.found((frozenset(), 600.0, True), 141.0)
    assert (places, 143.0) == (known.places, known.ask_at)
    for _ in range(9):
        known.failed(143.0)
    assert 173.0 == known.ask_at
    assert not known.found((places, 20.0, True), 173.0)
    assert 0 == known.failures


def test_a_ttl_is_neither_nothing_nor_for_ever() -> None:
    """A TTL of 0 does not have us ask in a circle, one of a week does not keep what has gone."""
    known = Known()
    known.found((frozenset((Place("x", 1),)), 0.0, True), 100.0)
    assert 101.0 == known.ask_at
    known.found((frozenset((Place("x", 1),)), 604800.0, True), 100.0)
    assert 3700.0 == known.ask_at
