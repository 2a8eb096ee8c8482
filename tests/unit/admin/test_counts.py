"""Requests are counted by what they were for, how they ended and how long they took."""

from __future__ import annotations

from tests.unit.admin.ended import ended
from tracd_cluster.admin.counts import Counts
from tracd_cluster.front.record import LEFT, Record
from tracd_cluster.traffic.place import PEOPLE, STRANGERS


def test_each_is_counted_once() -> None:
    """By kind and status; sizes are added up."""
    counts = Counts()
    counts.tell(ended(b"/wiki", 200, sent=1000, received=0))
    counts.tell(ended(b"/ticket/1", 200, sent=10, received=5))
    counts.tell(ended(b"/chrome/a.css", 304, sent=1))
    counts.tell(ended(b"/login", 401, sent=1))
    counts.tell(ended(b"/report/1", 502, sent=1))
    found = {key: count for key, count in counts.requests.items() if count}
    expected = {("page", 2): 2, ("static", 3): 1, ("login", 4): 1, ("page", 5): 1}
    assert expected == found
    assert {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 1} == counts.by_status()
    assert (1013, 5) == (counts.sent, counts.received)


def test_times_are_those_of_workers() -> None:
    """What the front answers itself waits for nobody, and would only make the others look better."""
    counts = Counts()
    counts.tell(ended(line_seconds=0.2, worker_seconds=0.02, total_seconds=9.0))
    counts.tell(ended(worker="", total_seconds=3.0))
    assert (1, 0.2) == (sum(counts.line.counts), counts.line.total)
    assert (1, 0.02) == (sum(counts.worker["page"].counts), counts.worker["page"].total)
    assert ("0.25", 1.0) in counts.line.cumulative()
    assert ("0.1", 0.0) in counts.line.cumulative()


def test_whoever_leaves_has_waited_for_so_long() -> None:
    """A page that nobody waits for to its end is not a quick one."""
    counts = Counts()
    counts.tell(ended(status=LEFT, line_seconds=1.0, total_seconds=9.0))
    assert 8.0 == counts.worker["page"].total
    assert {"4xx": 1} == counts.by_status()


def test_what_was_no_request() -> None:
    """It is counted too, and is for nothing in particular."""
    counts = Counts()
    record = Record(0.0, "10.0.0.1", None)
    record.status = 400
    counts.tell(record)
    assert 1 == counts.requests["other", 4]


def test_each_class_is_counted_by_itself() -> None:
    """Who was served and how long he stood in line, and who wanted a worker and got none."""
    counts = Counts()
    counts.tell(ended(place=PEOPLE, line_seconds=0.02))
    counts.tell(ended(place=STRANGERS, line_seconds=2.0))
    counts.tell(ended(place=STRANGERS, worker="", status=503))
    counts.tell(ended(place=STRANGERS, worker="", status=429))
    counts.tell(ended(place=STRANGERS, worker="", by="cache"))
    counts.tell(ended(place=STRANGERS, status=503))
    counts.tell(ended(worker="", status=503))
    assert [1, 0, 2, 0] == [sum(line.counts) for line in counts.line_of]
    assert [0.02, 0.0, 2.0, 0.0] == [line.total for line in counts.line_of]
    assert [0, 0, 2, 0] == counts.refused_of
