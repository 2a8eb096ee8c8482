"""What a head alone decides: whose a request is, and whether it goes on."""

from __future__ import annotations

import ipaddress

import pytest

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses
from tracd_cluster.front.listener import Front

PROXY = ipaddress.ip_network("10.0.0.1/32")
"""Where the clients of these tests sit (wire.py)."""


def answered(**settings: object) -> tuple[Front, FakeLane]:
    """Make a front with a worker that answers everything."""
    front, _ = make_front(**settings)
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    return front, lane


def request(fields: str, target: str = "/wiki") -> bytes:
    """Write a request with more header fields, separated by bars."""
    lines = "".join(f"{field}\r\n" for field in fields.split("|") if field)
    return f"GET {target} HTTP/1.1\r\nHost: inner:8000\r\n{lines}\r\n".encode()


FORWARDED = "X-Forwarded-For: 192.0.2.7|X-Forwarded-Proto: https|X-Forwarded-Host: trac.example.org"


def test_a_trusted_proxy_says_whose_a_request_is() -> None:
    """The worker hears of the client, its scheme and its host, and makes links that lead there."""
    front, lane = answered(trusted_proxies=(PROXY,))
    Wire(front).feed(request(FORWARDED))
    head = lane.heads[0]
    assert b"\r\nTracd-Cluster-Server: https 127.0.0.1 8000\r\nTracd-Cluster-Client: 192.0.2.7 0\r\n" in head
    assert b"\r\nHost: trac.example.org\r\n" in head
    assert 1 == head.count(b"Host: ")
    assert b"X-Forwarded" not in head


def test_each_request_of_a_proxys_connection_is_somebody_elses() -> None:
    """What was said of one says nothing of the next."""
    front, lane = answered(trusted_proxies=(PROXY,))
    wire = Wire(front)
    for fields in ("X-Forwarded-For: 192.0.2.7", "", "X-Forwarded-For: 192.0.2.8"):
        wire.feed(request(fields))
    clients = [head.partition(b"Client: ")[2].split(b" ")[0] for head in lane.heads]
    assert [b"192.0.2.7", b"10.0.0.1", b"192.0.2.8"] == clients


@pytest.mark.parametrize("proxies", [(), (ipaddress.ip_network("10.0.0.2"),), (None,)])
def test_nobody_else_is_believed(proxies: tuple[ipaddress.IPv4Network | None, ...]) -> None:
    """From any other address it is as if nothing had been said."""
    front, lane = answered(trusted_proxies=proxies)
    Wire(front).feed(request(FORWARDED + "|Forwarded: for=1.1.1.1"))
    head = lane.heads[0]
    assert b"Server: http 127.0.0.1 8000\r\nTracd-Cluster-Client: 10.0.0.1 51234\r\n" in head
    assert b"\r\nHost: inner:8000\r\n" in head
    assert b"orwarded" not in head


@pytest.mark.parametrize(
    "host", ["a b", "evil/../x", "a@b:c:d", "x\x7f"]
)  # fmt: skip
def test_a_host_that_is_none_is_refused_from_a_proxy_too(host: str) -> None:
    """It would stand in every link of the page."""
    front, lane = answered(trusted_proxies=(PROXY,))
    assert [400] == statuses(Wire(front).feed(request(f"X-Forwarded-Host: {host}")).take())
    assert [] == lane.heads


def test_the_host_that_a_proxy_names_has_to_be_ours() -> None:
    """Of two hosts, the one that the client used counts."""
    front, lane = answered(trusted_proxies=(PROXY,), hosts=("trac.example.org",))
    wire = Wire(front)
    assert [200] == statuses(wire.feed(request(FORWARDED)).take())
    assert [421] == statuses(wire.feed(request("X-Forwarded-Host: evil.example")).take())
    assert [421] == statuses(wire.feed(request("")).take())
    assert 1 == len(lane.heads)


def test_hosts_are_learned_before_the_first_worker_serves() -> None:
    """What the environments say counts at once, not with the next look at the clock; options come first."""
    for named, expected in (((), [200, 421]), (("*",), [200, 200]), (("other",), [421, 421])):
        front, _ = answered(hosts=named)
        front.base_urls = lambda: ("https://inner/trac",)
        front.learn_hosts()
        wire = Wire(front).feed(request("")).feed(request("").replace(b"inner:8000", b"evil.example"))
        assert expected == statuses(wire.take())


def test_the_canonical_host_gets_the_way_and_the_query() -> None:
    """Under the scheme that the client uses."""
    front, _ = answered(canonical_host="trac.example.org")
    assert b"\r\nLocation: http://trac.example.org/wiki?a=%20b\r\n" in (
        Wire(front).feed(request("", "/wiki?a=%20b")).take()
    )


def test_the_base_path_without_its_slash_redirects() -> None:
    """Links of the page would lead beside it."""
    front, lane = answered(base_path="/trac")
    sent = Wire(front).feed(request("", "/trac?a=b")).take()
    assert [308] == statuses(sent)
    assert b"\r\nLocation: /trac/?a=b\r\n" in sent
    assert [] == lane.heads


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/trac/", 200), ("/trac//wiki", 200), ("/trac/a%2Fb", 200), ("/trac/;x", 200), ("/trac/%252e%252e/x", 200),
        ("/", 404), ("/tracx", 404), ("/TRAC/", 404), ("//trac/", 404), ("/%74rac/", 404), ("/trac;x/", 404),
        ("/trac%2f", 404), ("/trac%2fwiki", 404), ("/x/trac/", 404), ("/trac%00/", 400),
        ("/trac/..", 400), ("/trac/../x", 400), ("/trac/%2e%2e/x", 400), ("/trac/.%2E", 400), ("/trac/%2f../x", 400),
        ("/trac/..%2fx", 400), ("/trac/x%2f..%2f..%2fy", 400), ("/trac/./x", 400), ("/./trac/", 400),
    ],
)  # fmt: skip
def test_nothing_steps_outside_the_base_path(target: str, status: int) -> None:
    """What reaches a worker is inside in every reading, and arrives byte for byte."""
    front, lane = answered(base_path="/trac")
    assert [status] == statuses(Wire(front).feed(request("", target)).take())
    assert [f"GET {target} HTTP/1.1".encode()] * (status == 200) == [head.split(b"\r\n")[0] for head in lane.heads]


def test_cookies_are_hardened_by_the_way_they_go() -> None:
    """Secure belongs to HTTPS, be it our own or that of a proxy."""
    front, lane = answered(trusted_proxies=(PROXY,))
    lane.on_send = None
    for wire, fields, attributes in (
        (Wire(front), "", b"; SameSite=Lax"),
        (Wire(front), FORWARDED, b"; Secure; SameSite=Lax"),
        (Wire(front, b"https"), "", b"; Secure; SameSite=Lax"),
    ):
        wire.feed(request(fields))
        lane.say(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n")
        assert b"\r\nSet-Cookie: a=1" + attributes + b"\r\n" in wire.take()
