"""Which network an address belongs to: what one client can easily have more than one address of."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address

IPV6_KEPT = 64
"""Bits that tell one network of clients from another: whoever has one address of a /64 has them all (RFC 4291)."""


def network_of(address: str) -> str:
    """Name the /24 of an IPv4 address or the /64 of an IPv6 one; what is neither stands for itself.

    An IPv4 address may be written as an IPv6 one (RFC 4291 section 2.5.5.2).
    """
    if ":" not in address:
        return address.rpartition(".")[0] or address
    try:
        six = IPv6Address(address)
    except AddressValueError:
        return address
    if six.ipv4_mapped is not None:
        return str(six.ipv4_mapped).rpartition(".")[0]
    return f"{int(six) >> (128 - IPV6_KEPT):x}::"
