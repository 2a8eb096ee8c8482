"""Addresses of this machine for clients: all of 127.0.0.0/8 is loopback."""

from __future__ import annotations

NETWORKS = 199 * 256
"""Of 256 addresses each, from 127.1.0.0 to 127.199.255.0."""
PEOPLE = "127.200.{number}.1"
"""Where people come from, each out of a network of his own."""


def address_of(number: int) -> str:
    """Give the address of a client by its number; neighbours by number are in different networks of 256."""
    host, network = divmod(number, NETWORKS)
    return f"127.{1 + network % 199}.{network // 199}.{1 + host % 254}"
