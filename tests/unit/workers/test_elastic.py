"""How the size of an elastic pool follows from what is seen of it."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.workers.elastic import Bounds, Look, Size, first_size, resize

BOUNDS = Bounds(least=1, most=6, processors=2, grow_after=0.3, shrink_after=60.0)


def size(count: int, *used_at: float, **fields: Any) -> Size:
    """Make a size that was last used like this, and before that never."""
    return Size(count=count, used_at=(*used_at, *[0.0] * (BOUNDS.most - len(used_at))), **fields)


def count_after(start: Size, look: Look, now: float, bounds: Bounds = BOUNDS) -> int:
    """Give the number of workers after one look."""
    return resize(bounds, start, look, now).count


@pytest.mark.parametrize(
    ("count", "look", "expected"),
    [
        (1, Look(), 1),
        (1, Look(waited=0.29, used=1), 1),
        (1, Look(waited=0.3, used=1), 2),
        (2, Look(waited=0.3, used=2), 2),
        (2, Look(waited=0.3, used=2, held=1), 3),
        (3, Look(waited=0.3, used=3, held=1), 3),
        (3, Look(waited=9.0, used=3, held=3), 4),
        (6, Look(waited=9.0, used=6, held=6), 6),
        (1, Look(waited=9.0, used=1, settled=False), 1),
    ],
)
def test_it_grows_for_those_who_wait(count: int, look: Look, expected: int) -> None:
    """Up to the processors for any wait, beyond them only for workers that are held, and one at a time."""
    assert expected == count_after(size(count, *[100.0] * count), look, 100.0)


def test_it_begins_with_the_least() -> None:
    """And does not shrink before the first quiet time is over."""
    bounds = Bounds(least=2, most=4, processors=2, grow_after=0.3, shrink_after=60.0)
    first = first_size(bounds, 100.0)
    assert (2, (100.0,) * 4) == (first.count, first.used_at)
    assert 2 == count_after(first, Look(), 500.0, bounds)


def test_it_shrinks_when_the_last_has_not_been_needed_for_a_while() -> None:
    """What counts is how many were at work together, not which."""
    now = 200.0
    assert 2 == count_after(size(2, now, now - 59.9), Look(used=1), now)
    assert 1 == count_after(size(2, now, now - 60.0), Look(used=1), now)
    assert 2 == count_after(size(2, now, now - 60.0), Look(used=2), now)


@pytest.mark.parametrize(("last", "expected"), [("idle", 1), ("busy", 2), ("held", 2)])
def test_a_worker_at_work_does_not_go(last: str, expected: int) -> None:
    """Even if fewer would do: it goes when it is idle."""
    assert expected == count_after(size(2, 200.0, 0.0), Look(used=1, last=last), 200.0)


def test_growth_begins_a_new_quiet_time() -> None:
    """What has just come has been needed."""
    grown = resize(BOUNDS, size(1, 100.0), Look(waited=0.4, used=1), 100.0)
    assert (2, 100.0) == (grown.count, grown.used_at[1])
    assert 2 == count_after(grown, Look(), 159.0)
    assert 1 == count_after(grown, Look(), 160.0)


@pytest.mark.parametrize(("last", "expected"), [("idle", 3), ("busy", 3), ("held", 4)])
def test_what_grew_for_held_workers_goes_first(last: str, expected: int) -> None:
    """More at work than processors are in each other's way: a quarter of the time, and quick requests end by it."""
    crowd = Look(waited=1.0, used=4, last=last)
    after = resize(BOUNDS, size(4, *[100.0] * 4), crowd, 100.0)
    assert (4, 100.0) == (after.count, after.crowded_since)
    assert 4 == count_after(after, crowd, 114.9)
    assert expected == count_after(after, crowd, 115.0)


def test_a_moment_without_a_crowd_begins_anew() -> None:
    """As long as workers are held, the others stay."""
    crowded = size(4, *[100.0] * 4, crowded_since=100.0)
    assert resize(BOUNDS, crowded, Look(used=4, held=2), 110.0).crowded_since is None


def test_it_never_leaves_its_bounds() -> None:
    """Whatever is seen."""
    now, at = 0.0, first_size(BOUNDS, 0.0)
    for waited, held in [(1.0, 6)] * 10 + [(0.0, 0)] * 10:
        now += 100.0
        at = resize(BOUNDS, at, Look(waited=waited, used=held, held=held), now)
        assert 1 <= at.count <= 6
    assert 1 == at.count
