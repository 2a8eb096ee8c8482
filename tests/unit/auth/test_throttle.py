"""The throttle: who waits, how long, and who is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.auth.throttle import FORGET_AFTER, FREE_FAILURES, LONGEST_STEP, MOST_DELAY, Throttle, key_of

ADDRESS = "192.0.2.1"


def throttle_after(failures: int) -> Throttle:
    """A throttle that ADDRESS has given this many failures, all at the time 0."""
    throttle = Throttle()
    for _ in range(failures):
        throttle.failed(ADDRESS, 0.0)
    return throttle


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unix"),
        ("/run/front.socket", "unix"),
        ("192.0.2", "unix"),
        ("[::1]", "unix"),
    ],
)
def test_whom_an_address_stands_for(address: str, expected: str) -> None:
    """One host is one, however it is written, and so is a network that one host may have as a whole."""
    assert expected == key_of(address)


@given(st.text("019af:.%/ é"))
def test_any_text_stands_for_somebody(address: str) -> None:
    """No address, however odd, gets around being counted."""
    assert key_of(address)


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 0.0), (4, 0.0), (5, 1.0), (6, 2.0), (7, 4.0), (8, 8.0), (9, 8.0), (5000, 8.0)]
)
def test_the_wait_grows(failures: int, expected: float) -> None:
    """A few failures are free, then each doubles the wait up to the longest."""
    assert expected == throttle_after(failures).delay(ADDRESS, 1.0)


def test_others_do_not_wait() -> None:
    """The wait is for the address that failed."""
    assert 0.0 == throttle_after(50).delay("192.0.2.2", 1.0)


def test_attempts_stand_in_a_row() -> None:
    """Many connections at once get no more attempts than one, and those too far behind are refused."""
    throttle = throttle_after(FREE_FAILURES + 1)
    assert [2.0, 4.0, 6.0, 8.0, 10.0, None, None] == [throttle.delay(ADDRESS, 1.0) for _ in range(7)]
    assert 9.0 == throttle.delay(ADDRESS, 4.0)
    assert throttle.delay(ADDRESS, 4.0) is None


def test_who_was_refused_may_come_back() -> None:
    """After MOST_DELAY seconds one more attempt is taken."""
    throttle = throttle_after(50)
    assert LONGEST_STEP == throttle.delay(ADDRESS, 1.0)
    assert throttle.delay(ADDRESS, 1.0) is None
    assert LONGEST_STEP == throttle.delay(ADDRESS, 1.0 + MOST_DELAY)


def test_failures_are_forgotten_after_the_last() -> None:
    """Each failure prolongs the memory of the earlier ones; then there is none."""
    throttle = throttle_after(FREE_FAILURES - 1)
    throttle.failed(ADDRESS, FORGET_AFTER)
    assert 1.0 == throttle.delay(ADDRESS, 2 * FORGET_AFTER)
    assert 0.0 == throttle.delay(ADDRESS, 2 * FORGET_AFTER + 0.1)
    assert "<Throttle 0 of 10000 addresses>" == repr(throttle)


def test_a_failure_after_a_long_time_is_the_first() -> None:
    """What was forgotten does not count, even if nobody asked for the delay in between."""
    throttle = throttle_after(50)
    throttle.failed(ADDRESS, FORGET_AFTER + 0.1)
    assert 0.0 == throttle.delay(ADDRESS, FORGET_AFTER + 0.1)


def test_who_failed_longest_ago_makes_room() -> None:
    """The table keeps its size, and those who go on failing stay in it."""
    throttle = Throttle(limit=2)
    for at, address in enumerate([*["10.0.0.1"] * 5, "10.0.0.2", "10.0.0.1", "10.0.0.3"]):
        throttle.failed(address, float(at))
        throttle.check_invariants()
    assert "<Throttle 2 of 2 addresses>" == repr(throttle)
    assert 2.0 == throttle.delay("10.0.0.1", 8.0)


@given(st.lists(st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "?"]), st.booleans(), st.floats(0, 400))))
def test_no_address_gets_more_than_its_share(events: list[tuple[str, bool, float]]) -> None:
    """Whatever comes in whatever order, an address that waits gets attempts at least one step apart."""
    throttle = Throttle(limit=4)
    now = 0.0
    given_until: dict[str, float] = {}
    for address, fails, pause in events:
        now += pause
        if fails:
            throttle.failed(address, now)
        wait = throttle.delay(address, now)
        throttle.check_invariants()
        assert wait is None or 0.0 <= wait <= MOST_DELAY
        if wait:
            assert now + wait >= given_until.get(address, 0.0) + 0.999
            given_until[address] = now + wait
