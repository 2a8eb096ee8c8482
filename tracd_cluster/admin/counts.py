"""What has become of all requests: counted at the end of each, in plain numbers, for whoever asks later.

On the hot path: one call for each request that counts. What Prometheus wants is made of it when it asks
(metrics.py).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

from tracd_cluster.admin.histogram import REQUEST_BOUNDS, Histogram
from tracd_cluster.admin.kinds import KINDS, kind_of
from tracd_cluster.traffic.place import Level, Place

REFUSED = (429, 503)
"""The statuses of those who wanted a worker and got none."""


class Head(Protocol):
    """What is looked at of its head."""

    @property
    def method(self) -> bytes: ...

    @property
    def path(self) -> bytes: ...

    @property
    def target(self) -> bytes: ...


class Ended(Protocol):
    """A request that has ended, and its answer (front/record.py). Times are seconds, sizes are bytes."""

    @property
    def head(self) -> Head | None: ...

    @property
    def arrived(self) -> float: ...

    @property
    def user(self) -> bytes: ...

    @property
    def place(self) -> Place | None:
        """Where it stood in line; None if it needed no worker."""

    @property
    def status(self) -> int: ...

    @property
    def worker(self) -> str: ...

    @property
    def sent(self) -> int: ...

    @property
    def received(self) -> int: ...

    @property
    def line_seconds(self) -> float: ...

    @property
    def worker_seconds(self) -> float:
        """Zero if the client left before the end."""

    @property
    def total_seconds(self) -> float: ...


class Counts:
    """The numbers. ``requests`` has them by kind and the first digit of the status."""

    def __init__(self) -> None:
        self.requests = {(kind, digit): 0 for kind in KINDS for digit in range(10)}
        self.line = Histogram(REQUEST_BOUNDS)
        """Time in line of those that got a worker."""
        self.worker = {kind: Histogram(REQUEST_BOUNDS) for kind in KINDS}
        self.line_of = [Histogram(REQUEST_BOUNDS) for _ in Level]
        """The same for each class."""
        self.refused_of = [0 for _ in Level]
        """How many of each class were refused a worker."""
        self.sent = 0
        self.received = 0

    def tell(self, ended: Ended) -> None:
        """Count one request."""
        head = ended.head
        kind = kind_of(head.target) if head is not None else "other"
        self.requests[kind, ended.status // 100] += 1
        self.sent += ended.sent
        self.received += ended.received
        if ended.worker:
            # As Histogram.observe, without the calls.
            seconds, histogram = ended.line_seconds, self.line
            slot = bisect_left(REQUEST_BOUNDS, seconds)
            histogram.counts[slot] += 1
            histogram.total += seconds
            if ended.place is not None:
                histogram = self.line_of[ended.place.level]
                histogram.counts[slot] += 1
                histogram.total += seconds
            seconds, histogram = ended.worker_seconds or ended.total_seconds - seconds, self.worker[kind]
            histogram.counts[bisect_left(REQUEST_BOUNDS, seconds)] += 1
            histogram.total += seconds
        elif ended.place is not None and ended.status in REFUSED:
            self.refused_of[ended.place.level] += 1

    def by_status(self) -> dict[str, int]:
        """Give how many there were of each class of status."""
        found: dict[str, int] = {}
        for (_, digit), count in self.requests.items():
            if count:
                found[f"{digit}xx"] = found.get(f"{digit}xx", 0) + count
        return found
