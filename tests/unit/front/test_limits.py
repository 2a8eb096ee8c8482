"""How long a request may take."""

from __future__ import annotations

import pytest

from tracd_cluster.front.limits import TimeLimits, shortest, time_limits
from tracd_cluster.settings.front import FrontSettings

LIMITS = time_limits(FrontSettings(request_timeouts=(("/report/*format=csv", 900.0), ("/changeset/1", 30.0))))


@pytest.mark.parametrize(
    ("target", "seconds"),
    [
        (b"/", 120.0),
        (b"/project/wiki/WikiStart?version=3", 120.0),
        (b"/browser/trunk?rev=7&format=zip", 600.0),
        (b"/project/zip-attachment/wiki/Start/", 600.0),
        (b"/admin/versioncontrol/repository", 600.0),
        (b"/browser/trunk/a.py?annotate=blame", 300.0),
        (b"/project/changeset/42", 300.0),
        (b"/changeset?old=1&new=2", 300.0),
        (b"/changeset/1", 30.0),
        (b"/report/3?format=csv", 900.0),
        (b"/report/3?format=tab", 120.0),
        (b"/wiki/x?format=csv&y=/report/", 120.0),
        (b"*", 120.0),
    ],
)
def test_it_goes_by_the_kind(target: bytes, seconds: float) -> None:
    """What takes long in any Trac may take longer; the options come first."""
    assert seconds == LIMITS.of(target)


def test_what_is_slow_never_has_less_than_the_rest() -> None:
    """A longer limit for all is one for these as well."""
    limits = time_limits(FrontSettings(request_timeout=400.0))
    assert (400.0, 600.0) == (limits.of(b"/changeset/1"), limits.of(b"/?format=zip"))


def test_there_may_be_no_kinds() -> None:
    """Then there is nothing to look for."""
    limits = TimeLimits(5.0, [])
    assert 5.0 == limits.of(b"/?format=zip")


def test_a_long_target_is_looked_through_once() -> None:
    """No target makes it go back and forth: 8 KiB of near hits take no time that could be felt."""
    limits = TimeLimits(5.0, [("a*b*c*d", 9.0)])
    assert 5.0 == limits.of(b"abc" * 2700)


def test_the_shortest_of_all_times() -> None:
    """Deadlines are looked at as often as that."""
    assert 20.0 == shortest(FrontSettings())
    assert 3.0 == shortest(FrontSettings(request_timeouts=(("/a", 9.0), ("/b", 3.0))))
    assert 2.0 == shortest(FrontSettings(idle_timeout=2.0))
