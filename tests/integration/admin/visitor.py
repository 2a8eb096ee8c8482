"""Whoever comes to an admin address: by a port or a Unix socket, with a password or without."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

PASSWORD = "correct horse battery"


class SocketConnection(http.client.HTTPConnection):
    """A connection by a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


class Visitor:
    """Asks one admin address, each time on a connection of its own."""

    def __init__(self, where: int | Path, password: str | None = None) -> None:
        self.where = where
        self.password = password

    def connection(self) -> http.client.HTTPConnection:
        """Make a connection."""
        if isinstance(self.where, int):
            return http.client.HTTPConnection("127.0.0.1", self.where, timeout=30)
        return SocketConnection(self.where)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Give status, fields and body of an answer; an underscore in a field's name stands for a hyphen."""
        if self.password is not None:
            headers.setdefault("Authorization", basic(self.password))
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def status(self) -> dict[str, Any]:
        """Give what the page is told."""
        status, _, body = self.ask("/-/status.json")
        assert 200 == status, body
        found: dict[str, Any] = json.loads(body)
        return found

    def do(self, what: dict[str, Any], **headers: str) -> tuple[int, str]:
        """Press a button; give the status and what was said."""
        headers.setdefault("X_Tracd_Cluster_Token", self.status()["token"])
        status, fields, body = self.ask("/-/do", "POST", json.dumps(what).encode(), **headers)
        if fields["content-type"] == "application/json":
            return status, json.loads(body)["say"]
        return status, body.decode().strip()

    def metrics(self) -> str:
        """Give the metrics."""
        status, fields, body = self.ask("/-/metrics")
        assert 200 == status, body
        assert fields["content-type"].startswith("text/plain; version=")
        return body.decode()

    def metric(self, sample: str) -> float:
        """Give the value of one sample, by its name with its labels in their order."""
        for line in self.metrics().splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        raise AssertionError(f"there is no {sample}")


def basic(password: str, user: str = "operator") -> str:
    """Write a password as browsers send it."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def password_file(folder: Path, password: str = PASSWORD) -> Path:
    """Write a file that only its owner reads."""
    path = folder / "admin.password"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{password}\n")
    return path
