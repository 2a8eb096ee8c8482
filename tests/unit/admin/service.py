"""A service that is not there: a front without ports, and a pool on paper."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import succeed

from tests.unit.front.wire import make_front
from tests.unit.workers.pool import Pool
from tracd_cluster.admin.counts import Counts
from tracd_cluster.admin.lag import Lag
from tracd_cluster.admin.memory import Memory
from tracd_cluster.admin.slow import SlowRequests
from tracd_cluster.operating.commands import Commands
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.workers.supervisor import Supervisor


class Service:
    """All that the admin room looks at, with what it counts of it; two workers are ready."""

    def __init__(self, elsewhere: Elsewhere | None = None) -> None:
        self.front, self.clock = make_front()
        self.paper = Pool([])
        self.paper.run()
        self.front.balancer = self.balancer = self.paper.balancer
        self.pool: Supervisor | Elsewhere = elsewhere or self.paper.supervisor
        self.counts, self.slow = Counts(), SlowRequests()
        self.lag = Lag(self.clock, self.clock.seconds)
        self.memory = Memory(self.clock, lambda function, pids: succeed(dict.fromkeys(pids, 1 << 20)), lambda: [101])
        self.memory.refresh()
        self.stopped = 0
        self.commands = Commands(self, self.stop, lambda: "not now", lambda: 5.0)

    def reload(self) -> list[str]:
        """Take nothing."""
        return ["Nothing has changed"]

    def stop(self) -> None:
        """Note that somebody wants it."""
        self.stopped += 1

    def work(self, path: str) -> None:
        """Have a worker at a request of somebody with an odd name."""
        lane: Any = self.paper.lanes[0]
        lane.work = ("GET", path, "j%C3%B6rg", 998.0)


def slow_route(service: Service) -> None:
    """Have the service learn that /gantt is slow."""
    for _ in range(30):
        service.front.policies.took(b"/project/wiki", 0.01)
        service.front.policies.took(b"/project/gantt", 2.0)
    service.front.policies.tick(service.clock.seconds() + 10.0)


class Servers:
    """Servers elsewhere: one is used, the other one is not."""

    def snapshot(self) -> dict[str, object]:
        def server(name: str, used: bool) -> dict[str, object]:
            fault = "" if used else "it is out"
            return {"server": name, "used": used, "fault": fault, "in_flight": 3, "share": 16, "times_out": 0}

        return {"servers": [server("http://a", True), server("http://b", False)]}

    def new_generation(self) -> None:
        """Look anew."""
