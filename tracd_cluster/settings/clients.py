"""What one client may have of the server."""

from __future__ import annotations

from dataclasses import dataclass

from tracd_cluster.settings.front import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Limits for each address; people who have signed in are held to none of them."""

    client_requests: int = 20
    """Requests of one address that may be in line or with a worker at once; 0 for any number.

    A browser that meets the site for the first time asks for six files at once.
    """
    client_rate: float = 10.0
    """Requests a second of one address that need a worker, in the long run; 0 for any number."""
    client_burst: int = 100
    """How many of them may come at once after a pause: somebody opens all tickets of a report in tabs."""
    max_connections: int = 10_000
    """Connections of all clients together; fewer where the system has no room for so many (front/budget.py)."""
    client_connections: int = 500
    """Connections of one address; 0 for any number. A browser has six, and an office may have one address."""
    client_allow: tuple[Network, ...] = ()
    """Whose requests and connections are not counted."""
