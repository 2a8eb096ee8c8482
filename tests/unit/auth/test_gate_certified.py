"""Whom a client's certificate names, at the gate."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from twisted.internet.task import Clock

from tracd_cluster.auth.gate import Gate
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.errors import ClientFault
from tracd_cluster.settings.auth import AuthSettings


@dataclass
class Client:
    """A client as the gate sees it."""

    certified_user: bytes = b""
    trusted: bool = False
    address: str = "192.0.2.1"


@dataclass
class Head:
    """A request."""

    path: bytes
    claims: tuple[tuple[bytes, bytes], ...] = ()
    authorization: bytes | None = None
    method: bytes = b"GET"
    target: bytes = b"/"


def gate(**settings: object) -> Gate:
    """Make a gate that believes certificates."""
    made = AuthSettings(certified=True, **settings)  # type: ignore[arg-type]
    assert made.wanted
    return Gate(made, b"secret", 0.0, Verifier(Clock(), 1))


@pytest.mark.parametrize("path", [b"/", b"/wiki", b"/project/login"])
def test_the_name_counts_everywhere(path: bytes) -> None:
    """Like that of a trusted proxy; who has none is asked for nothing."""
    assert b"ines" == gate().judge(Head(path), Client(b"ines"), 0.0)
    assert b"" == gate().judge(Head(path), Client(), 0.0)


def test_it_is_enough_where_a_login_is_required() -> None:
    """And without it nobody gets in."""
    judge = gate(required=frozenset("*")).judge
    assert b"ines" == judge(Head(b"/wiki"), Client(b"ines"), 0.0)
    with pytest.raises(ClientFault, match="only for those who have signed in"):
        judge(Head(b"/wiki"), Client(), 0.0)


def test_no_header_makes_one() -> None:
    """Fields that sound like it are worth nothing, even where a proxy may name users."""
    claims = tuple((name, b"admin") for name in (b"remote-user", b"ssl-client-s-dn", b"tracd-cluster-user"))
    assert b"" == gate(remote_user=b"remote-user").judge(Head(b"/", claims), Client(), 0.0)
    assert b"ines" == gate(remote_user=b"remote-user").judge(Head(b"/", claims), Client(b"ines"), 0.0)


def test_a_trusted_proxy_that_shows_a_certificate_may_still_name_its_user() -> None:
    """The certificate is then the proxy's own."""
    head = Head(b"/", ((b"remote-user", b"ann"),))
    assert b"ann" == gate(remote_user=b"remote-user").judge(head, Client(b"proxy", trusted=True), 0.0)
    assert b"proxy" == gate(remote_user=b"remote-user").judge(Head(b"/"), Client(b"proxy", trusted=True), 0.0)
