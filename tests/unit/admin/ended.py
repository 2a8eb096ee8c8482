"""Records of requests, as the front tells them."""

from __future__ import annotations

from typing import Any

from tracd_cluster.front.head import Head
from tracd_cluster.front.record import Record


def ended(target: bytes = b"/wiki", status: int = 200, method: bytes = b"GET", **more: Any) -> Record:
    """Make one that a worker has answered."""
    record = Record(1000.0, "10.0.0.1", Head(method, "1.1", target, [(b"Host", b"x")]))
    record.status = status
    record.worker = "worker 1"
    for name, value in more.items():
        setattr(record, name, value)
    return record
