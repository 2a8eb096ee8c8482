"""When a worker has served enough and is to be replaced by a fresh one: a pure function of what is known of it.

Note [Jitter]. Workers that were forked together would come due together. So each takes off up to a fifth of the limit,
by its process number times the golden ratio: numbers that follow each other give parts that lie far apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracd_cluster.workers.worker import Worker

JITTER = 0.2
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True, kw_only=True)
class WearLimits:
    """What the options say; None where there is no limit. Memory is in bytes, the lifetime in seconds."""

    requests: int | None = None
    memory: int | None = None
    lifetime: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is any limit."""
        return self.requests is not None or self.memory is not None or self.lifetime is not None


def why_due(limits: WearLimits, worker: Worker, served: int, memory: int | None, now: float) -> str:
    """Say why a ready worker is to be replaced; empty if it may stay. ``memory`` is None where it is not known."""
    part = 1.0 - JITTER * ((worker.pid or 0) * GOLDEN % 1.0)
    if limits.requests is not None and served >= max(1.0, limits.requests * part):
        return f"it has served {served} requests"
    age = now - (worker.ready_at if worker.ready_at is not None else now)
    if limits.lifetime is not None and age >= limits.lifetime * part:
        return f"it has served for {age:.0f} s"
    # One that has served nothing is as small as any that would follow.
    if limits.memory is not None and memory is not None and memory > limits.memory and served:
        return f"its memory has grown to {memory / (1 << 20):.0f} MB"
    return ""
