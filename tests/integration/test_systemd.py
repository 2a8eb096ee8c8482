"""What systemd gives and is told, with a datagram socket in systemd's place."""

from __future__ import annotations

import re
import signal
import socket
import stat
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from time import CLOCK_MONOTONIC, clock_gettime_ns, monotonic

import psutil
import pytest

from tests.integration.daemon import PROGRAM, running
from tests.processes import wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")

ACTIVATED = (
    sys.executable,
    "-c",
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n",
)
"""Starts a program as systemd does, with a socket as its descriptor 3."""


class Manager:
    """Stands for systemd: keeps what it is told, in order."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def look(self) -> list[dict[str, str]]:
        """Give all that has been said."""
        while True:
            try:
                data = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self.said
            self.said.append(dict(line.split("=", 1) for line in data.split("\n")))

    def wait_for(self, deadline: float = 20.0, **what: str) -> dict[str, str]:
        """Wait for a message with these lines and give it; forget it, and all before it."""

        def found() -> dict[str, str] | None:
            for place, message in enumerate(self.look()):
                if what.items() <= message.items():
                    del self.said[: place + 1]
                    return message
            return None

        return wait_until(found, deadline, f"{what} among {self.said}") or {}

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture(params=["path", pytest.param("abstract", marks=pytest.mark.needs("Linux"))])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager at a path, or at a name that is in no folder."""
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@tracd-cluster-{uuid.uuid4()}")
    yield manager
    manager.close()


def test_what_systemd_is_told(manager: Manager, tmp_path: Path) -> None:
    """READY once a worker serves, RELOADING with the time, STOPPING, a status, and signs of life."""
    variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1500000"}
    how = {"environment": variables, "daemonize": False}
    with running(tmp_path, *APPLICATION, "--workers", "1", "--drain-delay", "0.5", **how) as service:
        ready = manager.wait_for(READY="1")
        assert "1 of 1 workers ready, generation 1" == ready["STATUS"]
        manager.wait_for(WATCHDOG="1")
        manager.wait_for(WATCHDOG="1", deadline=1.5)
        before = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
        assert 0 == service.ctl("reload").returncode
        reloading = manager.wait_for(RELOADING="1")
        assert before <= int(reloading["MONOTONIC_USEC"]) <= clock_gettime_ns(CLOCK_MONOTONIC) // 1000
        assert "READY" in manager.wait_for(READY="1")
        (template,) = psutil.Process(service.tree.pid).children()
        inherited = template.environ()
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(inherited)
        # Nobody serves while the template stands still and its only worker has gone: then there is no sign of life.
        template.suspend()
        template.children()[0].kill()
        wait_until(lambda: "0 of 1" in str(manager.look()[-1:]), 10, "the end of the worker in the status")
        quiet_from = monotonic()
        manager.said.clear()
        wait_until(lambda: monotonic() > quiet_from + 1.2, 5)
        assert [] == [message for message in manager.look() if "WATCHDOG" in message]
        template.resume()
        manager.wait_for(WATCHDOG="1")
        service.tree.signal(signal.SIGTERM)
        stopping = manager.wait_for(STOPPING="1")
        assert "stopping" == stopping["STATUS"]
        assert b"hello\n" == service.get("/")
        service.tree.wait(20)


def test_an_upgrade_moves_the_main_process(manager: Manager, tmp_path: Path) -> None:
    """In the foreground too: MAINPID first, from the old one, then READY from the new one, and nothing of an end."""
    how = {"environment": {"NOTIFY_SOCKET": manager.address}, "daemonize": False}
    with running(tmp_path, *APPLICATION, "--workers", "1", **how) as service:
        manager.wait_for(READY="1")
        old = service.tree.pid
        done = service.ctl("upgrade")
        assert 0 == done.returncode, done.stderr
        moved = manager.wait_for(MAINPID=re.search(r"\d+", done.stdout)[0])  # type: ignore[index]
        manager.wait_for(READY="1")
        assert 0 == service.tree.wait(20)
        assert [] == [message for message in manager.look() if "STOPPING" in message]
        new = int(moved["MAINPID"])
        assert new != old
        assert b"hello\n" == service.get("/")
        assert new == service.report()["pid"]
        second = service.ctl("upgrade")
        assert 0 == second.returncode, second.stderr
        manager.wait_for(READY="1")
        service.stop()
        manager.wait_for(STOPPING="1")


@pytest.mark.parametrize("listen", [(), ("--listen", "systemd:domain=INET:name=web")])
def test_socket_activation(listen: tuple[str, ...], tmp_path: Path) -> None:
    """Systemd's socket is served, outlives service and upgrade, and who comes in the pause is served after it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        program = (*ACTIVATED, str(sock.fileno()), *PROGRAM)
        how = {"program": program, "port": port, "pass_fds": [sock.fileno()]}
        with running(tmp_path, *APPLICATION, "--workers", "1", *listen, **how) as service:
            assert b"hello\n" == service.get("/")
            done = service.wait_until_ready(1).ctl("upgrade")
            assert 0 == done.returncode, done.stderr
            assert b"hello\n" == service.get("/")
            service.stop()
        with socket.create_connection(("127.0.0.1", port), timeout=20) as early:
            early.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with running(tmp_path, *APPLICATION, "--workers", "1", *listen, **how) as service:
                assert early.recv(100).startswith(b"HTTP/1.1 200")
                service.wait_until_ready(1).stop()


def test_a_unix_socket_of_systemds_keeps_its_mode(tmp_path: Path) -> None:
    """Whom systemd lets in is whom we let in; and the path stays systemd's."""
    path = tmp_path / "web"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        path.chmod(0o600)
        how = {"program": (*ACTIVATED, str(sock.fileno()), *PROGRAM), "port": 1, "pass_fds": [sock.fileno()]}
        with running(tmp_path, *APPLICATION, "--workers", "1", **how) as service:
            service.wait_until_ready(1)
            assert 0o600 == stat.S_IMODE(path.stat().st_mode)
            service.stop()
    assert path.exists()
