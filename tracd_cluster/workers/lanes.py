"""The lanes of one worker: made for its fork, probed, put to use and withdrawn together.

Our own workers' are socket pairs; those to a command lead to a port that is kept free for it until its start.

Lifetime. The front's ends become lanes at once, for a probe may wait until the worker is there to read it; ``theirs``
go to the template with the fork, which closes them here. ``close`` ends all of them, and does not make ``lost`` be
called.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from tracd_cluster.balancer import Balancer, Lane
from tracd_cluster.errors import NobodyServing


class WorkerLane(Lane, Protocol):
    """A lane that counts its exchanges."""

    @property
    def served(self) -> int:
        """How many exchanges ended well."""

    def asked(self) -> tuple[str, str, str, float] | None:
        """Say what the worker is asked at present: method, path, user, and since when; None while it is idle."""


Lost = Callable[[Lane, str], None]
"""Called once with a lane that was closed by anyone but the supervisor, and why."""

OpenLane = Callable[[socket.socket, str, Lost], WorkerLane]
"""Makes a lane of the front's end of a socket pair, for the worker of this name."""

OpenLaneTo = Callable[[int, str, Lost], WorkerLane]
"""Makes a lane to a port of this host's."""

LOOPBACK = "127.0.0.1"


class WorkerLanes:
    """All lanes of one worker; those of a worker are lost together."""

    def __init__(self) -> None:
        self.lanes: list[WorkerLane] = []
        self.theirs: list[socket.socket] = []
        self._answers = 0

    def abandon(self) -> None:
        """Close everything, for not all could be made."""
        for end in self.theirs:
            end.close()
        self.close()

    @property
    def answered(self) -> bool:
        """Whether every lane has answered its probe."""
        return self._answers == len(self.lanes)

    @property
    def served(self) -> int:
        """How many exchanges ended well on all of them."""
        return sum(lane.served for lane in self.lanes)

    def asked(self) -> list[tuple[str, str, str, float]]:
        """Say what the worker is asked at present, on each lane that carries an exchange."""
        return [asked for lane in self.lanes if (asked := lane.asked()) is not None]

    def probe(self, answered: Callable[[], None]) -> None:
        """Ask on every lane whether the worker serves; ``answered`` is called when all have said so."""

        def one_answered() -> None:
            self._answers += 1
            if self.answered:
                answered()

        for lane in list(self.lanes):
            lane.probe(one_answered)

    def withdraw(self, balancer: Balancer) -> int:
        """Let no new exchange on any of them; give the number that carry one now."""
        return sum(1 for lane in self.lanes if balancer.withdraw(lane))

    def close(self) -> None:
        """Close all of them; they must have been withdrawn, or the others would get what one loses."""
        for lane in self.lanes:
            lane.close()


def expect_or_refuse(balancer: Balancer, nobody: bool, stopping: bool) -> None:
    """Have requests refused while nobody serves nor will soon, and lined up otherwise."""
    if nobody and balancer.nobody is None:
        why = "the server is stopping" if stopping else "no worker can be started at the moment"
        balancer.refuse_all(NobodyServing(why))
    elif not nobody and balancer.nobody is not None:
        balancer.expect()


OpenLanes = Callable[[int, str, Lost], WorkerLanes]
"""Makes so many lanes of the worker of this name; raises OSError when the system has no more to give."""


def open_pairs(open_lane: OpenLane, count: int, name: str, lost: Lost) -> WorkerLanes:
    """Make lanes of socket pairs, for one of our own workers."""
    lanes = WorkerLanes()
    try:
        for _ in range(count):
            ours, theirs = socket.socketpair()
            lanes.theirs.append(theirs)
            lanes.lanes.append(open_lane(ours, name, lost))
    except OSError:
        lanes.abandon()
        raise
    return lanes


def open_to_port(open_lane: OpenLaneTo, count: int, name: str, lost: Lost) -> WorkerLanes:
    """Keep a port free, and make lanes to whoever will listen there."""
    lanes = WorkerLanes()
    try:
        keeper = socket.socket()
        lanes.theirs.append(keeper)
        keeper.bind((LOOPBACK, 0))
        port: int = keeper.getsockname()[1]
        lanes.lanes.extend(open_lane(port, name, lost) for _ in range(count))
    except OSError:
        lanes.abandon()
        raise
    return lanes
