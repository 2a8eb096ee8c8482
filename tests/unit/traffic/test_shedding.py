"""Who is refused at once, and until when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.traffic.place import PEOPLE, QUICK, SLOW, Level
from tracd_cluster.traffic.shedding import INTERVALS, LONGEST, OPEN, RANKS, Shedding, rank_of

TARGET = 2.0
INTERVAL = TARGET * INTERVALS
LOOK = 0.25


class Line:
    """A line that is looked at: ``waits`` are those of each rank, as long as nobody changes them."""

    def __init__(self, **waits: float) -> None:
        self.shedding = Shedding(TARGET)
        self.now = 1000.0
        self.waits = [0.0] * OPEN
        self.wait(**waits)

    def wait(self, **waits: float) -> Line:
        """Set what the first of some ranks have waited."""
        for name, seconds in waits.items():
            self.waits[RANKS.index(name.replace("_", " "))] = seconds
        return self

    def look(self, seconds: float) -> tuple[str, ...]:
        """Look at it for so long, and give who is closed then; those have nobody in line."""
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK
            if self.shedding.look(self.waits, self.now):
                self.waits[self.shedding.floor :] = [0.0] * (OPEN - self.shedding.floor)
        return self.shedding.closed


def test_each_place_has_its_rank() -> None:
    """Slow ones come behind the quick ones of all classes."""
    assert [0, 1, 2, 3] == [rank_of(place) for place in QUICK]
    assert [4, 5] == [rank_of(SLOW[level]) for level in (Level.STRANGERS, Level.ROBOTS)]
    assert 0 == rank_of(PEOPLE)


def test_a_burst_waits() -> None:
    """The line is there for it."""
    line = Line(strangers=10.0)
    assert () == line.look(INTERVAL - LOOK)
    line.wait(strangers=TARGET).look(LOOK)
    assert () == line.wait(strangers=10.0).look(INTERVAL - LOOK)


def test_a_wait_that_stays_closes_the_lowest_that_wait() -> None:
    """One after another, up to the class in trouble."""
    line = Line(visitors=3.0, strangers=5.0, slow_strangers=1.0)
    assert ("slow strangers", "slow robots") == line.look(INTERVAL + LOOK)
    assert ("strangers", "robots", "slow strangers", "slow robots") == line.look(INTERVAL)
    assert "<Shedding, closed: strangers, robots, slow strangers, slow robots>" == repr(line.shedding)
    assert RANKS[1:] == line.look(INTERVAL)


def test_people_are_never_refused() -> None:
    """However long they wait."""
    line = Line(people=60.0)
    assert RANKS[1:] == line.look(20 * INTERVAL)
    line = Line(**{name.replace(" ", "_"): 60.0 for name in RANKS})
    assert RANKS[1:] == line.look(20 * INTERVAL)


def test_slow_ones_close_nobody_else() -> None:
    """They wait for each other."""
    line = Line(strangers=1.0, slow_strangers=60.0, slow_robots=60.0)
    assert RANKS[4:] == line.look(2 * INTERVAL + LOOK)
    assert RANKS[4:] == line.wait(slow_strangers=0.0).look(INTERVAL / 2)


def test_a_class_is_opened_again_when_nobody_waits_for_long() -> None:
    """The highest first, and each gets its time."""
    line = Line(strangers=5.0, robots=5.0)
    assert RANKS[2:] == line.look(2 * INTERVAL + LOOK)
    assert RANKS[2:] == line.look(INTERVAL - 2 * LOOK)
    assert RANKS[3:] == line.look(2 * LOOK)
    assert RANKS[4:] == line.look(INTERVAL + LOOK)
    assert () == line.look(2 * INTERVAL + 2 * LOOK)


def test_who_comes_too_soon_again_is_closed_at_once_and_for_longer() -> None:
    """Up to a minute."""
    line = Line(strangers=5.0)
    line.look(INTERVAL + LOOK)
    closed, longest = 0.0, []
    for _ in range(8):
        while "strangers" in line.look(LOOK):
            closed += LOOK
        longest.append(closed)
        closed = 0.0
        line.wait(strangers=TARGET + 1)
        assert "strangers" in line.look(2 * LOOK), "at the first look"
    assert longest == sorted(longest)
    assert longest[1] > 1.5 * longest[0]
    assert LONGEST - 1 < longest[-1] <= LONGEST + 1


def test_no_target_is_no_limit() -> None:
    """And a new one is a new beginning."""
    line = Line(strangers=60.0)
    line.look(2 * INTERVAL)
    assert line.shedding.closed
    line.shedding.take(0.0)
    assert () == line.look(10 * INTERVAL)


@pytest.mark.parametrize("target", [0.1, 2.0, 30.0])
@given(waits=st.lists(st.lists(st.floats(0, 100), min_size=OPEN, max_size=OPEN), max_size=60))
def test_whatever_waits_people_are_served_and_it_ends(target: float, waits: list[list[float]]) -> None:
    """Nobody is closed for ever."""
    shedding, now = Shedding(target), 0.0
    for each in waits:
        now += LOOK
        before = shedding.floor
        closed = shedding.look(each, now)
        assert closed is (shedding.floor < before)
        assert shedding.floor >= Level.VISITORS
    end = now + LONGEST + 10 * (INTERVALS * target + LOOK)
    while now < end:
        now += LOOK
        shedding.look([0.0] * OPEN, now)
    assert () == shedding.closed
