"""Plain requests that are sent to HTTPS."""

from __future__ import annotations

import pytest
from twisted.internet.address import UNIXAddress

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PROPFIND"])
def test_every_method_is_sent_to_the_same_page(method: str) -> None:
    """No worker hears of it, nobody is asked for a password, and the connection is kept."""
    front, _ = make_front(redirect_port=8443, base_path="/base")
    lane = FakeLane(front)
    front.balancer.add(lane)
    request = f"{method} /wiki//x?a=%41&b HTTP/1.1\r\nHost: trac.example.org:8000\r\nContent-Length: 3\r\n\r\nabc"
    wire = Wire(front).feed(request.encode())
    answer = wire.take()
    assert answer.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")
    assert b"\r\nLocation: https://trac.example.org:8443/wiki//x?a=%41&b\r\n" in answer
    assert ([], False) == (lane.heads, wire.over)


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.0\r\n\r\n", b'GET / HTTP/1.1\r\nHost: a"b\r\n\r\n', b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"],
)
def test_without_a_host_that_is_one_it_is_a_fault(request_: bytes) -> None:
    """Nobody is sent to a place that a stranger has made up."""
    front, _ = make_front(redirect_port=443)
    answer = Wire(front).feed(request_).take()
    assert [400] == statuses(answer)
    assert b"Location" not in answer


def test_a_unix_socket_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in front would only send its client round in circles."""
    front, _ = make_front(redirect_port=443)
    front.balancer.add(FakeLane(front).always_ok())
    monkeypatch.setattr(Wire, "getPeer", lambda self: UNIXAddress("/run/x"))
    assert [200] == statuses(Wire(front).feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").take())


def test_encrypted_requests_are_answered() -> None:
    """They are where they should be."""
    front, _ = make_front(redirect_port=443)
    front.balancer.add(FakeLane(front).always_ok())
    assert [200] == statuses(Wire(front, b"https").feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").take())
