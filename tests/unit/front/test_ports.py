"""Ports: why one cannot be opened, and sockets that two processes have."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import unix
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock

from tests.unit.front.wire import make_front
from tracd_cluster.errors import StartError
from tracd_cluster.front import ports
from tracd_cluster.front.ports import ACCEPTS, _why_not


class Readers(MemoryReactorClock):
    """A reactor that adopts sockets and knows which of them it reads."""

    def adoptStreamPort(self, descriptor: int, family: int, factory: Factory) -> Port:  # noqa: N802
        port: Port = Port._fromListeningDescriptor(self, descriptor, family, factory)  # type: ignore[no-untyped-call]
        port.startListening()
        return port


def listening() -> socket.socket:
    """A socket that somebody else listens on."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


def test_a_port_that_is_left_goes_on_elsewhere() -> None:
    """Who leaves closes its own descriptor: clients of the other process, waiting or new, do not notice."""
    reactor = Readers()  # type: ignore[no-untyped-call]
    with listening() as theirs, socket.create_connection(theirs.getsockname()):
        port = ports.open_port(reactor, "tcp:80", Factory(), os.dup(theirs.fileno()))
        assert port in reactor.readers
        ports.leave(port)
        assert port not in reactor.readers
        theirs.accept()[0].close()
        with socket.create_connection(theirs.getsockname(), timeout=5):
            theirs.accept()[0].close()


def test_an_heir_waits_for_its_turn(tmp_path: Path) -> None:
    """Ports that were handed over are not read before it is said so, and are not closed until then either."""
    reactor = Readers()  # type: ignore[no-untyped-call]
    front, _ = make_front(endpoints=("tcp:1", "systemd:domain=INET:index=0"))
    front._reactor = reactor
    with listening() as one, listening() as two:
        front.inherited = {
            "tcp:1": os.dup(one.fileno()),
            "systemd:domain=INET:index=0": os.dup(two.fileno()),
        }
        front.privilegedStartService()
        assert {} == front.inherited
        front.hold_back()
        assert set() == set(front.ports) & set(reactor.readers)
        assert front.others_serve
        front.accept()
        assert set(front.ports) <= set(reactor.readers)
        front.startService()
        front.stopService()
        reactor.advance(0)
        # What systemd keeps for the next start takes clients still, and no filter throws them away.
        with socket.create_connection(two.getsockname(), timeout=5):
            two.accept()[0].close()


class Dropping(Factory):
    """Takes nobody, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def buildProtocol(self, addr: object) -> None:  # noqa: N802
        self.count += 1


def test_a_crowd_is_let_in_a_few_at_a_time() -> None:
    """However many are waiting, those who are inside come in between; at the end, nobody is left outside."""
    reactor = Readers()  # type: ignore[no-untyped-call]
    factory = Dropping()
    with listening() as sock:
        where = sock.getsockname()
        port: Any = ports.open_port(reactor, "tcp:80", factory, os.dup(sock.fileno()))
        sock.listen(100)
        crowd = [socket.create_connection(where, timeout=5) for _ in range(4 * ACCEPTS)]
        taken = []
        for _ in range(2):
            before = factory.count
            port.doRead()
            taken.append(factory.count - before)
        assert [ACCEPTS, ACCEPTS] == taken
        ports.close(port)
        reactor.advance(0)
        assert 4 * ACCEPTS == factory.count
        for one in crowd:
            one.close()


def test_a_unix_socket_keeps_its_permissions_and_its_lock_moves(tmp_path: Path) -> None:
    """Twisted would let everybody in; and a lock of the process that has gone would be taken for a stale one."""
    reactor = Readers()  # type: ignore[no-untyped-call]
    path = tmp_path / "socket"
    lock = tmp_path / "socket.lock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        path.chmod(0o660)
        lock.symlink_to("1")
        port = ports.open_port(reactor, "unix:address=x", Factory(), os.dup(sock.fileno()))
        assert isinstance(port, unix.Port)
        assert 0o660 == stat.S_IMODE(path.stat().st_mode)
        ports.take_lock(port)
        assert str(os.getpid()) == os.readlink(lock)
        assert port.lockFile is not None
        port.lockFile.unlock()  # type: ignore[no-untyped-call]
        assert not os.path.lexists(lock)
        ports.leave(port)
        assert path.exists()


def test_a_socket_that_systemd_has_not_given_is_named() -> None:
    """The message says who should have."""
    reactor = Readers()  # type: ignore[no-untyped-call]
    with pytest.raises(StartError, match="systemd has handed over no such socket"):
        ports.open_port(reactor, "systemd:domain=INET:index=0", Factory(), None)


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
