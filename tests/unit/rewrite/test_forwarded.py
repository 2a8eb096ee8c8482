"""What proxies say of a client is believed as far as they are trusted, and not one entry further."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.errors import ClientFault
from tracd_cluster.rewrite.forwarded import Forwarded, read

PROXIES = ip_network("10.0.0.0/8")


def trusts(address: str) -> bool:
    """Trust what is in 10.0.0.0/8."""
    return ip_address(address) in PROXIES


def said(*fields: tuple[str, str]) -> Forwarded:
    """Read fields as a trusted proxy has sent them."""
    return read([(name.lower().encode(), value.encode("latin-1")) for name, value in fields], trusts)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.9, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("192.0.2.9, <script>", None),
        (" , ", None),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_is_the_clients(value: str, address: str | None) -> None:
    """All that is left of it is what the client says itself."""
    assert address == said(("X-Forwarded-For", value)).address


def test_several_fields_are_one_list() -> None:
    """A proxy may add a field instead of an entry (RFC 9110 section 5.3)."""
    assert "192.0.2.1" == said(("X-Forwarded-For", "192.0.2.9, 192.0.2.1"), ("X-Forwarded-For", "10.0.0.2")).address


@pytest.mark.parametrize(
    ("fields", "scheme", "host"),
    [
        ({"Proto": "https", "Host": "trac.example.org"}, b"https", b"trac.example.org"),
        ({"Proto": "HTTPS"}, b"https", None),
        ({"Proto": "gopher"}, None, None),
        ({"For": "192.0.2.9, 192.0.2.1", "Proto": "http, https", "Host": "evil.example, trac.example.org"},
         b"https", b"trac.example.org"),
        ({"For": "192.0.2.1, 10.0.0.2", "Proto": "https, http"}, b"https", None),
        ({"For": "192.0.2.1, 10.0.0.2", "Proto": "https"}, b"https", None),
        ({"Proto": "https", "Host": "trac.example.org", "Port": "8443"}, b"https", b"trac.example.org:8443"),
        ({"Proto": "https", "Host": "trac.example.org", "Port": "443"}, b"https", b"trac.example.org"),
        ({"Host": "trac.example.org:81", "Port": "8443"}, None, b"trac.example.org:81"),
        ({"Host": "[2001:db8::1]", "Port": "81"}, None, b"[2001:db8::1]:81"),
        ({"Host": "trac.example.org", "Port": "x"}, None, b"trac.example.org"),
    ],
)  # fmt: skip
def test_scheme_and_host_are_those_the_client_used(
    fields: dict[str, str], scheme: bytes | None, host: bytes | None
) -> None:
    """They come from the same proxy as the client's address, or from the one nearest to it that says anything."""
    found = said(*((f"X-Forwarded-{name}", value) for name, value in fields.items()))
    assert (scheme, host) == (found.scheme, found.host)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.60;proto=https;by=203.0.113.43;host=a.example", ("192.0.2.60", b"https", b"a.example")),
        ('For="[2001:db8:cafe::17]:4711"', ("2001:db8:cafe::17", None, None)),
        ("for=192.0.2.43, for=10.0.0.17;proto=http", ("192.0.2.43", b"http", None)),
        ("for=192.0.2.9;proto=https, for=192.0.2.43;proto=http", ("192.0.2.43", b"http", None)),
        ("for=192.0.2.9, for=_hidden, for=10.0.0.1", ("10.0.0.1", None, None)),
        ('for=unknown;host="a,b.example"', (None, None, b"a,b.example")),
        ("", (None, None, None)),
    ],
)
def test_the_standard_field(value: str, expected: tuple[str | None, bytes | None, bytes | None]) -> None:
    """RFC 7239 says the same in another form."""
    found = said(("Forwarded", value))
    assert expected == (found.address, found.scheme, found.host)


def test_a_malformed_standard_field_is_refused() -> None:
    """Nobody can tell whose the request is."""
    with pytest.raises(ClientFault, match="malformed"):
        said(("Forwarded", "for=192.0.2.1;;=x"))


def test_the_field_that_all_proxies_write_counts_first() -> None:
    """A proxy that writes X-Forwarded-For passes on Forwarded as the client sent it."""
    assert "192.0.2.1" == said(("Forwarded", "for=192.0.2.9"), ("X-Forwarded-For", "192.0.2.1")).address


def test_other_claims_say_nothing_of_this() -> None:
    """A user named by a proxy is the gate's business."""
    assert Forwarded() == said(("Remote-User", "ines"), ("X-Real-IP", "192.0.2.9"))


@given(st.lists(st.tuples(st.sampled_from(["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]),
                          st.text(st.characters(max_codepoint=255), max_size=60)), max_size=4))  # fmt: skip
def test_nothing_breaks_it(fields: list[tuple[str, str]]) -> None:
    """Whatever comes, it is read or refused."""
    with contextlib.suppress(ClientFault):
        said(*fields)


@given(st.lists(st.ip_addresses().map(str), max_size=4), st.ip_addresses(network="192.0.2.0/24").map(str),
       st.integers(0, 3))  # fmt: skip
def test_a_client_cannot_choose_its_address(lies: list[str], address: str, proxies: int) -> None:
    """However much it says, the first trusted proxy adds the truth at the right of it."""
    way = [*lies, address, *["10.0.0.1"] * proxies]
    assert address == said(("X-Forwarded-For", ", ".join(way))).address
