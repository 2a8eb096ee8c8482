"""The front's clock and ports."""

from __future__ import annotations

import errno
import os

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses
from tracd_cluster.errors import StartError
from tracd_cluster.front.listener import SWEEP, _name_in, _shown, _why_not

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
        broken.connection.deadline = 0.0
        broken.connection.timed_out = lambda: 1 / 0  # type: ignore[assignment, method-assign]
        clock.advance(SWEEP)
        broken.leave()
        waiting = Wire(front).feed(GET)
        clock.pump([SWEEP] * 30)
    finally:
        globalLogPublisher.removeObserver(observe)
        front.stopService()
    assert [503] == statuses(waiting.take())
    assert any("log_failure" in event for event in events)


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


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "Permission denied (ports below 1024 need root"),
        (errno.EADDRINUSE, "Address already in use (another process listens there"),
        (errno.EADDRNOTAVAIL, "Cannot assign requested address"),
    ],
)
def test_why_a_port_cannot_be_opened(number: int, said: str) -> None:
    """The message says what to do, where there is something to do."""
    error = CannotListenError("", 80, OSError(number, os.strerror(number)))  # type: ignore[no-untyped-call]
    assert _why_not(error).startswith(said)


def test_what_is_no_endpoint_is_named() -> None:
    """A description that Twisted does not understand is repeated in the message."""
    front, _ = make_front(endpoints=("carrier-pigeon:80",))
    with pytest.raises(StartError, match="cannot listen on carrier-pigeon:80"):
        front.privilegedStartService()


def test_addresses_are_told_in_tracds_words() -> None:
    """Scripts look for these lines, and people click on them."""
    four = IPv4Address("TCP", "127.0.0.1", 80)
    assert "0.0.0.0:80 view at http://127.0.0.1:80/x" == _shown(IPv4Address("TCP", "0.0.0.0", 80), "", "http", "x")
    assert "https://127.0.0.1:80/" == _shown(four, "", "https", "")
    assert "http://[::1]:80/" == _shown(IPv6Address("TCP", "::1", 80), "", "http", "")
    assert "http://localhost:80/" == _shown(four, _name_in("tcp:port=80:interface=localhost:backlog=9"), "http", "")
    assert "http://127.0.0.1:80/" == _shown(four, _name_in("tcp:port=80:interface=127.0.0.1"), "http", "")
    assert "unix:/run/s" == _shown(UNIXAddress("/run/s"), "", "http", "")
