"""The collector leaves alone what is here to stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tracd_cluster.front.garbage import THRESHOLDS, settle


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_here_is_walked_no_more() -> None:
    """Only what comes later is, and rarely."""
    before = len(gc.get_objects())
    settle()
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < before / 2
    assert THRESHOLDS == gc.get_threshold()


def test_garbage_of_the_start_is_not_kept() -> None:
    """What nobody refers to when it begins would never be found again."""
    gc.disable()
    try:
        ring: list[object] = []
        ring.append(ring)
        mark = id(ring)
        del ring
        settle()
    finally:
        gc.enable()
    gc.unfreeze()
    assert mark not in {id(each) for each in gc.get_objects() if type(each) is list and each and each[0] is each}
