"""The lanes of one worker: socket pairs made for its fork, probed, put to use and withdrawn together.

Lifetime. ``ours`` become lanes at once, for a probe may wait in the socket until the worker is there to read it;
``theirs`` go to the template with the fork, which closes them here. ``close`` ends all of them, and does not make
``lost`` be called.
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


Lost = Callable[[Lane, str], None]
"""Called once with a lane that was closed by anyone but the supervisor, and why."""

OpenLane = Callable[[socket.socket, str, Lost], WorkerLane]
"""Makes a lane of the front's end of a socket pair, for the worker of this name."""


class WorkerLanes:
    """All lanes of one worker; those of a worker are lost together."""

    def __init__(self, count: int, name: str, open_lane: OpenLane, lost: Lost) -> None:
        self.lanes: list[WorkerLane] = []
        self.theirs: list[socket.socket] = []
        self._unanswered = count
        try:
            for _ in range(count):
                ours, theirs = socket.socketpair()
                self.theirs.append(theirs)
                self.lanes.append(open_lane(ours, name, lost))
        except OSError:
            for end in self.theirs:
                end.close()
            self.close()
            raise

    @property
    def answered(self) -> bool:
        """Whether every lane has answered its probe."""
        return self._unanswered == 0

    @property
    def served(self) -> int:
        """How many exchanges ended well on all of them."""
        return sum(lane.served for lane in self.lanes)

    def probe(self, answered: Callable[[], None]) -> None:
        """Ask on every lane whether the worker serves; ``answered`` is called when all have said so."""

        def one_answered() -> None:
            self._unanswered -= 1
            if self._unanswered == 0:
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
