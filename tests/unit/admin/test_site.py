"""What stands at which path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from tests.unit.admin.service import Service
from tracd_cluster.admin.guard import Guard
from tracd_cluster.admin.metrics import Metrics, ServiceCollector
from tracd_cluster.admin.overview import Overview
from tracd_cluster.admin.site import FILES, AdminPages, Room
from tracd_cluster.admin.visits import AdminSite

PASSWORD = b"correct horse"
KEY = "Authorization: Basic OmNvcnJlY3QgaG9yc2U=\r\n"


class Page:
    """The pages of a service on paper, asked byte by byte."""

    def __init__(self, service: Service) -> None:
        self.guard = Guard(b"s", lambda host: False, port=True, password=PASSWORD)
        collector = ServiceCollector(service, service.counts, service.lag, service.memory, "1")
        parts = (service, service.commands, service.counts, service.slow, service.lag, service.memory)
        room = Room(service.front, Overview(*parts), service.commands, Metrics(collector), service.memory)
        self.clock = service.clock
        self.site = AdminSite(AdminPages(self.guard, room, self.clock), self.clock)

    def ask(self, line: str, fields: str = KEY, body: str = "") -> bytes:
        """Give all bytes of an answer, Date left out."""
        channel: Any = self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 5))
        make_transport: Any = StringTransport
        transport = make_transport(peerAddress=IPv4Address("TCP", "127.0.0.1", 5))
        channel.makeConnection(transport)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        channel.dataReceived(f"{line} HTTP/1.1\r\nHost: localhost\r\n{fields}{length}\r\n{body}".encode())
        self.transport = transport
        return bytes(transport.value())

    def do(self, body: str, token: str = "") -> bytes:
        """Press a button."""
        return self.ask("POST /-/do", f"{KEY}X-Tracd-Cluster-Token: {token or self.guard.token()}\r\n", body)


@pytest.fixture
def service() -> Service:
    """A service with two workers on paper."""
    return Service()


@pytest.fixture
def page(service: Service) -> Page:
    """Its pages."""
    return Page(service)


def test_the_files_of_the_page(page: Page) -> None:
    """Each with its kind; a HEAD has no body."""
    for path, (_, kind) in FILES.items():
        answer = page.ask(f"GET {path.decode()}")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert f"Content-Type: {kind}\r\n".encode() in answer
        assert page.ask(f"HEAD {path.decode()}").endswith(b"\r\n\r\n")


def test_the_page_asks_for_nothing_from_elsewhere(page: Page) -> None:
    """No script, style or picture of another site, and none in the page itself; no markup made of texts."""
    text = page.ask("GET /-/") + page.ask("GET /-/admin.css")
    for word in (b"//", b"style=", b"<style", b"onclick", b"<script>", b"@import", b"url("):
        assert word not in text.partition(b"<!DOCTYPE")[2], word
    script = page.ask("GET /-/admin.js")
    for word in (b"innerHTML", b"outerHTML", b"insertAdjacentHTML", b"document.write", b"eval(", b"http:"):
        assert word not in script, word


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("GET /", b"HTTP/1.1 302 "), ("GET /-", b"HTTP/1.1 302 "), ("GET /-/x", b"HTTP/1.1 404 "),
        ("GET /-/../x", b"HTTP/1.1 404 "), ("GET /-/do", b"HTTP/1.1 405 "), ("OPTIONS /-/", b"HTTP/1.1 403 "),
        ("GET /-/healthz?x", b"HTTP/1.1 200 "), ("GET /-/admin.js/", b"HTTP/1.1 404 "),
    ],
)  # fmt: skip
def test_other_paths(page: Page, line: str, start: bytes) -> None:
    """What there is has one path each."""
    answer = page.ask(line)
    assert answer.startswith(start), answer
    assert b"Server: tracd-cluster\r\n" in answer
    assert b"TwistedWeb" not in answer


def test_a_wrong_password_has_to_wait(page: Page) -> None:
    """And the right one has not."""
    assert b"" == page.ask("GET /-/", "Authorization: Basic Ondyb25n\r\n")
    transport = page.transport
    page.clock.advance(1)
    assert transport.value().startswith(b"HTTP/1.1 401 ")


def test_two_fields_of_a_name_are_none(page: Page) -> None:
    """A proxy and a browser may see different ones."""
    page.ask("GET /-/", KEY + KEY)
    page.clock.advance(1)
    assert page.transport.value().startswith(b"HTTP/1.1 401 ")
    assert page.ask("GET /-/", KEY + "Host: evil.example\r\n").startswith(b"HTTP/1.1 4")


def test_data(page: Page) -> None:
    """For the page, with what its buttons need; for Prometheus."""
    answer = page.ask("GET /-/status.json")
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (page.guard.token(), 2) == (found["token"], len(found["workers"]))
    metrics = page.ask("GET /-/metrics")
    assert b'tracd_cluster_workers{life="ready"} 2.0\n' in metrics
    length = int(metrics.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    assert length == len(metrics.partition(b"\r\n\r\n")[2])


def test_buttons(service: Service, page: Page) -> None:
    """They begin what they say; what is refused is told with 409, and what is none of theirs with 400."""
    answer = page.do('{"command": "scale", "count": 3, "wait": false}')
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"status":0,"say":"3 workers are wanted"}')
    assert 3 == service.pool.desired.count
    assert page.do('{"command": "drain", "worker": 9, "wait": false}').startswith(b"HTTP/1.1 409 ")
    for wrong in ('{"command": "stop", "wait": false}', '{"command": "restart"}', "x"):
        assert page.do(wrong).startswith(b"HTTP/1.1 400 ")
    assert page.do('{"command": "restart", "wait": false}', "wrong").startswith(b"HTTP/1.1 403 ")
    assert (0, 1) == (service.stopped, service.pool.desired.generation)
