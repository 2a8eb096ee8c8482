"""Servers that are not ours, for the front to stand before: stock tracd, gunicorn, and small ones with names.

The plugin for Trac is found as if tracd-cluster were installed: by an entry point on Python's path.
"""

from __future__ import annotations

import configparser
import contextlib
import http.client
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.processes import ROOT, ProcessTree, free_port, wait_until

BIN = Path(sys.executable).parent
QUIET = {"PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"}


def with_plugin(folder: Path) -> dict[str, str]:
    """Give the variables with which Python finds the plugin's entry point."""
    distribution = folder / "path" / "trac_remote_user_here-1.dist-info"
    distribution.mkdir(parents=True, exist_ok=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: trac-remote-user-here\nVersion: 1\n")
    name = "tracd_cluster.trac_remote_user"
    (distribution / "entry_points.txt").write_text(f"[trac.plugins]\n{name} = {name}\n")
    return {**QUIET, "PYTHONPATH": f"{ROOT}:{distribution.parent}"}


def obey_remote_user(env: Path) -> None:
    """Enable the plugin in an environment, as an operator does."""
    path = env / "conf" / "trac.ini"
    ini = configparser.RawConfigParser(interpolation=None, strict=False)
    ini.optionxform = str  # type: ignore[assignment, method-assign]
    ini.read(path, encoding="utf-8")
    for section, key, value in (
        ("components", "tracd_cluster.trac_remote_user.*", "enabled"),
        ("trac", "obey_remote_user_header", "true"),
    ):
        if not ini.has_section(section):
            ini.add_section(section)
        ini.set(section, key, value)
    with path.open("w", encoding="utf-8") as file:
        ini.write(file)


class ForeignServer:
    """One HTTP server in a process of its own, on a port that stays the same when it is started again."""

    def __init__(self, folder: Path, *argv: str, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self._argv = [str(BIN / argv[0]), *(word.format(port=self.port) for word in argv[1:])]
        self._output = folder / f"{argv[0]}-{self.port}.log"
        self._environment = {**QUIET, **(environment or {})}
        self.tree = self._start()

    def _start(self) -> ProcessTree:
        return ProcessTree(self._argv, self._output, self._environment)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self, path: str = "/") -> ForeignServer:
        """Wait until it answers well."""

        def serving() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", path)
                return connection.getresponse().status < 500
            except (OSError, http.client.HTTPException):
                return False
            finally:
                connection.close()

        wait_until(serving, 30, f"the first answer of {self._argv[0]}")
        return self

    def kill(self) -> None:
        """End it at once."""
        self.tree.kill()

    def again(self) -> None:
        """Start it anew."""
        self.tree = self._start()


def tracd(folder: Path, env: Path, *options: str, environment: Mapping[str, str] | None = None) -> ForeignServer:
    """Start stock tracd."""
    argv = ("tracd", "-s", "-p", "{port}", "-b", "127.0.0.1", *options, str(env))
    return ForeignServer(folder, *argv, environment=environment)


def gunicorn(folder: Path, env: Path, base_path: str, environment: Mapping[str, str]) -> ForeignServer:
    """Start gunicorn with Trac's WSGI application."""
    variables = {**environment, "TRAC_ENV": str(env), "SCRIPT_NAME": base_path}
    argv = ("gunicorn", "-b", "127.0.0.1:{port}", "-w", "2", "trac.web.main:dispatch_request")
    return ForeignServer(folder, *argv, environment=variables)


class Teller(ThreadingHTTPServer):
    """A server in this process that answers with its own name, and counts what comes."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, name: str, address: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__((address, port), _TellerHandler)
        self.name = name
        self.accepted = 0
        self.asked: list[str] = []
        self.fields: list[dict[str, str]] = []
        self.status = 200
        self.more: list[tuple[str, str]] = []
        """More header fields of its answers."""
        self._open: set[Any] = set()
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.server_address[1])

    def get_request(self) -> Any:
        """Count a connection."""
        found = super().get_request()
        self.accepted += 1
        self._open.add(found[0])
        return found

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave."""

    def close(self) -> None:
        """End it, and its connections, as the kernel does with those of a process."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _TellerHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        assert isinstance(self.server, Teller)
        if self.path != "/":
            self.server.asked.append(self.path)
            self.server.fields.append(dict(self.headers))
        body = self.server.name.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in self.server.more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
