"""How late the event loop is: whatever holds it up makes every client wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from tracd_cluster.admin.histogram import LAG_BOUNDS, Histogram

INTERVAL = 0.1
"""Seconds between two looks: some 0.1 ‰ of a processor."""

KEPT = 600
"""Looks of which the page tells: those of the last minute."""


class Lag:
    """Has itself called every ``INTERVAL`` from its start to its stop, and notes how much later that came.

    ``monotonic`` tells the time: the reactor's own may be set by somebody.
    """

    def __init__(self, reactor: Any, monotonic: Callable[[], float]) -> None:
        self.histogram = Histogram(LAG_BOUNDS)
        self._recent: deque[float] = deque(maxlen=KEPT)
        self._reactor = reactor
        self._monotonic = monotonic
        self._due = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look."""
        self._due = self._monotonic() + INTERVAL
        self._call = self._reactor.callLater(INTERVAL, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        late = max(0.0, self._monotonic() - self._due)
        self.histogram.observe(late)
        self._recent.append(late)
        self.start()

    def recent(self) -> dict[str, float]:
        """Give the median, the 99th percentile and the worst of the last minute, in seconds."""
        found = sorted(self._recent)
        if not found:
            return {"p50": 0.0, "p99": 0.0, "max": 0.0}
        last = len(found) - 1
        return {"p50": found[last // 2], "p99": found[last * 99 // 100], "max": found[last]}
