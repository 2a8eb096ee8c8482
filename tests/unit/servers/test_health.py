"""Who is used, who is out, and when that changes: all with literals."""

from __future__ import annotations

import pytest

from tracd_cluster.servers.health import NEVER, Health, backoff


def well(now: float = 100.0) -> Health:
    """A server in use."""
    health = Health(since=0.0)
    assert health.checked(None, 5.0, now)
    return health


def test_a_new_server_is_used_in_full_once_it_is_well() -> None:
    """Nobody is sent to an address that has never answered; a first start is no reason to be careful."""
    health = Health(since=0.0)
    assert 0 == health.share(16, 1.0)
    assert not health.checked("refused", 5.0, 1.0)
    assert 1.5 == health.ask_at
    health = Health(since=0.0)
    assert health.checked(None, 5.0, 1.0)
    assert 16 == health.share(16, 1.0)
    assert 6.0 == health.ask_at
    assert NEVER == health.grows_at(16, 1.0)


def test_a_connection_that_cannot_be_made_puts_it_out_at_once() -> None:
    """The request goes to another server, and so do all that follow."""
    health = well()
    assert health.failed("refused", True, 101.0)
    assert (False, "refused", 101.5) == (health.used, health.fault, health.ask_at)
    assert 0 == health.share(16, 101.0)
    assert not health.failed("refused", True, 101.1)
    assert 101.5 == health.ask_at


def test_three_failures_in_a_row_put_it_out() -> None:
    """One page may be broken; an answer in between shows that the server is not."""
    health = well()
    assert not health.failed("503", False, 101.0)
    assert not health.failed("503", False, 101.0)
    health.answered(101.0)
    assert not health.failed("503", False, 101.0)
    assert not health.checked("no answer", 5.0, 101.0)
    assert health.failed("503", False, 101.0)


def test_a_check_that_finds_nobody_there_puts_it_out_at_once() -> None:
    """A check that only had a bad answer is one of three."""
    health = well()
    assert not health.checked("it answered 500", 5.0, 101.0)
    assert health.checked("no connection", 5.0, 102.0, True)
    assert not health.used


def test_it_is_asked_more_and_more_seldom() -> None:
    """A server that is gone for the night costs next to nothing."""
    health = well()
    health.failed("refused", True, 101.0)
    now, waits = health.ask_at, []
    for _ in range(8):
        health.checked("refused", 5.0, now)
        waits.append(health.ask_at - now)
        now = health.ask_at
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == waits
    assert 30.0 == backoff(10_000)


@pytest.mark.parametrize(("after", "share"), [(0, 1), (0.9, 1), (1, 2), (2.5, 4), (3, 8), (4, 16), (5, 16), (900, 16)])
def test_it_comes_back_slowly(after: float, share: int) -> None:
    """One request at a time first, twice as many each second."""
    health = well()
    health.failed("refused", True, 101.0)
    assert health.checked(None, 5.0, 102.0)
    assert share == health.share(16, 102.0 + after)


def test_it_says_when_its_share_grows() -> None:
    """The pool sleeps until then."""
    health = well()
    health.failed("refused", True, 101.0)
    health.checked(None, 5.0, 102.0)
    assert 103.0 == health.grows_at(16, 102.0)
    assert 105.0 == health.grows_at(16, 104.2)
    assert NEVER == health.grows_at(16, 106.0)
    assert NEVER == health.grows_at(1, 102.0)


def test_a_minute_of_use_is_forgiveness() -> None:
    """After that, the next failure is a first one again."""
    health = well()
    for now in (101.0, 103.0, 105.0):
        health.failed("refused", True, now)
        assert health.hopeless == (now == 105.0)
        health.checked(None, 5.0, now + 1)
    assert not health.hopeless
    health.failed("refused", True, 120.0)
    assert 124.0 == health.ask_at
    health.checked(None, 5.0, 130.0)
    health.failed("refused", True, 190.0)
    assert 190.5 == health.ask_at
