"""Nonces: whose they are, how long they live, and that each count is taken once."""

from __future__ import annotations

import tracemalloc
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tracd_cluster.auth.nonces import AHEAD, WINDOW, Nonces, Standing

SECRET = b"secret"
START = 1_700_000_000.25
REALM = "Trac"
MD5 = b"MD5"


class Numbers:
    """Random bytes that are none: it counts."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, size: int) -> bytes:
        self.number += 1
        return self.number.to_bytes(size, "big")


def nonces_of(secret: bytes = SECRET, started: float = START, limit: int = 10) -> Nonces:
    """Nonces that live for 300 seconds."""
    return Nonces(secret, started, 300.0, limit, Numbers())


def test_a_nonce_has_one_size_and_no_odd_characters() -> None:
    """It can stand in a quoted-string as it is, and no two are the same."""
    nonces = nonces_of()
    first, second = nonces.issue(REALM, MD5, START), nonces.issue(REALM, MD5, START)
    assert first != second
    assert 44 == len(first) == len(second)
    assert first.replace(b"-", b"").replace(b"_", b"").isalnum()


@pytest.mark.parametrize(
    ("issued", "judged", "expected"),
    [
        (START, START, Standing.FRESH),
        (START, START + 300.0, Standing.FRESH),
        (START, START + 300.1, Standing.STALE),
        (START - 0.001, START + 1.0, Standing.STALE),
        (START + AHEAD, START, Standing.FRESH),
        (START + AHEAD + 0.1, START, Standing.STALE),
    ],
)
def test_how_long_it_lives(issued: float, judged: float, expected: Standing) -> None:
    """Not from before the start, not for longer than its life, and not from the future, save by another's clock."""
    nonce = nonces_of().issue(REALM, MD5, issued)
    assert expected is nonces_of().judge(nonce, REALM, MD5, judged)
    assert (expected is Standing.FRESH) == nonces_of().use(nonce, 1, judged)


def test_it_is_good_for_what_it_was_issued_for() -> None:
    """Another realm, algorithm or secret does not know it."""
    nonce = nonces_of().issue(REALM, MD5, START)
    assert Standing.FOREIGN is nonces_of().judge(nonce, "Other", MD5, START)
    assert Standing.FOREIGN is nonces_of().judge(nonce, REALM, b"SHA-256", START)
    assert Standing.FOREIGN is nonces_of(b"other").judge(nonce, REALM, MD5, START)


@given(st.binary() | st.binary(min_size=33, max_size=33).map(urlsafe_b64encode))
def test_what_was_not_issued_is_foreign(nonce: bytes) -> None:
    """Any bytes can be judged."""
    assert Standing.FOREIGN is nonces_of().judge(nonce, REALM, MD5, START)


def test_no_bit_of_it_can_be_changed() -> None:
    """Neither the time nor the random part can be chosen by somebody else."""
    raw = urlsafe_b64decode(nonces_of().issue(REALM, MD5, START))
    for bit in range(len(raw) * 8):
        changed = (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(len(raw), "big")
        assert Standing.FOREIGN is nonces_of().judge(urlsafe_b64encode(changed), REALM, MD5, START)


def test_fronts_with_one_secret_know_each_others() -> None:
    """What one front issued is fresh for another, unless that one started later."""
    nonce = nonces_of().issue(REALM, MD5, START + 10.0)
    assert Standing.FRESH is nonces_of(started=START + 5.0).judge(nonce, REALM, MD5, START + 20.0)
    assert Standing.STALE is nonces_of(started=START + 15.0).judge(nonce, REALM, MD5, START + 20.0)


@given(st.lists(st.integers(-1, 400), max_size=60))
def test_each_count_is_taken_once(counts: list[int]) -> None:
    """Whatever the order, a count is taken when it is new and not too far behind, and never again."""
    nonces = nonces_of()
    nonce = nonces.issue(REALM, MD5, START)
    taken = {0}
    for count in counts:
        expected = count > 0 and count not in taken and count > max(taken) - WINDOW
        assert expected == nonces.use(nonce, count, START)
        taken |= {count} if expected else set()
    nonces.check_invariants()


def test_a_great_leap_costs_nothing() -> None:
    """A count of 32 bits does not make a bitmap of as many."""
    nonces = nonces_of()
    nonce = nonces.issue(REALM, MD5, START)
    assert nonces.use(nonce, 1, START)
    tracemalloc.start()
    assert nonces.use(nonce, 0xFFFFFFFF, START)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert not nonces.use(nonce, 1, START)
    assert not nonces.use(nonce, 0xFFFFFFFF - WINDOW, START)
    assert nonces.use(nonce, 0xFFFFFFFF - WINDOW + 1, START)
    nonces.check_invariants()


def test_the_table_forgets_nothing_it_would_take_again() -> None:
    """When the table is full, the one used first goes, and it and all that are older are stale from then on."""
    nonces = nonces_of(limit=2)
    issued = [nonces.issue(REALM, MD5, START + at) for at in range(4)]
    assert [True, True, True] == [nonces.use(issued[number], 1, START + 9.0) for number in (1, 2, 3)]
    expected = [Standing.STALE, Standing.STALE, Standing.FRESH, Standing.FRESH]
    assert expected == [nonces.judge(nonce, REALM, MD5, START + 9.0) for nonce in issued]
    assert not nonces.use(issued[1], 2, START + 9.0)
    assert not nonces.use(issued[0], 1, START + 9.0), "one that is too old does not push out another"
    assert "<Nonces 2 of 2 in use>" == repr(nonces)
    assert nonces.use(issued[2], 2, START + 9.0)


def test_one_that_makes_itself_stale_is_not_taken() -> None:
    """If the one that has to make room was issued later than the one it makes room for, both are stale."""
    nonces = nonces_of(limit=1)
    older, newer = nonces.issue(REALM, MD5, START), nonces.issue(REALM, MD5, START + 1.0)
    assert nonces.use(newer, 1, START + 2.0)
    assert not nonces.use(older, 1, START + 2.0)
    assert "<Nonces 0 of 1 in use>" == repr(nonces)


def test_the_floor_never_sinks() -> None:
    """An older nonce that leaves after a newer one brings nothing to life again."""
    nonces = nonces_of(limit=2)
    older, newer, *others = [nonces.issue(REALM, MD5, START + at) for at in range(4)]
    assert [True] * 4 == [nonces.use(nonce, 1, START + 9.0) for nonce in (newer, older, *others)]
    assert "<Nonces 2 of 2 in use>" == repr(nonces)
    assert Standing.STALE is nonces.judge(newer, REALM, MD5, START + 9.0)
    assert not nonces.use(newer, 1, START + 9.0)


def test_one_in_use_lives_as_long_as_any() -> None:
    """At the end of its life a nonce is still taken, and its counts are still known."""
    nonces = nonces_of()
    nonce = nonces.issue(REALM, MD5, START)
    assert nonces.use(nonce, 1, START)
    assert nonces.use(nonce, 2, START + 300.0)
    assert not nonces.use(nonce, 1, START + 300.0)


def test_expired_ones_leave_and_stay_away() -> None:
    """The table empties by itself, and a clock that is set back brings nothing to life again."""
    nonces = nonces_of()
    first, second = nonces.issue(REALM, MD5, START), nonces.issue(REALM, MD5, START + 301.0)
    assert nonces.use(first, 1, START)
    assert nonces.use(second, 1, START + 301.0)
    assert "<Nonces 1 of 10 in use>" == repr(nonces)
    assert not nonces.use(first, 1, START)
    assert not nonces.use(first, 2, START)


def test_it_is_proven_by_one_user() -> None:
    """From the first right response on it speaks for who gave that, and never for anybody else."""
    nonces = nonces_of()
    nonce = nonces.issue(REALM, MD5, START)
    assert not nonces.proven(nonce, "ann")
    assert nonces.use(nonce, 1, START, "ann")
    assert nonces.use(nonce, 2, START, "ben")
    assert (True, False, False) == tuple(nonces.proven(nonce, user) for user in ("ann", "ben", ""))
    assert not nonces.proven(b"another", "ann")


class Replayer(RuleBasedStateMachine):
    """Somebody who keeps all nonces and counts, and tries them again at any time and after any restart."""

    issued = Bundle("issued")

    def __init__(self) -> None:
        super().__init__()
        self.now = self.latest = START
        self.random = Numbers()
        self.taken: set[tuple[bytes, int]] = set()
        self.start()

    def start(self) -> None:
        self.nonces = Nonces(SECRET, self.now, 300.0, 3, self.random)

    @rule(target=issued)
    def issue(self) -> bytes:
        return self.nonces.issue(REALM, MD5, self.now)

    @rule(nonce=issued, count=st.integers(1, 3) | st.integers(1, 300))
    def use(self, nonce: bytes, count: int) -> None:
        standing = self.nonces.judge(nonce, REALM, MD5, self.now)
        if self.nonces.use(nonce, count, self.now):
            assert Standing.FRESH is standing
            assert (nonce, count) not in self.taken
            self.taken.add((nonce, count))

    @rule(seconds=st.floats(-20.0, 200.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.latest = max(self.latest, self.now)

    @rule()
    def front_restarts(self) -> None:
        self.now = self.latest = self.latest + 1.0
        self.start()

    @invariant()
    def table_is_sound(self) -> None:
        self.nonces.check_invariants()


def test_whatever_is_replayed_in_whatever_order() -> None:
    """No answer counts twice, and no good one is refused."""
    run_state_machine_as_test(Replayer, settings=settings(stateful_step_count=40))
