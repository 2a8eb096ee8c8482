"""Buckets: what a client may have is what the options say, whatever the others do, and the tables stay small."""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.traffic.buckets import SHARE, Buckets, Refused, Slot, leave


def make(half: int = 100, **settings: Any) -> Buckets:
    """Make buckets, of which only what is named limits anybody."""
    return Buckets(ClientSettings(**{"client_requests": 0, "client_rate": 0.0, **settings}), half)


def entered(buckets: Buckets, address: str, now: float) -> bool:
    """Ask for a short request, and say whether it was let in."""
    try:
        leave(buckets.enter(address, now))
    except Refused:
        return False
    return True


def test_so_many_at_once_and_no_more() -> None:
    """A place that is given back is free for the next."""
    buckets = make(client_requests=2)
    first, _ = buckets.enter("192.0.2.1", 0.0), buckets.enter("192.0.2.1", 0.0)
    with pytest.raises(Refused) as refusal:
        buckets.enter("192.0.2.1", 0.0)
    assert refusal.value.at_once
    buckets.enter("192.0.2.2", 0.0)
    leave(first)
    buckets.enter("192.0.2.1", 0.0)
    buckets.check_invariants()


def test_a_burst_and_then_so_many_a_second() -> None:
    """Who has paused may have many at once; after that they come at the rate."""
    buckets = make(client_rate=2.0, client_burst=5)
    assert [True] * 5 + [False] == [entered(buckets, "192.0.2.1", 100.0) for _ in range(6)]
    assert [True, False] == [entered(buckets, "192.0.2.1", 100.5) for _ in range(2)]
    assert [True] * 5 + [False] == [entered(buckets, "192.0.2.1", 103.0) for _ in range(6)]


def test_the_wait_that_is_told_is_long_enough() -> None:
    """Who comes back after it is let in, and would not have been before."""
    buckets = make(client_rate=0.5, client_burst=1)
    assert entered(buckets, "192.0.2.1", 1e9)
    with pytest.raises(Refused) as refusal:
        buckets.enter("192.0.2.1", 1e9 + 0.5)
    assert not refusal.value.at_once
    assert 1.4 < refusal.value.wait < 1.6
    assert entered(buckets, "192.0.2.1", 1e9 + 0.5 + refusal.value.wait)


def test_refused_requests_cost_nothing() -> None:
    """Who is refused a thousand times is let in as soon as who was refused once."""
    buckets = make(client_rate=1.0, client_burst=1)
    assert entered(buckets, "192.0.2.1", 50.0)
    assert not any(entered(buckets, "192.0.2.1", 50.5) for _ in range(1000))
    assert entered(buckets, "192.0.2.1", 51.01)


@pytest.mark.parametrize("address", ["192.0.2.%d", "2001:db8::%x"])
def test_a_network_has_the_share_of_a_few_addresses(address: str) -> None:
    """Who has all addresses of one has no more than four clients, and makes no entry for each."""
    buckets = make(client_rate=1.0, client_burst=3)
    assert 3 * SHARE == sum(entered(buckets, address % (number % 250), 7.0) for number in range(1000))
    assert 0 < len(buckets._clients) <= 3 * SHARE
    assert entered(buckets, "198.51.100.1", 7.0)


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    """An hour that happens twice does not have to be waited for."""
    buckets = make(client_rate=1.0, client_burst=2)
    for now in (10_000.0, 6_400.0, 6_400.1):
        assert entered(buckets, "192.0.2.1", now)
    assert not entered(buckets, "192.0.2.1", 6_400.2)


def test_no_limit_is_none() -> None:
    """With 0 for both nobody is refused."""
    buckets = make()
    slots = [buckets.enter("192.0.2.1", 3.0) for _ in range(5000)]
    assert 5000 == buckets.inside
    for slot in slots:
        leave(slot)
    buckets.check_invariants()


def test_new_limits_count_at_once() -> None:
    """Those inside stay, and count under the new limits."""
    buckets = make(client_requests=5)
    slots = [buckets.enter("192.0.2.1", 0.0) for _ in range(3)]
    buckets.take(ClientSettings(client_requests=3))
    with pytest.raises(Refused):
        buckets.enter("192.0.2.1", 0.0)
    leave(slots.pop())
    buckets.enter("192.0.2.1", 0.0)
    buckets.check_invariants()


def test_those_inside_are_not_forgotten() -> None:
    """However many others come, whoever has requests under way gets no more than the rest."""
    buckets = make(half=10, client_requests=1)
    slot = buckets.enter("192.0.2.1", 0.0)
    for number in range(1000):
        assert entered(buckets, f"10.{number % 200}.{number // 200}.1", number * 0.001)
        assert not entered(buckets, "192.0.2.1", number * 0.001)
    buckets.check_invariants()
    leave(slot)
    assert entered(buckets, "192.0.2.1", 2.0)


def test_a_flood_of_addresses_takes_no_more_room_than_some_thousands() -> None:
    """The tables are bounded, and those who are inside all the while still count."""
    chance = random.Random(7)
    buckets = Buckets(ClientSettings(), 1000)
    inside: deque[Slot] = deque()
    largest = 0
    for number in range(50_000):
        bits = chance.getrandbits(32)
        address = f"{bits >> 24}.{bits >> 16 & 255}.{bits >> 8 & 255}.{bits & 255}"
        inside.append(buckets.enter(address, number * 1e-5))
        if len(inside) > 50:
            leave(inside.popleft())
        largest = max(largest, len(buckets._clients) + len(buckets._networks)) if number % 100 == 0 else largest
    assert 2000 < largest <= 4 * (1000 + 51)
    buckets.check_invariants()


@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(1, 4)), max_size=60),
    st.sampled_from([0.3, 1.0, 7.0]),
    st.integers(1, 6),
)
def test_a_bucket_is_a_bucket(comers: list[tuple[float, int]], rate: float, burst: int) -> None:
    """The one number says what a count of tokens does, which fills with time and of which each request takes one."""
    buckets = make(client_rate=rate, client_burst=burst)
    now, tokens = 1e9, float(burst)
    for pause, count in comers:
        now += pause
        tokens = min(burst, tokens + rate * pause)
        for _ in range(count):
            let_in = entered(buckets, "192.0.2.1", now)
            assert let_in == (tokens >= 1) or abs(tokens - 1) < 0.01
            tokens -= let_in


class Crowd(RuleBasedStateMachine):
    """Clients come and go in any order; ``slots`` are those inside."""

    def __init__(self) -> None:
        super().__init__()
        self.buckets = make(half=3, client_requests=2, client_rate=5.0, client_burst=4)
        self.slots: list[tuple[str, Slot]] = []
        self.now = 0.0

    @rule(net=st.integers(0, 5), host=st.integers(0, 2))
    def come(self, net: int, host: int) -> None:
        """Let one come, and know whether the places are taken."""
        address = f"10.0.{net}.{host}"
        mine = sum(other == address for other, _ in self.slots)
        ours = sum(other.startswith(f"10.0.{net}.") for other, _ in self.slots)
        if mine >= 2 or ours >= 2 * SHARE:
            with pytest.raises(Refused):
                self.buckets.enter(address, self.now)
        else:
            # The rate may still be against it, but not the places.
            with suppress(Refused):
                self.slots.append((address, self.buckets.enter(address, self.now)))

    @precondition(lambda self: self.slots)
    @rule(chance=st.randoms(use_true_random=False))
    def go(self, chance: random.Random) -> None:
        """Let one go."""
        leave(self.slots.pop(chance.randrange(len(self.slots)))[1])

    @rule(seconds=st.floats(-5.0, 200.0))
    def pass_time(self, seconds: float) -> None:
        """Let time pass, or be set back."""
        self.now += seconds

    @invariant()
    def all_is_well(self) -> None:
        """Those inside are counted, each once."""
        assert len(self.slots) == self.buckets.inside
        self.buckets.check_invariants()


def test_the_places_are_counted_whatever_happens() -> None:
    """Many histories, each of many comings and goings."""
    run_state_machine_as_test(Crowd)
