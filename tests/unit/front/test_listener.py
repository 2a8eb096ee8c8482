"""The front's clock and ports."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import trustme
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses
from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import StartError
from tracd_cluster.front.deadlines import TICK
from tracd_cluster.front.encrypted import EncryptedFactory
from tracd_cluster.front.factory import ClientFactory
from tracd_cluster.front.listener import Front
from tracd_cluster.settings.front import FrontSettings, TlsSettings

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_time_does_not_stand_still_after_a_fault() -> None:
    """A sweep that fails is logged with its traceback, and deadlines go on passing."""
    front, clock = make_front(queue_timeout=5.0)
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observe)
    front.startService()
    try:
        broken = Wire(front)
        broken.connection.timed_out = lambda: 1 / 0  # type: ignore[assignment, method-assign]
        clock.pump([1.0] * 21)
        broken.leave()
        waiting = Wire(front).feed(GET)
        clock.pump([TICK] * 30)
    finally:
        globalLogPublisher.removeObserver(observe)
        front.stopService()
    assert [503] == statuses(waiting.take())
    assert any("log_failure" in event for event in events)


def test_a_time_that_settings_shorten_counts_for_whoever_is_there() -> None:
    """Also for connections that were to be looked at much later."""
    front, clock = make_front()
    wire = Wire(front).feed(b"GET /a")
    front.take(FrontSettings(body_timeout=1.0), 7.0)
    wire.feed(b" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nx")
    clock.advance(1)
    front.sweep()
    assert [408] == statuses(wire.take())


def test_the_date_is_that_of_the_second() -> None:
    """Every answer has the current date, made once a second."""
    front, clock = make_front()
    before = front.date_line
    clock.advance(0.4)
    front.sweep()
    assert before is front.date_line
    clock.advance(1)
    front.sweep()
    assert before != front.date_line
    assert front.date_line.startswith(b"Date: ")
    assert front.date_line.endswith(b" GMT\r\n")


def test_an_abandoned_request_is_forgotten_with_its_answer() -> None:
    """Nothing piles up for clients who leave while their page is made."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    Wire(front).feed(GET).leave()
    assert 1 == len(front.abandoned)
    lane.say(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert {} == front.abandoned


def test_what_is_no_endpoint_is_named() -> None:
    """A description that Twisted does not understand is repeated in the message."""
    front, _ = make_front(endpoints=("carrier-pigeon:80",))
    with pytest.raises(StartError, match="cannot listen on carrier-pigeon:80"):
        front.privilegedStartService()


def test_each_port_is_opened_and_told(tmp_path: Path) -> None:
    """Every endpoint has its line, with the base path and its own scheme."""
    pem = tmp_path / "both.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    reactor = MemoryReactorClock()  # type: ignore[no-untyped-call]
    settings = FrontSettings(
        endpoints=("tcp:8080",),
        secure_endpoints=("tcp:8443", "tcp:8444"),
        tls=TlsSettings(certificate=str(pem)),
        base_path="/some/path",
    )
    front = Front(settings, 30.0, Balancer(0), reactor)
    front.privilegedStartService()
    told = [("http", 8080), ("https", 8443), ("https", 8444)]
    assert [port for _, port in told] == [port for port, *_ in reactor.tcpServers]
    expected = [f"0.0.0.0:{port} view at {scheme}://127.0.0.1:{port}/some/path" for scheme, port in told]
    assert expected == front.addresses()
    factories = [type(factory) for _, factory, *_ in reactor.tcpServers]
    assert [ClientFactory, EncryptedFactory, EncryptedFactory] == factories


def test_a_certificate_is_read_before_a_port_is_opened(tmp_path: Path) -> None:
    """A start that fails has not taken a single client."""
    reactor = MemoryReactorClock()  # type: ignore[no-untyped-call]
    settings = FrontSettings(tls=TlsSettings(certificate=str(tmp_path / "gone.pem")))
    with pytest.raises(StartError, match=r"cannot read .*gone\.pem"):
        Front(settings, 30.0, Balancer(0), reactor).privilegedStartService()
    assert [] == reactor.tcpServers


def test_without_keep_alive_every_answer_is_the_last() -> None:
    """As tracd --http10: one request, one connection."""
    front, _ = make_front(keep_alive=False)
    front.balancer.add(FakeLane(front).always_ok())
    wire = Wire(front).feed(GET)
    assert b"\r\nConnection: close\r\n" in wire.take()
    assert wire.closed


def test_workers_hear_how_a_client_has_come() -> None:
    """Scheme and address of ours, and whose request it is."""
    for scheme in (b"http", b"https"):
        front, _ = make_front()
        lane = FakeLane(front).always_ok()
        front.balancer.add(lane)
        Wire(front, scheme).feed(GET)
        assert b"Tracd-Cluster-Server: %b 127.0.0.1 8000\r\n" % scheme in lane.heads[0]
        assert b"Tracd-Cluster-Client: 10.0.0.1 51234\r\n" in lane.heads[0]


def test_other_settings_count_from_the_next_request_on() -> None:
    """On connections that are open as well, also for what is believed of who is at their other end."""
    front, _ = make_front()
    wire = Wire(front)
    wire.connection.address = "10.0.0.5"
    trusting = FrontSettings(
        trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),), request_line_limit=100, queue=3, hosts=("a.example",)
    )
    front.take(trusting, 7.0)
    assert (True, 3, 7.0) == (wire.connection.trusted, front.balancer.limit, front.drain_timeout)
    wire.feed(b"GET /%b HTTP/1.1\r\nHost: a.example\r\n\r\n" % (b"x" * 200))
    assert [414] == statuses(wire.take())
    front.take(FrontSettings(), 7.0)
    assert (False, None) == (wire.connection.trusted, front.hosts)
