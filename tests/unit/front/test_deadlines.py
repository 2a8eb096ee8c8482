"""Thousands whose time is up keep nobody else waiting."""

from __future__ import annotations

from twisted.internet.task import Clock

from tests.unit.front.wire import Wire
from tracd_cluster.balancer import Balancer
from tracd_cluster.front.deadlines import ENDS
from tracd_cluster.front.listener import Front
from tracd_cluster.settings.front import FrontSettings


class Turns(Clock):
    """A clock on which time stands still while the reactor turns."""

    def turn(self) -> None:
        """Do what is to be done now, and not what comes of it."""
        now = [call for call in self.calls if call.getTime() <= self.seconds()]
        for call in now:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


def test_connections_that_end_at_once_end_a_few_in_each_turn() -> None:
    """A page that is asked for meanwhile does not wait for the last of them."""
    clock = Turns()
    front = Front(FrontSettings(), 30.0, Balancer(0), clock)
    wires = [Wire(front) for _ in range(3 * ENDS)]
    clock.rightNow += 21
    ended: list[int] = []
    front.sweep()
    while front.deadlines and len(ended) < 5:
        ended.append(sum(wire.over for wire in wires))
        front.sweep()  # which changes nothing while turns are to come
        clock.turn()
    assert [ENDS, 2 * ENDS, 3 * ENDS] == ended[:3]
    assert all(wire.over for wire in wires)
