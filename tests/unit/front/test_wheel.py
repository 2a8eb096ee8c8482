"""No deadline passes unseen, and those who are silent are hardly ever looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.front.wheel import LOOKS, Wheel

TICK = 0.25
HORIZON = 5.0
NEVER = float("inf")


class Somebody:
    """Who has a deadline, and counts how often it is read."""

    def __init__(self, deadline: float) -> None:
        self.time = deadline
        self.looks = 0

    def __repr__(self) -> str:
        return f"<until {self.time}>"

    @property
    def deadline(self) -> float:
        self.looks += 1
        return self.time

    @deadline.setter
    def deadline(self, value: float) -> None:
        self.time = value


def all_due(wheel: Wheel[Somebody], now: float, limit: int = 16) -> list[Somebody]:
    """Go on as long as there is more, as the front does turn by turn."""
    found: list[Somebody] = []
    more = True
    while more:
        some, more = wheel.due(now, limit)
        assert len(some) <= limit
        found += some
    return found


steps = st.lists(
    st.tuples(
        st.floats(0.01, 4.0),  # time that passes
        st.sampled_from(["add", "leave", "move", "never"]),
        st.integers(0, 30),
        st.floats(HORIZON, 100.0),  # a deadline is never nearer than the horizon
    ),
    max_size=60,
)


@given(steps, st.floats(0.0, 2e9))
def test_it_gives_just_those_whose_deadlines_have_passed(
    actions: list[tuple[float, str, int, float]], now: float
) -> None:
    """As looking at everybody would, whatever has been put off or brought forward meanwhile."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, now)
    everybody: list[Somebody] = []
    for passed, action, which, ahead in actions:
        one = everybody[which % len(everybody)] if everybody else None
        if action == "add" or one is None:
            everybody.append(one := Somebody(now + ahead))
            wheel.add(one)
        elif action == "leave":
            everybody.remove(one)
            wheel.discard(one)
        else:
            one.time = now + ahead if action == "move" else NEVER
        now += passed
        # It may be looked at in the tick of its deadline before that has come: the next tick sees it.
        if int(now / TICK) > int((now - passed) / TICK):
            found = all_due(wheel, now)
            assert len(found) == len(set(found))
            missing = {each for each in everybody if each.time <= now} - set(found)
            assert all(int(each.time / TICK) == int(now / TICK) for each in missing)
            assert all(each.time <= now and each in everybody for each in found)
            for each in found:
                each.time = now + HORIZON
        assert set(everybody) == set(wheel)
        assert len(everybody) == len(wheel)


def test_who_is_given_is_given_again_until_the_deadline_moves() -> None:
    """In the next tick, not in the same."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, 100.0)
    one = Somebody(105.0)
    wheel.add(one)
    assert [] == all_due(wheel, 104.9)
    assert [one] == all_due(wheel, 105.0)
    assert [] == all_due(wheel, 105.0)
    assert [one] == all_due(wheel, 105.25)
    one.time = 111.0
    assert [] == all_due(wheel, 105.5)
    assert [one] == all_due(wheel, 111.0)


def test_who_is_silent_is_looked_at_once_in_a_horizon() -> None:
    """And not four times a second."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, 0.0)
    one = Somebody(NEVER)
    wheel.add(one)
    one.looks = 0
    for tick in range(1, 401):
        assert [] == all_due(wheel, tick * TICK)
    assert 20 <= one.looks <= 60


def test_a_thousand_at_once_are_taken_a_few_at_a_time() -> None:
    """Those whose time is up, and those who are only looked at."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, 0.0)
    late, silent = [Somebody(HORIZON) for _ in range(100)], [Somebody(NEVER) for _ in range(1000)]
    for one in (*late, *silent):
        wheel.add(one)
    for one in (*late, *silent):
        one.looks = 0
    found, more = wheel.due(HORIZON, 16)
    assert more
    assert sum(one.looks for one in (*late, *silent)) <= LOOKS
    assert len(found) <= 16
    assert set(late) == {*found, *all_due(wheel, HORIZON)}
    assert 1100 == len(wheel)


def test_who_leaves_while_others_wait_for_their_turn() -> None:
    """It is not given any more."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, 0.0)
    late = [Somebody(HORIZON) for _ in range(5)]
    for one in late:
        wheel.add(one)
    found, more = wheel.due(HORIZON, 2)
    assert more
    for one in late:
        wheel.discard(one)
        wheel.discard(one)
    assert [] == all_due(wheel, HORIZON)
    assert [] == all_due(wheel, HORIZON + TICK)
    assert 2 == len(found)
    assert 0 == len(wheel)


@pytest.mark.parametrize("back", [1.0, 3600.0])
def test_a_clock_that_is_set_back(back: float) -> None:
    """What is set by the new time counts."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, 10_000.0)
    one = Somebody(10_020.0)
    wheel.add(one)
    now = 10_000.0 - back
    assert [] == all_due(wheel, now)
    one.time = now + HORIZON
    assert [one] == all_due(wheel, now + HORIZON)


def test_a_nearer_horizon_counts_at_once() -> None:
    """Settings that were read again give less time; those that give more change nothing for who is there."""
    wheel: Wheel[Somebody] = Wheel(TICK, HORIZON, 0.0)
    one = Somebody(75.0)
    wheel.add(one)
    wheel.look_within(1.0)
    assert [] == all_due(wheel, TICK)
    one.time = 1.5
    assert [one] == all_due(wheel, 1.5)
    wheel.look_within(HORIZON)
    assert HORIZON == wheel.horizon
    assert "<Wheel of 1 in 1 ticks>" == repr(wheel)
