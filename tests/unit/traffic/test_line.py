"""Who is next, and that nobody is forgotten."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tracd_cluster.traffic.line import Line
from tracd_cluster.traffic.place import QUICK, ROBOTS, SLOW, STRANGERS, VISITORS, WRITERS, Level, Place

SHARES = (16, 4, 2, 1)
SLOW_STRANGERS, SLOW_ROBOTS = SLOW[Level.STRANGERS], SLOW[Level.ROBOTS]
PLACES = (*QUICK, SLOW_STRANGERS, SLOW_ROBOTS)


class One:
    """Somebody who waits."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __repr__(self) -> str:
        return f"{self.place}"


def make(*places: Place, shares: tuple[int, ...] = SHARES) -> tuple[Line[One], list[One]]:
    """Make a line in which these wait."""
    line: Line[One] = Line(shares)
    all_ = [One(place) for place in places]
    for since, one in enumerate(all_):
        line.add(one, since)
    return line, all_


def go(line: Line[One], times: int, slow: bool = True) -> list[One]:
    """Let so many go on."""
    found = [line.next(slow) for _ in range(times)]
    assert None not in found
    return [each[0] for each in found if each is not None]


def test_within_a_class_it_is_first_come_first_served() -> None:
    """Slow ones and quick ones alike."""
    line, all_ = make(STRANGERS, SLOW_STRANGERS, STRANGERS, SLOW_STRANGERS, STRANGERS)
    assert all_ == go(line, 5)
    assert line.next(True) is None


def test_where_all_wait_each_class_gets_its_share() -> None:
    """In every round, and the first at once."""
    line, _ = make(*[place for place in (ROBOTS, STRANGERS, VISITORS, WRITERS) for _ in range(100)])
    assert [WRITERS, VISITORS, STRANGERS, ROBOTS] == [one.place for one in go(line, 4)]
    for _ in range(3):
        assert Counter(dict(zip(QUICK, SHARES, strict=True))) == Counter(one.place for one in go(line, 23))


def test_shares_can_be_changed_while_they_wait() -> None:
    """For all that follow."""
    line, _ = make(*[place for place in (ROBOTS, WRITERS) for _ in range(100)])
    go(line, 10)
    line.take_shares((1, 1, 1, 1))
    assert 10 <= Counter(one.place for one in go(line, 30))[ROBOTS] <= 16


def test_a_class_that_was_away_has_saved_nothing_up() -> None:
    """Robots who come back do not hold everybody up, and neither do people."""
    line, _ = make(*[WRITERS] * 200)
    go(line, 150)
    for _ in range(50):
        line.add(One(ROBOTS), 0.0)
    assert Counter(one.place for one in go(line, 34))[ROBOTS] <= 3
    line, _ = make(*[ROBOTS] * 200)
    go(line, 150)
    for _ in range(50):
        line.add(One(STRANGERS), 0.0)
    assert Counter(one.place for one in go(line, 30))[ROBOTS] >= 9


def test_when_nobody_has_waited_nothing_is_owed() -> None:
    """The next time begins like the first."""
    line, _ = make(STRANGERS, STRANGERS, STRANGERS)
    go(line, 3)
    for place in (ROBOTS, STRANGERS):
        line.add(One(place), 0.0)
    assert [STRANGERS, ROBOTS] == [one.place for one in go(line, 2)]


def test_quick_ones_pass_slow_ones_that_may_not_go() -> None:
    """And nothing is lost to those."""
    line, all_ = make(SLOW_STRANGERS, STRANGERS, SLOW_ROBOTS, STRANGERS)
    assert [all_[1], all_[3]] == go(line, 2, slow=False)
    assert line.next(False) is None
    assert not line.may_go(False)
    assert line.may_go(True)
    assert {all_[0], all_[2]} == set(go(line, 2))


def test_who_had_its_turn_already_is_first_in_its_class() -> None:
    """The last one that says so before those who did before."""
    line, all_ = make(STRANGERS, SLOW_STRANGERS)
    again = [One(STRANGERS), One(STRANGERS), One(SLOW_STRANGERS)]
    for one in again:
        line.add(one, 5.0, first=True)
    assert [again[2], again[1], again[0], *all_] == go(line, 5)


def test_since_when_the_first_ones_wait() -> None:
    """Slow ones only if they count."""
    line, all_ = make(SLOW_ROBOTS, WRITERS, ROBOTS)
    assert (0, 1) == (line.since(True), line.since(False))
    line.leave(all_[1])
    assert 2 == line.since(False)
    assert (all_[0], 0) == line.next(True)
    go(line, 1)
    assert line.since(True) is None


def test_who_rises_stands_among_those_who_came_when_it_did() -> None:
    """Not behind everybody there."""
    line, all_ = make(STRANGERS, ROBOTS, STRANGERS)
    line.rise(all_[1], STRANGERS)
    assert all_ == go(line, 3)
    served = all_[0]
    line.rise(served, WRITERS)
    assert WRITERS == served.place
    assert 0 == line.size


def test_room_is_made_by_the_last_of_the_lowest_class() -> None:
    """Of the lowest in which somebody waits, if that is below the one who needs it."""
    line, all_ = make(WRITERS, STRANGERS, ROBOTS, SLOW_ROBOTS, VISITORS)
    assert [all_[3], all_[2], all_[1]] == [line.last_behind(Level.VISITORS) for _ in range(3)]
    assert line.last_behind(Level.VISITORS) is None
    assert all_[4] is line.last_behind(Level.PEOPLE)
    assert line.last_behind(Level.PEOPLE) is None
    assert [all_[0]] == line.clear()
    assert "<Line 0 people, 0 visitors, 0 strangers, 0 robots>" == repr(line)


@given(
    shares=st.tuples(*[st.integers(1, 50)] * 4),
    present=st.sets(st.sampled_from(range(4)), min_size=1),
)
def test_nobody_starves_whatever_the_shares(shares: tuple[int, ...], present: set[int]) -> None:
    """Between two of a class there are never more than a round of the others, and one for each."""
    line: Line[One] = Line(shares)
    for level in present:
        for _ in range(300):
            line.add(One(QUICK[level]), 0.0)
    gone = [one.place.level for one in go(line, 300)]
    for level in present:
        longest = 0
        for place in gone:
            longest = 0 if place == level else longest + 1
            others = sum(shares[other] for other in present if other != level)
            assert longest <= others // shares[level] + len(present)


class Machine(RuleBasedStateMachine):
    """Anything in any order, beside a list that is searched."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Line[One] = Line(SHARES)
        self.model: list[One] = []
        self.now = 0.0

    @rule(place=st.sampled_from(PLACES), first=st.booleans())
    def add(self, place: Place, first: bool) -> None:
        one = One(place)
        self.now += 1
        self.line.add(one, self.now, first)
        self.model.insert(0 if first else len(self.model), one)

    @rule(slow=st.booleans())
    def next(self, slow: bool) -> None:
        found = self.line.next(slow)
        may = [one for one in self.model if slow or not one.place.slow]
        if found is None:
            assert [] == may
            return
        one, _ = found
        assert one is next(each for each in may if each.place.level is one.place.level)
        self.model.remove(one)

    @rule(data=st.data(), place=st.sampled_from(PLACES))
    def rise(self, data: st.DataObject, place: Place) -> None:
        if self.model:
            self.line.rise(data.draw(st.sampled_from(self.model)), place)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.model:
            one = data.draw(st.sampled_from(self.model))
            self.model.remove(one)
            assert self.line.leave(one)
            assert not self.line.leave(one)

    @rule(level=st.sampled_from(Level))
    def make_room(self, level: Level) -> None:
        last = self.line.last_behind(level)
        behind = [one for one in self.model if one.place.level > level]
        if last is None:
            assert [] == behind
            return
        lowest = max(one.place.level for one in behind)
        assert last is [one for one in behind if one.place.level is lowest][-1]
        self.model.remove(last)

    @invariant()
    def agrees(self) -> None:
        assert self.line.size == len(self.model)
        assert set(self.line) == set(self.model)
        for level in Level:
            assert self.line.waiting(level) == sum(one.place.level is level for one in self.model)


def test_whatever_comes_in_whatever_order() -> None:
    """It agrees with a list that is searched."""
    run_state_machine_as_test(Machine)


@pytest.mark.parametrize("level", Level)
def test_a_class_alone_is_not_held_up(level: Level) -> None:
    """Whatever its share."""
    line, all_ = make(*[QUICK[level]] * 50)
    assert all_ == go(line, 50)


def test_how_long_the_first_of_each_rank_has_waited_and_all_of_it_taken_out() -> None:
    """Who is refused at once is found by both."""
    line, all_ = make(VISITORS, STRANGERS, STRANGERS, SLOW_STRANGERS, SLOW_ROBOTS)
    assert [0.0, 10.0, 9.0, 0.0, 7.0, 6.0] == line.waits(10.0)
    assert all_[3:] == line.take_out(3)
    assert all_[1:3] == line.take_out(2)
    assert [0.0, 10.0, 0.0, 0.0, 0.0, 0.0] == line.waits(10.0)
    assert 1 == line.size
