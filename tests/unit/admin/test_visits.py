"""Connections to the admin addresses are few, short, and carry little."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tracd_cluster.admin.visits import BODY_LIMIT, IDLE_TIMEOUT, VISITS, AdminSite


class Waiting(Resource):
    """A page that is finished when the test says so."""

    isLeaf = True  # noqa: N815

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.requests: list[Any] = []

    def render(self, request: Any) -> Any:
        self.requests.append(request)
        return NOT_DONE_YET


class Site:
    """A site of one page."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.page = Waiting()
        self.site = AdminSite(self.page, self.clock)

    def visit(self, sent: bytes = b"") -> Any:
        """Make a connection, and send something."""
        channel = self.site.buildProtocol(None)
        transport: Any = StringTransport()  # type: ignore[no-untyped-call]
        transport.abortConnection = transport.loseConnection
        channel.makeConnection(transport)
        if sent:
            channel.dataReceived(sent)
        return transport


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_there_is_a_bound() -> None:
    """Whoever comes when all places are taken is not let in; one that leaves makes room."""
    site = Site()
    for _ in range(VISITS):
        site.visit()
    assert None is site.site.buildProtocol(None)
    next(iter(site.site.visits)).connectionLost()
    assert None is not site.site.buildProtocol(None)


@pytest.mark.parametrize(
    ("sent", "cut"),
    [
        (b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), True),
        (b"Content-Length: %d\r\n\r\n" % BODY_LIMIT + b"x" * BODY_LIMIT, False),
        (b"Transfer-Encoding: chunked\r\n\r\n2000\r\n" + b"x" * 0x2000, True),
    ],
)
def test_a_body_has_a_bound(sent: bytes, cut: bool) -> None:
    """However its length is said."""
    site = Site()
    assert cut == site.visit(b"POST / HTTP/1.1\r\nHost: x\r\n" + sent).disconnecting
    assert cut == (not site.page.requests)


def test_an_idle_one_is_closed() -> None:
    """It would take a place."""
    site = Site()
    transport = site.visit()
    site.clock.advance(IDLE_TIMEOUT + 1)
    assert transport.disconnecting


def test_the_end_is_behind_the_answer() -> None:
    """Those that wait are closed at once, the others when they have been answered."""
    site = Site()
    idle, busy = site.visit(), site.visit(GET)
    site.site.close_visits()
    assert (True, False) == (idle.disconnecting, busy.disconnecting)
    site.page.requests[0].finish()
    assert busy.disconnecting
    assert busy.value().startswith(b"HTTP/1.1 200 OK\r\n")
