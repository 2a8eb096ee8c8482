"""A real template process under the hand of a test, which plays the front: control link, lanes, output."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.processes import ROOT, kill, wait_until

WAIT = 30.0

Message = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came over a lane for one request."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cookies(self) -> str:
        """The cookies it sets, as a client sends them back."""
        return "; ".join(cookie.split(";")[0] for cookie in self.headers.get_all("Set-Cookie") or ())


class FrontLane:
    """The front's end of a lane."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.settimeout(WAIT)

    def send(self, method: str, target: str, body: bytes = b"", *, user: str = "", **headers: str) -> None:
        """Write a request, just as the front writes it."""
        lines = [
            f"{method} {target} HTTP/1.1",
            "Tracd-Cluster-Server: http trac.example 8000",
            "Tracd-Cluster-Client: 192.0.2.7 51234",
            *([f"Tracd-Cluster-User: {quote(user)}"] if user else []),
            "Host: trac.example:8000",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
            *([f"Content-Length: {len(body)}"] if body else []),
        ]
        self.socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def receive(self, method: str = "GET") -> Answer:
        """Read one answer; what follows it stays on the lane."""
        response = http.client.HTTPResponse(_OneByOne(self.socket), method=method)  # type: ignore[arg-type]
        response.begin()
        return Answer(response.status, response.headers, response.read())

    def get(self, target: str, user: str = "", **headers: str) -> Answer:
        """Ask for a page, or for a file and not only its name."""
        self.send("GET", target, b"", user=user, Tracd_Cluster_No_Files="1", **headers)
        return self.receive()

    def submit(self, form: str, user: str = "", **fields: str) -> Answer:
        """Fill in a form of Trac's as a browser does, with the token that comes with the page."""
        page = self.get(form, user)
        token = page.cookies.partition("trac_form_token=")[2].partition(";")[0]
        body = urlencode({"__FORM_TOKEN": token, **fields}).encode()
        kind = "application/x-www-form-urlencoded"
        self.send("POST", form, body, user=user, Content_Type=kind, Cookie=page.cookies)
        return self.receive("POST")

    def probe(self) -> bool:
        """Ask whether the worker serves."""
        self.socket.sendall(b"OPTIONS * HTTP/1.1\r\n\r\n")
        return self.receive("OPTIONS").status == 204

    def at_end(self) -> bool:
        """Wait for the worker to close its end."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Close it, as a front that goes away."""
        self.socket.close()


class _OneByOne:
    """Lets ``http.client`` read an answer without taking a byte beyond it."""

    closed = False

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def makefile(self, mode: str) -> _OneByOne:
        return self

    def readline(self, limit: int = -1) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) != limit and (byte := self._socket.recv(1)):
            line += byte
        return line

    def read(self, size: int = -1) -> bytes:
        data = b""
        while len(data) != size and (piece := self._socket.recv(size - len(data) if size > 0 else 65536)):
            data += piece
        return data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class ControlledTemplate:
    """A template that was started with these settings; ``output`` holds what it and its workers print."""

    def __init__(
        self,
        output: Path,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.output = output
        self.lanes: list[FrontLane] = []
        self._threads: int = settings.get("threads", 1)
        self._link, theirs = socket.socketpair()
        self._link.settimeout(WAIT)
        self._lines = self._link.makefile("rb")
        self._stream = output.open("ab")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ON_DESCRIPTOR_3, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
                cwd=output.parent,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._send(_configure(settings))

    # -- the control link

    def receive(self) -> Message:
        """Wait for the template's next message; an empty one at its end."""
        line = self._lines.readline()
        return dict(json.loads(line)) if line else {}

    def ready(self) -> Message:
        """Wait until it can fork."""
        message = self.receive()
        assert message.get("type") == "ready", f"{message}\n{self.told}"
        return message

    def failed(self) -> Message:
        """Wait for it to give up, and to exit with status 1."""
        message = self.receive()
        assert message.get("type") == "failed", f"{message}\n{self.told}"
        assert self.process.wait(WAIT) == 1
        return message

    def fork(self, number: int = 1) -> tuple[int, list[FrontLane]]:
        """Ask for a worker, and wait until it is forked; give its process and the lanes to it."""
        pairs = [socket.socketpair() for _ in range(self._threads)]
        self._send(
            {"type": "fork", "worker": number}, *(theirs.fileno() for _, theirs in pairs), self._stream.fileno()
        )
        message = self.receive()
        for _, theirs in pairs:
            theirs.close()
        assert {"type": "forked", "worker": number, "pid": message.get("pid")} == message
        lanes = [FrontLane(ours) for ours, _ in pairs]
        self.lanes += lanes
        return message["pid"], lanes

    def worker(self, number: int = 1) -> FrontLane:
        """Ask for a worker with one lane, and wait until it serves."""
        _, (lane,) = self.fork(number)
        assert lane.probe()
        return lane

    def send_line(self, message: Message, *descriptors: int) -> None:
        """Send any message, right or wrong."""
        self._send(message, *descriptors)

    def quit(self) -> int:
        """Ask it to end; give its exit status."""
        self._send({"type": "quit"})
        return self.process.wait(WAIT)

    def front_dies(self) -> None:
        """Let go of everything, as the kernel does for a front that was killed."""
        for lane in self.lanes:
            lane.close()
        self._lines.close()
        self._link.close()

    def _send(self, message: Message, *descriptors: int) -> None:
        socket.send_fds(self._link, [json.dumps(message).encode() + b"\n"], descriptors)

    # -- from outside

    @property
    def told(self) -> str:
        """What it and its workers have printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def files(self, pid: int | None = None) -> list[str]:
        """Give what a process of it has open, beside the standard three."""
        folder = Path(f"/proc/{pid or self.process.pid}/fd")
        return sorted(os.readlink(fd) for fd in folder.iterdir() if int(fd.name) > 2)

    def end(self) -> None:
        """End it and all of its workers, whatever they are doing."""
        with contextlib.suppress(OSError):
            self.front_dies()
        kill_group(self.process)
        self._stream.close()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(WAIT)
    kill(process.pid)


def gone(pid: int) -> bool:
    """Tell whether a process has ended, whoever has to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(*pids: int, deadline: float = WAIT) -> None:
    """Wait for processes to end."""
    wait_until(lambda: all(gone(pid) for pid in pids), deadline, f"the end of {pids}")


_ON_DESCRIPTOR_3 = """
import os, sys
given = int(sys.argv[1])
if given != 3:
    os.dup2(given, 3)
    os.close(given)
os.execv(sys.executable, [sys.executable, "-m", "tracd_cluster.tracd.template"])
"""
"""Popen can pass a descriptor on, but not under another number."""


def _configure(settings: Mapping[str, Any]) -> Message:
    projects: Message = {"env_paths": [], "env_parent_dir": None, "single_env": False, "base_path": ""}
    configure = {
        "type": "configure",
        "generation": 1,
        "threads": 1,
        "preload": True,
        "freeze": True,
        "remember_locales": True,
        "umask": 0o022,
    }
    projects |= {name: value for name, value in settings.items() if name in projects}
    return {**configure, **{k: v for k, v in settings.items() if k not in projects}, "projects": projects}
