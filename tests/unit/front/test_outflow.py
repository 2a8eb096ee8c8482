"""What a slow client has yet to take."""

from __future__ import annotations

from tests.unit.front.wire import FakeLane, Wire, make_front
from tracd_cluster.front.outflow import WRITE_SIZE, Outflow


def make() -> tuple[Outflow, Wire, FakeLane]:
    """Make an outflow to a client that does not read."""
    front, _ = make_front(answer_memory=10)
    wire = Wire(front)
    wire.connection.pauseProducing()
    return Outflow(front, wire.connection), wire, FakeLane(front)


def test_a_reader_gets_all_at_once() -> None:
    """Nothing is kept of what a client takes."""
    flow, wire, lane = make()
    wire.connection.resumeProducing()
    assert flow.put(b"abc", lane)
    assert b"abc" == wire.take()
    assert flow.resume(lane)


def test_what_is_kept_goes_out_in_order_and_the_worker_waits_meanwhile() -> None:
    """More than the front keeps makes the worker wait until it is less."""
    flow, wire, lane = make()
    assert not flow.put(b"a" * 10, lane)
    assert not lane.paused
    assert not flow.put(b"b" * WRITE_SIZE, lane)
    assert lane.paused
    assert b"" == wire.take()
    wire.connection.paused = False
    assert flow.resume(lane)
    assert not lane.paused
    assert b"a" * 10 + b"b" * WRITE_SIZE == wire.take()


def test_a_client_that_is_gone_gets_nothing() -> None:
    """What was kept for it is forgotten."""
    flow, wire, lane = make()
    flow.put(b"a", lane)
    flow.drop()
    wire.connection.paused = False
    assert flow.resume(lane)
    assert b"" == wire.take()
