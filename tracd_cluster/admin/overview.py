"""What the status page is told: the report of ``ctl status``, and what only whoever looks for longer wants to know."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from tracd_cluster.admin.counts import Counts
from tracd_cluster.admin.lag import Lag
from tracd_cluster.admin.memory import Memory
from tracd_cluster.admin.metrics import Watched
from tracd_cluster.admin.slow import SlowRequests
from tracd_cluster.operating.commands import Commands
from tracd_cluster.traffic.place import Level
from tracd_cluster.workers.supervisor import Supervisor


class Overview:
    """Makes it, each time anew; all of it is plain values."""

    def __init__(
        self, service: Watched, commands: Commands, counts: Counts, slow: SlowRequests, lag: Lag, memory: Memory
    ) -> None:
        self._service = service
        self._commands = commands
        self._counts = counts
        self._slow = slow
        self._lag = lag
        self._memory = memory

    def of(self, now: float) -> dict[str, Any]:
        """Give everything as it is now."""
        service = self._service
        balancer, pool = service.balancer, service.pool
        report = self._commands.report(self._memory.of)
        asked = [worker for worker in report["workers"] if worker["asked"]]
        for one in (one for worker in asked for one in worker["asked"]):
            one["user"] = unquote(one["user"])
        return {
            "now": now,
            **report,
            "here": isinstance(pool, Supervisor),
            "busy": len(asked),
            "line": {"waiting": balancer.waiting, "waited": balancer.waited(now), "limit": balancer.limit},
            "classes": self._classes(),
            "requests": self._counts.by_status(),
            "refused": dict(service.front.refused),
            "refused_connections": {reason: n for reason, n in service.front.refused_connections.items() if n},
            "sent": self._counts.sent,
            "received": self._counts.received,
            "spool": {"used": service.front.spool.used, "limit": service.front.spool.limit},
            "restarts": pool.chronicle.ended if isinstance(pool, Supervisor) else {},
            "generations": pool.table.generations,
            "logins": service.front.gate.logins if service.front.gate is not None else None,
            "lag": self._lag.recent(),
            "slow": self._slow.latest(),
            "policies": service.front.policies.told(),
            "learned": [asdict(slow) for slow in service.front.policies.learned()],
            "certificates": self._certificates(),
        }

    def _classes(self) -> list[dict[str, object]]:
        counts, balancer = self._counts, self._service.balancer
        found: list[dict[str, object]] = []
        for level in Level:
            line = counts.line_of[level]
            served = sum(line.counts)
            found.append({
                "class": level.word,
                "waiting": balancer.waiting_of(level),
                "closed": level.word in balancer.shedding.closed,
                "slow_closed": f"slow {level.word}" in balancer.shedding.closed,
                "served": served,
                "refused": counts.refused_of[level],
                "seconds": line.total / served if served else 0.0,
            })  # fmt: skip
        return found

    def _certificates(self) -> list[dict[str, object]]:
        contexts = self._service.front.contexts
        if contexts is None:
            return []
        return [
            {"names": each.names, "path": each.pair.certificate, "not_after": each.not_after}
            for each in contexts.keyring.certificates
        ]
