"""Who gets a lane, and when."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import LineFull, NobodyServing, TracdClusterError
from tracd_cluster.traffic.place import ROBOTS, STRANGERS, Place


class Request:
    """Asks for a lane and writes down what it got."""

    def __init__(self, deadline: float = 10.0, place: Place = STRANGERS) -> None:
        self.queue_deadline = deadline
        self.place = place
        self.lane: Any = None
        self.error: TracdClusterError | None = None

    def lane_given(self, lane: Any) -> None:
        assert self.lane is None
        assert self.error is None
        self.lane = lane

    def line_failed(self, error: TracdClusterError) -> None:
        assert self.lane is None
        assert self.error is None
        self.error = error


def make_lane() -> Any:
    """Make what stands for a lane; the balancer only passes it on."""
    return object()


def test_the_lane_used_last_is_used_next() -> None:
    """Under light load the same few workers stay warm."""
    balancer = Balancer(10)
    lanes = [make_lane(), make_lane()]
    for lane in lanes:
        balancer.add(lane)
    assert lanes[1] == balancer.claim(Request())
    balancer.release(lanes[1])
    assert lanes[1] == balancer.claim(Request())
    assert lanes[0] == balancer.claim(Request())


def test_the_first_in_line_is_known_and_since_when() -> None:
    """An elastic pool grows by it."""
    times = iter([100.0, 101.0, 102.0])
    balancer = Balancer(10, clock=lambda: next(times))
    assert 0.0 == balancer.waited(99.0)
    first, second, again = Request(), Request(), Request()
    balancer.claim(first)
    balancer.claim(second)
    assert 3.0 == balancer.waited(103.0)
    balancer.claim_first(again)
    assert 1.0 == balancer.waited(103.0), "its wait has begun anew"
    balancer.leave(again)
    balancer.leave(first)
    assert 2.0 == balancer.waited(103.0)


def test_a_lane_is_idle_or_not() -> None:
    """Which workers are at work can be seen without counting."""
    balancer, lane = Balancer(10), make_lane()
    assert not balancer.is_idle(lane)
    balancer.add(lane)
    assert balancer.is_idle(lane)
    balancer.claim(Request())
    assert not balancer.is_idle(lane)


def test_what_nobody_wants_to_know_is_not_told() -> None:
    """Lost and hung requests concern those who have processes."""
    balancer, lane = Balancer(10), make_lane()
    balancer.request_lost(lane, "GET /")
    balancer.request_hung(lane, "GET /")


def test_a_request_that_lost_its_worker_waits_at_the_head() -> None:
    """Nobody loses a place in line through somebody else's crash."""
    balancer = Balancer(1)
    first, again = Request(), Request()
    assert balancer.claim(first) is None
    assert balancer.claim_first(again) is None
    with pytest.raises(LineFull):
        balancer.claim(Request())
    lane = make_lane()
    balancer.add(lane)
    assert lane is again.lane
    assert first.lane is None


def test_a_withdrawn_lane_reports_when_it_is_free() -> None:
    """A worker that is to go hears when its last request has ended."""
    drained: list[Any] = []
    balancer = Balancer(10, drained.append)
    lane = make_lane()
    balancer.add(lane)
    assert lane == balancer.claim(Request())
    balancer.withdraw(lane)
    waiting = Request()
    assert balancer.claim(waiting) is None
    assert [] == drained
    balancer.release(lane)
    assert [lane] == drained
    assert waiting.lane is None


def test_a_request_can_be_given_a_better_place() -> None:
    """Whether it waits or not."""
    balancer = Balancer(10)
    waiting, served = Request(place=ROBOTS), Request(place=ROBOTS)
    balancer.claim(waiting)
    for request in (waiting, served):
        balancer.rise(request, STRANGERS)
        assert STRANGERS == request.place


class Machine(RuleBasedStateMachine):
    """Anything in any order: the promises of the module hold."""

    def __init__(self) -> None:
        super().__init__()
        self.drained: list[Any] = []
        self.balancer = Balancer(3, self.drained.append)
        self.claimed: list[Any] = []
        self.known: list[Any] = []
        self.requests: list[Request] = []
        self.now = 0.0

    @rule()
    def add(self) -> None:
        lane = make_lane()
        self.known.append(lane)
        self.balancer.add(lane)

    @rule(first=st.booleans(), patience=st.floats(0, 20))
    def claim(self, first: bool, patience: float) -> None:
        request = Request(self.now + patience)
        try:
            claim = self.balancer.claim_first if first else self.balancer.claim
            request.lane = claim(request)
        except (LineFull, NobodyServing) as error:
            request.error = error
        self.requests.append(request)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        busy = [request for request in self.requests if request.lane is not None]
        if busy:
            request = data.draw(st.sampled_from(busy))
            lane, request.lane = request.lane, None
            request.error = TracdClusterError("done")
            self.balancer.release(lane)

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if self.known:
            lane = data.draw(st.sampled_from(self.known))
            self.known.remove(lane)
            self.balancer.withdraw(lane)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.requests:
            request = data.draw(st.sampled_from(self.requests))
            self.balancer.leave(request)
            if request.lane is None and request.error is None:
                request.error = TracdClusterError("left")

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.balancer.expire(self.now)

    @rule()
    def nobody(self) -> None:
        self.balancer.refuse_all(NobodyServing("crashing"))

    @rule()
    def expect(self) -> None:
        self.balancer.expect()

    @invariant()
    def promises(self) -> None:
        self.balancer.check_invariants()
        lanes = [request.lane for request in self.requests if request.lane is not None]
        assert len(set(lanes)) == len(lanes), "a lane serves two requests"
        waiting = [request for request in self.requests if request.lane is None and request.error is None]
        assert len(waiting) == self.balancer.waiting


def test_whatever_comes_in_whatever_order() -> None:
    """The promises of the balancer hold."""
    run_state_machine_as_test(Machine)
