"""Routes that are slow here are learned, and forgotten."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.traffic.measured import AT_LEAST, FADES, LOOKS, MOST_ROUTES, Measured

USUAL = {"/wiki": 0.02, "/ticket": 0.04, "/roadmap": 0.06}


def measured(took: Mapping[str, float], times: int = 50, now: float = 0.0) -> Measured:
    """Give what has measured so many requests of each route, and has judged."""
    found = Measured(now)
    tell(found, took, times)
    found.tick(now + LOOKS)
    return found


def tell(to: Measured, took: Mapping[str, float], times: int = 50) -> None:
    """Have requests that took so long."""
    for route, seconds in took.items():
        for _ in range(times):
            to.took(route, seconds)


def test_a_route_that_is_far_slower_than_the_others_is_learned() -> None:
    """And it is said by how much."""
    found = measured({**USUAL, "/burndown": 2.0})
    assert ["/burndown"] == list(found.slow)
    slow = found.slow["/burndown"]
    assert 2.0 <= slow.seconds <= 3.0
    assert 0.04 <= slow.others <= 0.06
    assert "/burndown" in repr(found)


def test_a_crawler_does_not_make_it_the_usual_thing() -> None:
    """Of ten thousand requests nearly all are for the slow page."""
    found = Measured(0.0)
    tell(found, USUAL, 30)
    tell(found, {"/burndown": 2.0}, 10_000)
    found.tick(LOOKS)
    assert ["/burndown"] == list(found.slow)


def test_one_request_that_hangs_makes_no_page_slow() -> None:
    """Nor some of many."""
    found = Measured(0.0)
    tell(found, USUAL)
    for _ in range(20):
        found.took("/wiki", 120.0)
    found.tick(LOOKS)
    assert {} == found.slow


@pytest.mark.parametrize(
    "took",
    [
        {},
        {"/wiki": 5.0},
        dict.fromkeys(USUAL, 5.0),
        {**USUAL, "/burndown": AT_LEAST / 2},
        {"/wiki": 0.3, "/ticket": 0.4, "/burndown": 0.9},
    ],
    ids=["nothing", "one route", "all alike", "quick in any case", "little slower"],
)
def test_what_is_not_far_slower_than_others_is_not_slow(took: Mapping[str, float]) -> None:
    """It takes others to compare it with, a multiple, and a time that matters."""
    assert {} == measured(took).slow


def test_a_few_requests_prove_nothing() -> None:
    """The route must have had enough of them, and so must others."""
    found = measured(USUAL)
    tell(found, {"/burndown": 2.0}, 10)
    found.tick(3 * LOOKS)
    assert {} == found.slow
    tell(found, {"/burndown": 2.0}, 10)
    found.tick(4 * LOOKS)
    assert ["/burndown"] == list(found.slow)


def test_it_is_judged_now_and_then() -> None:
    """Not at each request."""
    found = Measured(0.0)
    tell(found, {**USUAL, "/burndown": 2.0})
    found.tick(LOOKS - 0.1)
    assert {} == found.slow
    found.tick(LOOKS)
    assert found.slow


def test_a_route_that_has_become_quick_is_taken_off_the_list() -> None:
    """What was long ago is worth little."""
    found = measured({**USUAL, "/burndown": 2.0})
    for minutes in range(1, 4):
        tell(found, {**USUAL, "/burndown": 0.05})
        found.tick(minutes * FADES)
    found.tick(3 * FADES + LOOKS)
    assert {} == found.slow


def test_a_route_on_the_border_does_not_go_on_and_off() -> None:
    """It is taken off when it is clearly better."""
    found = measured({"/wiki": 0.2, "/ticket": 0.2, "/burndown": 1.5})
    assert found.slow
    tell(found, {"/burndown": 0.7}, 300)
    found.tick(2 * LOOKS)
    assert found.slow
    assert {} == measured({"/wiki": 0.2, "/ticket": 0.2, "/burndown": 0.7}).slow


def test_a_route_that_nobody_asks_for_is_forgotten() -> None:
    """It stays on the list for a while, though: the crawler may be back."""
    found = measured({**USUAL, "/burndown": 2.0})
    for minutes in range(1, 4):
        found.tick(minutes * FADES)
        assert found.slow
    for minutes in range(4, 12):
        found.tick(minutes * FADES)
    found.tick(12 * FADES)
    assert {} == found.slow
    assert "0 routes" in repr(found)


def test_a_slow_route_stays_slow_when_it_is_the_only_one_that_is_asked_for() -> None:
    """It is compared with what others took when there were some."""
    found = measured({**USUAL, "/burndown": 2.0})
    for minutes in range(1, 12):
        tell(found, {"/burndown": 2.0})
        found.tick(minutes * FADES)
        found.tick(minutes * FADES + LOOKS)
    assert ["/burndown"] == list(found.slow)


def test_the_table_is_bounded() -> None:
    """New routes take the place of those with the fewest requests."""
    found = measured({**USUAL, "/burndown": 2.0})
    for number in range(10 * MOST_ROUTES):
        found.took(f"/{number}", 9.0)
    found.tick(2 * LOOKS)
    assert ["/burndown"] == list(found.slow)
    assert f"{MOST_ROUTES} routes" in repr(found)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1000)), max_size=200))
def test_whatever_is_measured_slow_is_a_route_with_enough_requests(took: list[tuple[str, float]]) -> None:
    """And takes as long as slow routes do."""
    found = Measured(0.0)
    for route, seconds in took:
        found.took(route, seconds)
    found.tick(LOOKS)
    for name, slow in found.slow.items():
        times = sorted(seconds for route, seconds in took if route == name)
        assert len(times) >= 20
        assert slow.seconds >= AT_LEAST
        assert times[len(times) // 2] > AT_LEAST / 2
