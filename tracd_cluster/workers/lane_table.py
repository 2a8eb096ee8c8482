"""The lanes of all workers: whose each one is, and what was under way on those that were lost.

Lifetime. A worker's lanes are here from its fork until they are withdrawn for good and closed: when it is terminated,
when one of them is lost, or when its exit is seen. Whose they were stays known until ``forget``, for the request that
was under way on a lost lane tells of itself after the lane does.
"""

from __future__ import annotations

from tracd_cluster.balancer import Balancer, Lane
from tracd_cluster.workers.lanes import WorkerLanes
from tracd_cluster.workers.worker import Worker, WorkerKey


class LaneTable:
    """Lanes by worker, and workers by lane."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._open: dict[WorkerKey, WorkerLanes] = {}
        self._owners: dict[Lane, WorkerKey] = {}
        self._victims: dict[WorkerKey, list[str]] = {}

    def __contains__(self, key: WorkerKey) -> bool:
        return key in self._open

    def put(self, key: WorkerKey, lanes: WorkerLanes) -> None:
        """Take the lanes of a worker that is being forked."""
        self._open[key] = lanes
        for lane in lanes.lanes:
            lane.generation = key[1]
        self._owners |= dict.fromkeys(lanes.lanes, key)

    def get(self, key: WorkerKey) -> WorkerLanes | None:
        """Give the lanes of a worker; None once they are closed."""
        return self._open.get(key)

    def owner(self, lane: Lane) -> WorkerKey | None:
        """Tell whose a lane is, or was."""
        return self._owners.get(lane)

    def served(self) -> dict[WorkerKey, int]:
        """Give how many exchanges have ended well on the open lanes."""
        return {key: lanes.served for key, lanes in self._open.items()}

    def open(self) -> dict[WorkerKey, WorkerLanes]:
        """Give the open lanes of each worker."""
        return dict(self._open)

    def drop(self, worker: Worker) -> None:
        """Withdraw and close a worker's lanes; what ran on them is lost, and counts as served (Note [Strikes])."""
        if (lanes := self._open.pop(worker.key, None)) is not None:
            worker.served = lanes.served + lanes.withdraw(self._balancer) + worker.in_flight
            worker.in_flight = 0
            lanes.close()

    def request_lost(self, lane: Lane, what: str) -> None:
        """Note that a request had reached a worker and was lost with it."""
        if (key := self._owners.get(lane)) is not None:
            self._victims.setdefault(key, []).append(what)

    def forget(self, key: WorkerKey) -> list[str]:
        """Forget a worker that has exited; give what was lost with it."""
        self._owners = {lane: owner for lane, owner in self._owners.items() if owner != key}
        return self._victims.pop(key, [])
