"""The lives of processes, and what their ends mean for their successors."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.workers.worker import (
    LIFE_OF_TEMPLATE,
    LIFE_OF_WORKER,
    NEVER,
    IllegalMove,
    Life,
    Template,
    Worker,
    backoff,
    check_invariants,
)


def worker(life: Life = Life.STARTING, **fields: Any) -> Worker:
    """Make the record of worker 3."""
    return Worker(number=3, generation=1, life=life, **{"since": 0.0, "pid": 123, **fields})


def template(life: Life = Life.STARTING, **fields: Any) -> Template:
    """Make the record of template 1."""
    return Template(generation=1, since=0.0, life=life, **fields)


@pytest.mark.parametrize("before", Life)
@pytest.mark.parametrize("after", Life)
def test_a_worker_moves_only_as_the_table_says(before: Life, after: Life) -> None:
    """A wrong event shows at once, and changes nothing."""
    one = worker(before, deadline=7.0)
    if after in LIFE_OF_WORKER[before]:
        one.move(after, 5.0)
        assert (after, 5.0, NEVER) == (one.life, one.since, one.deadline)
    else:
        with pytest.raises(IllegalMove, match=f"Worker 3.*{before.value}.*cannot become {after.value}"):
            one.move(after, 5.0)
        assert (before, 0.0, 7.0) == (one.life, one.since, one.deadline)


@pytest.mark.parametrize("after", Life)
def test_a_template_does_not_drain(after: Life) -> None:
    """It has no requests that could run."""
    one = template(Life.READY)
    if after in LIFE_OF_TEMPLATE[Life.READY]:
        one.move(after, 5.0)
        assert after is one.life
    else:
        with pytest.raises(IllegalMove):
            one.move(after, 5.0)
        assert Life.READY is one.life


def test_a_record_shows_its_state() -> None:
    """The log and a failing test say what there is."""
    one = worker(Life.READY, served=7, strikes=2)
    assert "<Worker 3 of generation 1, ready, pid 123, served 7, 2 strikes>" == repr(one)
    one.stop(1.0, NEVER, "its lane was lost")
    assert "<Worker 3 of generation 1, stopping, killed, pid 123, served 7, 2 strikes, its lane was lost>" == repr(one)
    assert "worker 3 (generation 1, pid 123)" == str(one)
    assert "<Template of generation 1, starting, served 0>" == repr(template())
    assert "template 1 (pid 9)" == str(template(pid=9))


def test_the_first_fault_is_kept() -> None:
    """What comes after it is only its consequence."""
    one = worker()
    one.stop(1.0, 2.0, "first")
    one.stop(2.0, NEVER, "second")
    assert ("first", NEVER, 1.0) == (one.fault, one.deadline, one.since)


# -- Note [Strikes]


@pytest.mark.parametrize(
    ("strikes", "wait"), [(0, 0), (1, 0), (2, 0), (3, 0.5), (4, 1), (5, 2), (8, 16), (9, 30), (10, 30), (5000, 30)]
)
def test_the_wait_grows_to_half_a_minute(strikes: int, wait: float) -> None:
    """Two accidents cost nothing; a circle costs little."""
    assert wait == backoff(strikes)


def end(one: Worker | Template, now: float = 10.0, from_outside: bool = False) -> tuple[int, float]:
    """Let it exit; give its strikes and the wait of its successor."""
    one.end(now, from_outside)
    return one.strikes, one.not_before - now


def test_a_worker_that_never_served_gets_a_strike() -> None:
    """Three in a row are no accident."""
    assert (1, 0.0) == end(worker())
    assert (3, 0.5) == end(worker(strikes=2))
    assert (3, 0.5) == end(worker(Life.READY, strikes=2, ready_at=9.0))
    assert (4, 1.0) == end(worker(Life.STOPPING, fault="it did not get ready", strikes=3))


def test_a_worker_that_served_is_replaced_at_once() -> None:
    """A request that kills every worker it meets does not starve the others."""
    assert (5, 0.0) == end(worker(Life.READY, strikes=5, served=1, ready_at=9.0))


def test_a_ready_worker_that_was_killed_is_replaced_at_once() -> None:
    """Somebody who kills workers is not made to wait for new ones."""
    assert (5, 0.0) == end(worker(Life.READY, strikes=5, ready_at=9.0), from_outside=True)
    assert (6, 4.0) == end(worker(Life.STARTING, strikes=5), from_outside=True)


def test_a_worker_that_was_asked_to_end_gets_no_strike() -> None:
    """Fewer workers were wanted, that is all."""
    assert (5, 0.0) == end(worker(Life.STOPPING, strikes=5))
    assert (5, 0.0) == end(worker(Life.DRAINING, strikes=5))


def test_a_minute_of_being_ready_forgives() -> None:
    """Trouble of yesterday is not held against a slot."""
    assert (1, 0.0) == end(worker(Life.READY, strikes=7, ready_at=10.0), 70.0)
    assert (8, 16.0) == end(worker(Life.READY, strikes=7, ready_at=10.1), 70.0)
    assert (8, 16.0) == end(worker(Life.STARTING, strikes=7), 700.0)


def test_a_template_fails_by_leaving_without_a_ready_worker() -> None:
    """Being warm is not yet being of use."""
    assert not template(Life.READY).failed
    assert template(Life.STOPPING).failed
    assert not template(Life.EXITED, served=1).failed


# -- invariants


@pytest.mark.parametrize(
    ("workers", "templates", "what"),
    [
        ([worker(), worker(Life.EXITED)], [template()], "two workers of a slot"),
        ([], [template(), template(Life.EXITED)], "two templates of a generation"),
        ([], [template(), Template(generation=2, since=0.0)], "two templates are starting"),
        ([worker()], [], "nobody can tell how"),
        ([worker(Life.READY, pid=None)], [template()], "ready before its fork"),
        ([worker(Life.READY, fault="sick")], [template()], "gets requests"),
        ([worker(Life.DRAINING, in_flight=-1)], [template()], "gave a lane back twice"),
        ([Worker(number=0, generation=1, since=0.0)], [template()], "has no slot"),
    ],
)
def test_a_table_that_cannot_be_is_seen(workers: list[Worker], templates: list[Template], what: str) -> None:
    """A fault of the supervisor's shows where it happens."""
    with pytest.raises(AssertionError, match=what):
        check_invariants(templates, workers)


def test_a_sound_table_passes() -> None:
    """And what can be is let be."""
    check_invariants([template(Life.READY)], [worker(Life.READY)])
