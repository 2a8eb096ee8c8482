"""Addresses as operators read them, and as networks hold them."""

from __future__ import annotations

import ipaddress

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from tracd_cluster.front.addresses import is_within, name_in, shown


def test_addresses_are_told_in_tracds_words() -> None:
    """Scripts look for these lines, and people click on them."""
    four = IPv4Address("TCP", "127.0.0.1", 80)
    assert "0.0.0.0:80 view at http://127.0.0.1:80/x" == shown(IPv4Address("TCP", "0.0.0.0", 80), "", "http", "x")
    assert "https://127.0.0.1:80/" == shown(four, "", "https", "")
    assert "http://[::1]:80/" == shown(IPv6Address("TCP", "::1", 80), "", "http", "")
    assert "http://localhost:80/" == shown(four, name_in("tcp:port=80:interface=localhost:backlog=9"), "http", "")
    assert "http://127.0.0.1:80/" == shown(four, name_in("tcp:port=80:interface=127.0.0.1"), "http", "")
    assert "unix:/run/s" == shown(UNIXAddress("/run/s"), "", "http", "")


@pytest.mark.parametrize(
    ("trusted", "address", "expected"),
    [
        ([], "127.0.0.1", False),
        ([], "", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.255", True),
        (["10.0.0.0/8", "192.0.2.0/24"], "192.0.3.0", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:11.1.2.3", False),
        (["2001:db8::/32"], "2001:db8:1::2", True),
        (["2001:db8::/32"], "10.0.0.1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        ([None], "", True),
        ([None], "127.0.0.1", False),
        (["0.0.0.0/0"], "", False),
        (["0.0.0.0/0"], "::1", False),
        (["::/0", None], "::1", True),
    ],
)
def test_which_clients_may_speak_for_others(trusted: list[str | None], address: str, expected: bool) -> None:
    """Those in a named network, however the address is written; a Unix socket only if it is named too."""
    networks = tuple(ipaddress.ip_network(text) if text else None for text in trusted)
    assert expected == is_within(address, networks)
