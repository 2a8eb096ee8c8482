"""A pool of servers elsewhere (``--upstream``), as the operator's commands see it: nothing here is ours to start."""

from __future__ import annotations

from typing import Any, Protocol

from tracd_cluster.workers.steps import Desired, Wish
from tracd_cluster.workers.table import Table


class Servers(Protocol):
    """The pool itself."""

    def snapshot(self) -> dict[str, object]: ...

    def new_generation(self) -> None: ...


class Elsewhere:
    """No worker, no generation, and always as ready as it will be."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.desired = Desired(count=0)
        self.table = Table()

    def servers(self) -> list[dict[str, Any]]:
        """Give the servers alone."""
        found: Any = self._servers.snapshot()["servers"]
        return list(found)

    def snapshot(self) -> dict[str, object]:
        """Give the servers as plain values, and that there are no workers."""
        none = {"workers_wanted": 0, "generation_wanted": 1, "stopping": False, "templates": [], "workers": []}
        return {**none, **self._servers.snapshot()}

    def new_generation(self) -> None:
        """Look at the servers anew."""
        self._servers.new_generation()

    def scale(self, count: int) -> None:
        """Refuse; raises ValueError."""
        raise ValueError("the servers are elsewhere: there are no workers here to start or end")

    def wish(self) -> Wish:
        """Give none."""
        return Wish(0, 0, 0)

    def inherit(self, wish: Wish) -> None:
        """Do nothing."""

    def recycle(self, number: int) -> None:
        """Refuse; raises ValueError."""
        self.scale(number)
