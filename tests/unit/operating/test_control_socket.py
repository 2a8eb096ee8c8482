"""Visits to the control socket: one request, bounded, and an end to everything."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.fakes import FakeReactor
from tracd_cluster.errors import StartError
from tracd_cluster.operating.commands import Work
from tracd_cluster.operating.control_socket import ANSWER_TIMEOUT, LOOK, VISITS, ControlSocket, VisitFactory, peer_of
from tracd_cluster.operating.protocol import REQUEST_TIMEOUT, SIGN_OF_LIFE, End, Request


class Service:
    """Commands that take as long as the test likes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[Request] = []
        self.end: End | None = None
        self.factory = VisitFactory(self.begin, self.clock)

    def begin(self, request: Request) -> Work:
        self.asked.append(request)
        if request.command == "stop":
            raise ZeroDivisionError("a fault of ours")
        return self._work()

    def _work(self) -> Work:
        while self.end is None:
            yield "working"
        if self.end.status == 9:
            raise ZeroDivisionError("a fault of ours")
        return self.end

    def visit(self) -> Any:
        visit = self.factory.buildProtocol(None)
        assert visit is not None
        visit.makeConnection(StringTransport())  # type: ignore[no-untyped-call]
        return visit


def said(visit: Any) -> list[dict[str, Any]]:
    """Give the lines that were answered."""
    return [json.loads(line) for line in visit.transport.value().splitlines()]


def test_a_command_from_its_request_to_its_end() -> None:
    """The request may come in any pieces; signs of life go on; what stands behind the request is not read."""
    service = Service()
    visit = service.visit()
    for piece in (b'{"command": ', b'"restart"', b'}\n{"command": "stop"}\n', b"more"):
        visit.dataReceived(piece)
    assert [Request("restart")] == service.asked
    assert [{"progress": "working"}] == said(visit)
    service.clock.pump([LOOK] * int(2.5 * SIGN_OF_LIFE / LOOK))
    assert [{"progress": "working"}] * 3 == said(visit)
    service.end = End(0, "done")
    service.clock.advance(LOOK)
    assert {"status": 0, "say": "done"} == said(visit)[-1]
    assert visit.transport.disconnecting
    visit.connectionLost()
    assert set() == service.factory.visits
    assert [] == service.clock.getDelayedCalls()


@pytest.mark.parametrize("request_line", [b"junk\n", b"{}\n", b"\n", b"x" * 5000, b"x" * 5000 + b"\n"])
def test_what_is_not_understood_is_answered_and_over(request_line: bytes) -> None:
    """Status 1, a reason, the end."""
    service = Service()
    visit = service.visit()
    visit.dataReceived(request_line)
    visit.dataReceived(b"and more\n")
    [answer] = said(visit)
    assert 1 == answer["status"]
    assert visit.transport.disconnecting
    assert [] == service.asked


def test_who_is_slow_is_cut_off() -> None:
    """With half a request, and with an answer unread."""
    service = Service()
    visit = service.visit()
    visit.dataReceived(b'{"command"')
    service.clock.advance(REQUEST_TIMEOUT)
    assert visit.transport.disconnected
    service.end = End(0, "")
    visit = service.visit()
    visit.dataReceived(b'{"command": "status"}\n')
    service.clock.advance(ANSWER_TIMEOUT)
    assert visit.transport.disconnected


def test_there_are_only_so_many_at_a_time() -> None:
    """The next one is closed at once; who leaves makes room."""
    service = Service()
    visits = [service.visit() for _ in range(VISITS)]
    assert service.factory.buildProtocol(None) is None
    visits[0].connectionLost()
    assert service.factory.buildProtocol(None) is not None


def test_who_leaves_ends_the_looking_only() -> None:
    """The command has been given."""
    service = Service()
    visit = service.visit()
    visit.dataReceived(b'{"command": "restart"}\n')
    visit.connectionLost()
    assert [] == service.clock.getDelayedCalls()


def test_a_fault_of_ours_is_told() -> None:
    """And the service goes on."""
    service = Service()
    for command, end in ((b"stop", None), (b"restart", End(9, ""))):
        service.end = end
        visit = service.visit()
        visit.dataReceived(b'{"command": "%b"}\n' % command)
        assert 1 == said(visit)[-1]["status"]
        assert "a fault of ours" in said(visit)[-1]["say"]


def make(path: Path) -> ControlSocket:
    """A control socket over no reactor."""
    return ControlSocket(str(path), Service().begin, FakeReactor(), own_folder=True)


def test_the_socket_is_for_us_alone_and_goes_with_us(tmp_path: Path) -> None:
    """Its mode from the first moment, and nothing is left."""
    folder = tmp_path / "80"
    folder.mkdir()
    control = make(folder / "ctl.sock")
    control.open()
    control.start()
    assert 0o600 == stat.S_IMODE((folder / "ctl.sock").stat().st_mode)
    assert ["ctl.sock"] == os.listdir(folder)
    control.close()
    control.close()
    assert not folder.exists()


def test_a_successor_takes_the_path_over(tmp_path: Path) -> None:
    """There is no moment without a socket, and the old one's end does not take it away."""
    old, new = make(tmp_path / "s"), make(tmp_path / "s")
    old.open()
    with pytest.raises(StartError, match="another service answers"):
        new.open()
    new.open(replace=True)
    assert (False, True) == (old.is_ours, new.is_ours)
    old.close()
    assert (tmp_path / "s").exists()
    new.close()
    assert not (tmp_path / "s").exists()


def test_a_socket_of_the_dead_is_replaced(tmp_path: Path) -> None:
    """Who was killed has left it."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    control = make(tmp_path / "s")
    control.open()
    assert control.is_ours
    control.close()


def test_where_no_socket_can_be(tmp_path: Path) -> None:
    """A reason, and nothing half made."""
    with pytest.raises(StartError, match="too long"):
        make(tmp_path / ("x" * 120)).open()
    with pytest.raises(StartError, match="No such file"):
        make(tmp_path / "none" / "s").open()
    (tmp_path / "s").mkdir()
    with pytest.raises(StartError, match="Is a directory"):
        make(tmp_path / "s").open()
    assert ["s"] == os.listdir(tmp_path)


@pytest.mark.needs("Linux")
def test_who_is_at_the_other_end() -> None:
    """The kernel knows."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert os.geteuid() == peer_of(ours)
