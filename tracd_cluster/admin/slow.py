"""The last requests that were slow, for people who look for the reason."""

from __future__ import annotations

from collections import deque
from urllib.parse import unquote

from tracd_cluster.admin.counts import Ended
from tracd_cluster.front.record import LEFT

SLOW = 0.5
"""Seconds in line and at a worker; a client that reads slowly makes no request slow."""
KEPT = 40
LONGEST_PATH = 500


class SlowRequests:
    """The last ``KEPT`` that took longer than ``SLOW``."""

    def __init__(self) -> None:
        self._requests: deque[dict[str, object]] = deque(maxlen=KEPT)

    def tell(self, ended: Ended) -> None:
        """Keep a request if it was slow."""
        head = ended.head
        line, seconds = ended.line_seconds, ended.worker_seconds
        if ended.status == LEFT:
            # Nobody knows how long it would have taken; so long it did.
            line, seconds = (line, ended.total_seconds - line) if ended.worker else (ended.total_seconds, 0.0)
        if head is None or line + seconds < SLOW:
            return
        self._requests.append({
            "at": ended.arrived,
            "method": head.method.decode("latin-1"),
            # Without the query, as everywhere on the page: there may be secrets in it.
            "path": head.path[:LONGEST_PATH].decode("latin-1"),
            "user": unquote(ended.user.decode("latin-1")),
            "status": ended.status,
            "line": line,
            "seconds": seconds,
            "worker": ended.worker,
        })  # fmt: skip

    def latest(self) -> list[dict[str, object]]:
        """Give them as plain values, the latest first."""
        return list(reversed(self._requests))
