"""Where operators look at the service and steer it, and what is told to whoever asks whether it lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAddress:
    """One ``--admin``."""

    reach: Literal["socket", "loopback", "network"]
    """Who can connect: those whom a socket's mode lets in, all users of this host, or other hosts too."""
    endpoint: str
    """Twisted's description of it."""
    host: str = ""
    """The name or address that was written, in lower case and without brackets; empty for a socket."""
    path: str = ""
    """Of a socket."""
    open: bool = False
    """Metrics are told to everybody who reaches it, without a password and under any name."""
    text: str = ""
    """As it was written."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """The admin listener, and health for those who come by the public ports."""

    addresses: tuple[AdminAddress, ...] = ()
    password_file: str | None = None
    """Absolute path; its first line is what opens the ports among the addresses."""
    public_health: bool = False
    """``/-/healthz`` and ``/-/readyz`` are answered on the public ports too."""
