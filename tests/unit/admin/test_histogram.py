"""Times counted by how long they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.admin.histogram import Histogram


def test_a_bound_is_part_of_what_is_below_it() -> None:
    """As Prometheus means ``le``: less or equal."""
    histogram = Histogram((0.1, 1.0))
    for value in (0.0, 0.1, 0.100001, 1.0, 7.0):
        histogram.observe(value)
    assert [("0.1", 2.0), ("1.0", 4.0), ("+Inf", 5.0)] == histogram.cumulative()
    assert 8.2 == round(histogram.total, 3)
    assert "<Histogram of 5, 8.2 s in all>" == repr(histogram)


@given(st.lists(st.floats(0, 1000)))
def test_nothing_is_lost(values: list[float]) -> None:
    """The last one counts all, and each counts no fewer than the one before."""
    histogram = Histogram((0.5, 5.0, 50.0))
    for value in values:
        histogram.observe(value)
    counts = [count for _, count in histogram.cumulative()]
    assert sorted(counts) == counts
    assert len(values) == counts[-1]
    assert counts[1] == sum(value <= 5.0 for value in values)
