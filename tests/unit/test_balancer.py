"""Who gets a lane, and when."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import LineFull, NobodyServing, TooBusy, TracdClusterError
from tracd_cluster.settings.traffic import TrafficSettings
from tracd_cluster.traffic.place import PEOPLE, QUICK, ROBOTS, SLOW, STRANGERS, VISITORS, Level, Place

SLOW_STRANGER = SLOW[Level.STRANGERS]
PLACES = st.sampled_from([*QUICK, SLOW_STRANGER, SLOW[Level.ROBOTS]])


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


def lanes_for(balancer: Balancer, count: int) -> list[Any]:
    """Add so many lanes."""
    lanes = [make_lane() for _ in range(count)]
    for lane in lanes:
        balancer.add(lane)
    return lanes


def test_people_come_before_strangers_who_came_before_them() -> None:
    """That is what the line is for."""
    balancer = Balancer(10)
    [lane] = lanes_for(balancer, 1)
    assert lane is balancer.claim(Request())
    stranger, person = Request(), Request(place=PEOPLE)
    assert balancer.claim(stranger) is None
    assert balancer.claim(person) is None
    assert lane is not None
    balancer.release(lane)
    assert lane is person.lane
    assert stranger.lane is None


def test_slow_requests_of_strangers_leave_lanes_to_others() -> None:
    """A third of six; the others wait, and nobody behind them does."""
    balancer = Balancer(10)
    lanes_for(balancer, 6)
    slow = [Request(place=SLOW_STRANGER) for _ in range(4)]
    given = [lane for request in slow if (lane := balancer.claim(request))]
    assert 2 == len(given)
    assert 0.0 == balancer.waited(100.0), "more workers would not help them"
    quick = [balancer.claim(Request()) for _ in range(4)]
    assert None not in quick
    lane = quick[0]
    assert lane is not None
    balancer.release(lane)
    assert slow[2].lane is None, "an idle lane is not theirs"
    balancer.release(given[0])
    assert slow[2].lane is not None
    balancer.check_invariants()


def test_one_lane_is_for_everybody() -> None:
    """A third of it would be for nobody."""
    balancer = Balancer(10)
    [lane] = lanes_for(balancer, 1)
    again = Request(place=SLOW_STRANGER)
    balancer.claim(Request(place=SLOW_STRANGER))
    assert balancer.claim(again) is None
    balancer.release(lane)
    assert lane is again.lane
    balancer.check_invariants()


def test_slow_requests_go_on_when_there_are_more_lanes_or_a_larger_share() -> None:
    """Those who wait beside an idle lane are not forgotten."""
    balancer = Balancer(10)
    lanes = lanes_for(balancer, 3)
    waiting = [Request(place=SLOW_STRANGER) for _ in range(4)]
    first = balancer.claim_first(waiting[0])
    assert first is not None
    for request in waiting[1:]:
        assert balancer.claim(request) is None
    lanes_for(balancer, 3)
    assert waiting[1].lane is not None
    assert waiting[2].lane is None
    assert balancer.withdraw(first), "what is held by a lane that goes is not counted any more"
    assert waiting[2].lane is None, "but a third of five is one"
    balancer.take(TrafficSettings(slow_share=Fraction(1, 2)))
    assert waiting[2].lane is not None
    balancer.rise(waiting[3], PEOPLE)
    assert waiting[3].lane is not None
    balancer.check_invariants()
    assert lanes


def test_in_a_full_line_the_last_of_those_behind_makes_room() -> None:
    """People are not refused because of strangers, and strangers are because of their like."""
    balancer = Balancer(2)
    robot, stranger = Request(place=ROBOTS), Request()
    balancer.claim(robot)
    balancer.claim(stranger)
    person = Request(place=PEOPLE)
    assert balancer.claim(person) is None
    assert isinstance(robot.error, LineFull)
    with pytest.raises(LineFull, match="all 2 places"):
        balancer.claim(Request())
    assert balancer.claim(Request(place=VISITORS)) is None
    assert isinstance(stranger.error, LineFull)
    with pytest.raises(LineFull):
        balancer.claim(Request(place=VISITORS))
    assert 2 == balancer.waiting


def test_who_waits_too_long_for_too_long_is_refused_and_those_who_come_then() -> None:
    """The lowest class, at once, unless a lane is free; people wait."""
    now = 100.0
    balancer = Balancer(10, clock=lambda: now, traffic=TrafficSettings(queue_target=1.0))
    first = Request(1000.0)
    balancer.claim(first)
    for _ in range(100):
        now += 0.25
        balancer.expire(now)
    assert first.error is None, "while there is no worker at all everybody waits"
    [lane] = lanes_for(balancer, 1)
    assert first.lane is lane
    waiting = [Request(1000.0, place) for place in (ROBOTS, STRANGERS, PEOPLE)]
    for request in waiting:
        balancer.claim(request)
    robot, stranger, person = waiting
    while stranger.error is None:
        assert now < 140.0
        now += 0.25
        balancer.expire(now)
    assert isinstance(robot.error, TooBusy)
    assert isinstance(stranger.error, TooBusy)
    assert person.error is None
    with pytest.raises(TooBusy, match="strangers do not wait at the moment"):
        balancer.claim(Request())
    assert balancer.claim(Request(place=VISITORS)) is None
    again = Request()
    assert balancer.claim_first(again) is None, "it has had a lane already"
    for _ in range(3):
        balancer.release(lane)
    assert person.lane is lane
    assert again.lane is lane
    balancer.release(lane)
    assert lane is balancer.claim(Request()), "it is free"
    while balancer.shedding.closed:
        assert now < 200.0
        now += 0.25
        balancer.expire(now)
    assert balancer.claim(Request()) is None
    balancer.check_invariants()


class Machine(RuleBasedStateMachine):
    """Anything in any order: the promises of the module hold."""

    def __init__(self) -> None:
        super().__init__()
        self.drained: list[Any] = []
        self.balancer = Balancer(3, self.drained.append, clock=lambda: self.now)
        self.claimed: list[Any] = []
        self.known: list[Any] = []
        self.requests: list[Request] = []
        self.now = 0.0
        self.part = TrafficSettings().slow_share

    @rule()
    def add(self) -> None:
        lane = make_lane()
        self.known.append(lane)
        self.balancer.add(lane)

    @rule(first=st.booleans(), patience=st.floats(0, 20), place=PLACES)
    def claim(self, first: bool, patience: float, place: Place) -> None:
        request = Request(self.now + patience, place)
        try:
            claim = self.balancer.claim_first if first else self.balancer.claim
            request.lane = claim(request)
        except (LineFull, NobodyServing, TooBusy) as error:
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

    @rule(data=st.data(), place=PLACES)
    def rise(self, data: st.DataObject, place: Place) -> None:
        waiting = [request for request in self.requests if request.lane is None and request.error is None]
        if waiting:
            self.balancer.rise(data.draw(st.sampled_from(waiting)), place)

    @rule(part=st.sampled_from([Fraction(1, 3), Fraction(1), Fraction(1, 100)]))
    def take(self, part: Fraction) -> None:
        self.part = part
        self.balancer.take(TrafficSettings(slow_share=part))

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
        if self.balancer.available and any(map(self.balancer.is_idle, self.known)):
            assert all(request.place.slow for request in waiting), "a quick request waits while a lane is idle"
            slow = sum(request.place.slow for request in self.requests if request.lane in self.known)
            most = max(1, int(self.balancer.available * self.part))
            assert slow >= most or not waiting, "a slow request waits while it may go"


def test_whatever_comes_in_whatever_order() -> None:
    """The promises of the balancer hold."""
    run_state_machine_as_test(Machine)
