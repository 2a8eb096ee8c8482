"""Servers that are not ours, and how they are spoken to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One server elsewhere, or all that a name stands for: one ``--upstream``."""

    scheme: Literal["http", "https"]
    host: str
    """A name, an address, or a name with SRV records."""
    port: int
    srv: bool = False
    """The records name the servers and their ports."""
    base_path: str | None = None
    """The one that it serves; None for the same as ours."""
    weight: float = 1.0
    trusted: bool = False
    """It is told who has signed in."""
    own_host: bool = False
    """It gets its own name as Host."""
    text: str = ""
    """As it was written."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSettings:
    """How servers that are not ours are spoken to."""

    upstreams: tuple[Upstream, ...] = ()
    base_path: str = ""
    """That of the front."""
    passwords: bool = True
    """Authorization is passed on: nobody checks passwords here."""
    health_path: str | None = None
    """None for the base path with a slash."""
    health_host: str = ""
    """The Host of health checks."""
    health_scheme: str = "http"
    """What they say that clients use."""
    health_interval: float = 5.0
    ca_file: str | None = None
    """Whom to believe that an https server is who it says; None for the system's own."""
    connections: int = 16
    """Requests under way at one server."""
    resolver: tuple[str, int] | None = None
    """A name server to ask; None for those of the system."""
