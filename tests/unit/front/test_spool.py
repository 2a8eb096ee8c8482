"""How much of the disk bodies may take."""

from __future__ import annotations

import pytest

from tracd_cluster.errors import NoRoom
from tracd_cluster.front.spool import Spool


def test_what_could_never_fit_is_told_apart_from_what_does_not_fit_now() -> None:
    """507 needs no second try, 503 does; up to the limit all is well."""
    spool = Spool(100)
    spool.take(60, 60)
    spool.check(40)
    for size, status in ((41, 503), (100, 503), (101, 507)):
        with pytest.raises(NoRoom) as raised:
            spool.check(size)
        assert (status, "no_room") == (raised.value.status, raised.value.refused_for)


def test_a_body_that_grows_takes_what_there_is() -> None:
    """Others are in its way, or it is in its own; what was refused has taken nothing."""
    spool = Spool(100)
    spool.take(50, 50)
    spool.take(40, 40)
    for whole, status in ((51, 503), (101, 507)):
        with pytest.raises(NoRoom) as raised:
            spool.take(11, whole)
        assert status == raised.value.status
    assert "<Spool 90 of 100 bytes>" == repr(spool)
    spool.take(10, 60)
    spool.give_back(60)
    assert 40 == spool.used


def test_room_that_is_taken_away_refuses_only_what_comes() -> None:
    """A smaller limit leaves those in peace who have what they need."""
    spool = Spool(100)
    spool.take(80, 80)
    spool.limit = 50
    with pytest.raises(NoRoom):
        spool.check(1)
    spool.give_back(80)
    spool.check(50)
