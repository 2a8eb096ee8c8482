"""How late the event loop is."""

from __future__ import annotations

from twisted.internet.task import Clock

from tracd_cluster.admin.lag import INTERVAL, KEPT, Lag


def test_what_comes_late_is_noted() -> None:
    """A look that comes in time is no lag, one that comes later is, by as much."""
    clock = Clock()
    late = [0.0]
    lag = Lag(clock, lambda: clock.seconds() + late[0])
    assert {"p50": 0.0, "p99": 0.0, "max": 0.0} == lag.recent()
    lag.start()
    for _ in range(9):
        clock.advance(INTERVAL)
    late[0] = 0.2
    clock.advance(INTERVAL)
    found = lag.recent()
    assert (0.0, 0.2) == (round(found["p50"], 6), round(found["max"], 6))
    counts = dict(lag.histogram.cumulative())
    assert (9.0, 9.0, 10.0) == (counts["0.0005"], counts["0.1"], counts["0.25"])
    lag.stop()
    lag.stop()
    assert [] == clock.getDelayedCalls()


def test_the_page_tells_of_the_last_minute() -> None:
    """A bad moment of an hour ago is history; the histogram keeps it."""
    clock = Clock()
    late = [5.0]
    lag = Lag(clock, lambda: clock.seconds() + late[0])
    late[0] = 0.0
    lag.start()
    late[0] = 5.0
    clock.advance(INTERVAL)
    assert 5.0 == round(lag.recent()["max"], 6)
    clock.pump([INTERVAL] * KEPT)
    assert 0.0 == round(lag.recent()["max"], 6)
    assert 1 == lag.histogram.counts[-1]
    lag.stop()
