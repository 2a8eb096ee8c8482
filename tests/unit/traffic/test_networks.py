"""Networks of addresses."""

from __future__ import annotations

import pytest

from tracd_cluster.traffic.networks import network_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.254"),
        ("192.0.2.1", "::ffff:192.0.2.7"),
        ("::ffff:192.0.2.1", "::ffff:c000:207"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("::1", "::2"),
    ],
)
def test_neighbours_are_of_one_network(one: str, other: str) -> None:
    """Whoever has one of these addresses easily has the other."""
    assert network_of(one) == network_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.3.1"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("192.0.2.1", "::192.0.2.1"),
        ("192.0.2.1", ""),
        ("fe80::1%eth0", "unix"),
    ],
)
def test_strangers_to_each_other_are_not(one: str, other: str) -> None:
    """What belongs to different owners is counted apart."""
    assert network_of(one) != network_of(other)


def test_an_address_with_a_zone_has_its_network() -> None:
    """A link-local address is written with the name of its interface."""
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth0")


def test_what_is_no_address_stands_for_itself() -> None:
    """Nothing that a client is called makes an error."""
    assert "a:b" == network_of("a:b")
    assert "" == network_of("")
