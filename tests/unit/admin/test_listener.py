"""The addresses, from their opening to their end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock

from tests.unit.admin.service import Service
from tracd_cluster.admin.listener import Admin
from tracd_cluster.configuration.addresses import admin
from tracd_cluster.errors import StartError
from tracd_cluster.settings.admin import AdminSettings


class Reactor(MemoryReactorClock):
    """A reactor whose ports do nothing, but write down what they are told."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def listenTCP(self, *args: Any, **options: Any) -> Any:  # noqa: N802
        """Make such a port."""
        port: Any = super().listenTCP(*args, **options)  # type: ignore[no-untyped-call]
        port.said = []
        for name in ("stopReading", "startReading", "stopListening"):
            setattr(port, name, lambda name=name: port.said.append(name))
        port.fileno = lambda: 77
        self.opened = port
        return port


def listener(service: Service, reactor: Reactor, *addresses: str, password_file: str | None = None) -> Admin:
    """Make a listener for addresses as the option has them."""
    settings = AdminSettings(addresses=tuple(map(admin, addresses)), password_file=password_file)
    return Admin(settings, service, lambda: service.commands, reactor, lambda function, pids: succeed({}))


def test_without_addresses_nothing_is_counted() -> None:
    """The hot path has nobody to tell, and the clock nothing to do."""
    service, reactor = Service(), Reactor()
    made = listener(service, reactor)
    made.open()
    made.start()
    assert ([], []) == (service.front.recorders, reactor.getDelayedCalls())
    made.stop()


def test_from_the_start_to_the_end() -> None:
    """It counts from its start; its port goes along in an upgrade by its own name; at the end it is closed."""
    service, reactor = Service(), Reactor()
    made = listener(service, reactor, "127.0.0.1:9180")
    made.open()
    site: Any
    [(number, site, _, interface)] = reactor.tcpServers
    assert (9180, "127.0.0.1") == (number, interface)
    made.start()
    assert 2 == len(service.front.recorders)
    assert {"admin tcp:port=9180:interface=127.0.0.1": 77} == made.handed()
    made.hold_back()
    made.accept()
    assert made.stop().called
    assert ["stopReading", "startReading", "stopListening"] == reactor.opened.said
    assert {} == made.handed()
    assert site.visits == set()
    assert not [call for call in reactor.getDelayedCalls() if "Lag" in str(call)]


def test_the_password_is_read_before_anything_is_open(tmp_path: Path) -> None:
    """What is wrong with it keeps the service from starting."""
    path = tmp_path / "password"
    path.write_text("tiny horse")
    os.chmod(path, 0o600)
    reactor = Reactor()
    with pytest.raises(StartError, match="12 are the least"):
        listener(Service(), reactor, "9180", password_file=str(path)).open()
    assert [] == reactor.tcpServers


def test_a_new_password(tmp_path: Path) -> None:
    """It is taken at a reload, unless it is none; a socket has none then either."""
    path = tmp_path / "password"
    path.write_text("correct horse")
    os.chmod(path, 0o600)
    reactor = Reactor()
    made = listener(Service(), reactor, "9180", password_file=str(path))
    made.open()
    site: Any
    [(_, site, _, _)] = reactor.tcpServers
    guard = site.resource.guard
    assert b"correct horse" == guard.password
    path.write_text("tiny horse")
    made.reload()
    assert b"correct horse" == guard.password
    path.write_text("another horse")
    made.reload()
    assert b"another horse" == guard.password
