"""The template's end of the control link: a line of JSON per message, file descriptors attached.

In: ``configure`` (the first line, once), ``fork`` (with the descriptors of the new worker), ``quit``.
Out: ``ready``, ``failed``, ``forked``, ``exited``, ``fork-failed``.
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tracd_cluster.settings.pool import ProjectSettings

Message = dict[str, Any]

DESCRIPTORS_AT_ONCE = 253
"""Linux sends at most so many with one message (SCM_MAX_FD)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the front tells a template at its start."""

    generation: int
    projects: ProjectSettings
    threads: int = 1
    preload: bool = True
    freeze: bool = True
    remember_locales: bool = True
    compress_pages: bool = False
    visitor_secret: str = field(default="", repr=False)
    """Signs the notes of visitors who may not come back, in hexadecimal; empty to store them all."""
    umask: int = 0o022
    https: bool = False
    application: str | None = None
    """``module:callable`` of any WSGI application, served in place of Trac."""


def parse_configure(message: Message) -> Configuration:
    """Read a ``configure`` message. Raises ValueError that says what is wrong with it."""
    if message.get("type") != "configure":
        raise ValueError(f"the first message must be configure, not {message.get('type')!r}")
    fields = {name: message[name] for name in Configuration.__dataclass_fields__ if name in message}
    try:
        projects = dict(fields.pop("projects", {}))
        projects["env_paths"] = tuple(projects.get("env_paths", ()))
        configuration = Configuration(projects=ProjectSettings(**projects), **fields)
    except TypeError as error:
        raise ValueError(f"configure does not fit: {error}") from None
    if configuration.threads < 1:
        raise ValueError(f"threads must be 1 or more, not {configuration.threads!r}")
    if configuration.application is None and not (projects["env_paths"] or configuration.projects.env_parent_dir):
        raise ValueError("configure names no environment")
    return configuration


class Incoming:
    """Bytes and descriptors in, whole messages out; a ``fork`` takes its descriptors in the order they came."""

    def __init__(self, per_fork: int) -> None:
        self._per_fork = per_fork
        self._lines: deque[bytes] = deque()
        self._unfinished = b""
        self._descriptors: deque[int] = deque()

    def feed(self, data: bytes, descriptors: list[int]) -> None:
        """Add what was received at once."""
        self._descriptors.extend(descriptors)
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self._lines.extend(lines)

    def take(self) -> tuple[Message, list[int]] | None:
        """Give the next message that is complete, with its descriptors."""
        if not self._lines:
            return None
        message = json.loads(self._lines.popleft())
        count = self._per_fork if message.get("type") == "fork" else 0
        return message, [self._descriptors.popleft() for _ in range(min(count, len(self._descriptors)))]

    def take_waiting(self) -> list[int]:
        """Give up the descriptors that no message has taken yet."""
        waiting = list(self._descriptors)
        self._descriptors.clear()
        return waiting


class ControlLink:
    """The socket to the front."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        # A command that a plugin starts must not hold the link open when the template has died.
        self._socket.set_inheritable(False)
        self._incoming = Incoming(0)

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._socket.fileno()

    def receive_first(self) -> Message | None:
        """Wait for the first line, and take not one byte more: a template that starts itself anew reads on there."""
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = self._socket.recv(1)
            if not byte:
                return None
            line += byte
        return dict(json.loads(line))

    def expect_forks(self, descriptors: int) -> None:
        """Say how many descriptors each ``fork`` brings."""
        self._incoming = Incoming(descriptors)

    def receive(self) -> bool:
        """Receive what is there, for ``take``; False when the front has gone."""
        fds = array.array("i")
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(
                64 * 1024, socket.CMSG_SPACE(DESCRIPTORS_AT_ONCE * fds.itemsize), flags
            )
        except OSError:
            return False
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        for fd in fds:
            os.set_inheritable(fd, False)
        self._incoming.feed(data, list(fds))
        return bool(data)

    def take(self) -> tuple[Message, list[int]] | None:
        """Give the next message that is complete, with its descriptors."""
        return self._incoming.take()

    def send(self, **message: Any) -> None:
        """Send a message. A front that has gone is not noticed here but by the next ``receive``."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def front_has_gone(self) -> bool:
        """Look, without taking anything, whether the other end is closed."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def keep_over_exec(self) -> None:
        """Let the link survive ``os.execv``."""
        self._socket.set_inheritable(True)

    def close(self) -> None:
        """Close it, with the descriptors for workers to come: whoever keeps a lane open hides its end."""
        for fd in self._incoming.take_waiting():
            os.close(fd)
        self._socket.close()
