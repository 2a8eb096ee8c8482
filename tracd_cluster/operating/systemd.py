"""What systemd is told (sd_notify(3)): READY, RELOADING, STOPPING, STATUS, WATCHDOG and MAINPID, in one datagram each.

``Herald`` decides what is to be said, and has no socket; ``Notifier`` says it. Neither ever fails: a service does not
end because its manager does not listen.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass

NOTIFY = "NOTIFY_SOCKET"
TAKEN = (NOTIFY, "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""What is for this process and not for its children."""

PINGS = 3
"""Signs of life in one period of the watchdog; sd_notify(3) asks for two."""


@dataclass(frozen=True, slots=True)
class Manager:
    """How the service's manager wants to be told; ``watchdog`` (seconds) is 0 where there is none."""

    address: str
    watchdog: float = 0.0


def take_manager(environment: MutableMapping[str, str], pid: int) -> Manager | None:
    """Take out of the environment what systemd has put there for this process; None if it does not listen."""
    manager = _manager(environment, pid)
    for name in TAKEN:
        environment.pop(name, None)
    return manager


def _manager(environment: Mapping[str, str], pid: int) -> Manager | None:
    address = environment.get(NOTIFY, "")
    if not address.startswith(("/", "@")):
        return None
    watched = environment.get("WATCHDOG_PID", "") in ("", str(pid))
    micros = environment.get("WATCHDOG_USEC", "") if watched else ""
    return Manager(address, int(micros) / 1e6 if micros.isascii() and micros.isdigit() else 0.0)


def variables_of(manager: Manager | None) -> dict[str, str]:
    """Give the environment in which a successor is told of the manager."""
    if manager is None:
        return {}
    watchdog = {"WATCHDOG_USEC": str(round(manager.watchdog * 1e6))} if manager.watchdog else {}
    return {NOTIFY: manager.address, **watchdog}


def reloading() -> list[str]:
    """Give the lines that say that a reload has begun, at this moment of the kernel's clock."""
    return ["RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"]


class Notifier:
    """Sends lines to the manager, for as long as we are its main process."""

    def __init__(self, manager: Manager) -> None:
        self._socket: socket.socket | None = None
        address = manager.address
        with suppress(OSError):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                sock.setblocking(False)
                sock.connect("\0" + address[1:] if address.startswith("@") else address)
            except OSError:
                sock.close()
                raise
            self._socket = sock

    def send(self, lines: list[str]) -> None:
        """Send all lines together; they are lost if nobody reads them."""
        if lines and self._socket is not None:
            with suppress(OSError):
                self._socket.send("\n".join(lines).encode("utf-8", "replace"))

    def close(self) -> None:
        """Say nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True, slots=True)
class Seen:
    """The service at one moment: how many workers are ready, and whether another generation is taking over."""

    ready: int
    status: str
    taking_over: bool = False
    stopping: bool = False


class Herald:
    """Decides what the manager is told, from one look at the service to the next. Times are absolute, in seconds."""

    def __init__(self, watchdog: float = 0.0) -> None:
        self.announced = False
        """READY has been said."""
        self._reloading = False
        self._stopping = False
        self._status = ""
        self._every = watchdog / PINGS
        self._next_ping = 0.0

    def reload_begins(self) -> list[str]:
        """Say that a reload has begun, before anything of it is done."""
        if not self.announced or self._reloading:
            return []
        self._reloading = True
        return reloading()

    def look(self, seen: Seen, now: float) -> list[str]:
        """Give the lines that are due."""
        lines: list[str] = []
        if seen.stopping and not self._stopping:
            self._stopping = True
            lines.append("STOPPING=1")
        elif not self._stopping:
            lines += self._changes(seen)
        if seen.status != self._status:
            self._status = seen.status
            lines.append(f"STATUS={seen.status}")
        # A stop may take as long as the requests that run; their own limits bound it.
        if self._every and self.announced and now >= self._next_ping and (seen.ready or self._stopping):
            self._next_ping = now + self._every
            lines.append("WATCHDOG=1")
        return lines

    def _changes(self, seen: Seen) -> list[str]:
        if not self.announced:
            if not seen.ready:
                return []
            self.announced = True
            return ["READY=1"]
        if seen.taking_over:
            return self.reload_begins()
        if self._reloading:
            self._reloading = False
            return ["READY=1"]
        return []
