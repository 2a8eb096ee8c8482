"""The last slow requests."""

from __future__ import annotations

from tests.unit.admin.ended import ended
from tracd_cluster.admin.slow import KEPT, SLOW, SlowRequests
from tracd_cluster.front.record import LEFT, Record


def test_the_time_of_the_worker_and_the_line_counts() -> None:
    """A client that reads for an hour makes nothing slow."""
    slow = SlowRequests()
    slow.tell(ended(worker_seconds=SLOW / 2, total_seconds=3600.0))
    assert [] == slow.latest()
    slow.tell(ended(b"/query?token=secret", worker_seconds=SLOW / 2, line_seconds=SLOW / 2, user=b"j%C3%B6rg"))
    [found] = slow.latest()
    assert ("GET", "/query", "jörg", 200, SLOW / 2, SLOW / 2, "worker 1", 1000.0) == (
        found["method"], found["path"], found["user"], found["status"], found["line"], found["seconds"],
        found["worker"], found["at"],
    )  # fmt: skip


def test_whoever_left_waited_for_something() -> None:
    """In line, if no worker was asked."""
    slow = SlowRequests()
    slow.tell(ended(status=LEFT, line_seconds=1.0, total_seconds=3.0))
    slow.tell(ended(status=LEFT, worker="", total_seconds=3.0))
    assert [(3.0, 0.0), (1.0, 2.0)] == [(one["line"], one["seconds"]) for one in slow.latest()]


def test_no_more_than_a_few_are_kept() -> None:
    """The latest, with paths of a bounded length; what was no request is not among them."""
    slow = SlowRequests()
    for number in range(KEPT + 10):
        slow.tell(ended(b"/%d/" % number + b"x" * 2000, worker_seconds=1.0))
    slow.tell(Record(0.0, "", None))
    assert KEPT == len(slow.latest())
    assert str(slow.latest()[0]["path"]).startswith(f"/{KEPT + 9}/")
    assert 500 == len(str(slow.latest()[0]["path"]))
