"""What is decided about the pool, from tables in to steps out."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.workers.plan import FORK_TIMEOUT, nobody_serves, plan
from tracd_cluster.workers.steps import (
    Desired,
    Drain,
    Forget,
    ForgetTemplate,
    Fork,
    Kill,
    KillTemplate,
    QuitTemplate,
    StartTemplate,
    Step,
    Terminate,
)
from tracd_cluster.workers.table import Table
from tracd_cluster.workers.worker import Life, Template, Worker

NOW = 1000.0


def worker(number: int, life: Life, generation: int = 1, **fields: Any) -> Worker:
    """Make a record."""
    return Worker(number=number, generation=generation, life=life, since=NOW, **{"pid": 100 + number, **fields})


def template(generation: int, life: Life, **fields: Any) -> Template:
    """Make a record."""
    return Template(generation=generation, life=life, since=NOW, **fields)


def ready_template(generation: int = 1) -> Template:
    """Make the record of a template that has proved itself."""
    return template(generation, Life.READY, served=1)


def steps_for(desired: Desired, templates: list[Template], workers: list[Worker]) -> list[Step]:
    """Plan once, for the steps alone."""
    return plan(desired, templates, workers, NOW)[0]


# -- filling the pool


def test_an_empty_table_wants_a_template() -> None:
    """Everything begins with one warm process."""
    assert [StartTemplate(1)] == steps_for(Desired(count=2), [], [])


def test_nothing_is_forked_before_the_template_is_ready() -> None:
    """A cold template would make cold workers."""
    steps, wake_at = plan(Desired(count=2), [template(1, Life.STARTING, deadline=NOW + 120)], [], NOW)
    assert ([], NOW + 120) == (steps, wake_at)


def test_a_ready_template_forks_for_every_slot_at_once() -> None:
    """The pool is full as soon as it can be."""
    assert [Fork(1, 1), Fork(2, 1)] == steps_for(Desired(count=2), [template(1, Life.READY)], [])


def test_a_full_pool_wants_nothing_and_sleeps() -> None:
    """An idle server does not wake up."""
    workers = [worker(1, Life.READY), worker(2, Life.READY)]
    assert ([], None) == plan(Desired(count=2), [ready_template()], workers, NOW)


def test_a_crashed_worker_is_replaced_at_once() -> None:
    """A slot is never empty without need."""
    workers = [worker(1, Life.EXITED, not_before=NOW), worker(2, Life.READY)]
    assert [Fork(1, 1)] == steps_for(Desired(count=2), [ready_template()], workers)


def test_a_slot_waits_for_its_backoff_while_others_are_filled() -> None:
    """A crash in a circle does not burn the processor."""
    workers = [worker(1, Life.EXITED, strikes=3, not_before=NOW + 0.5)]
    steps, wake_at = plan(Desired(count=2), [ready_template()], workers, NOW)
    assert ([Fork(2, 1)], NOW + 0.5) == (steps, wake_at)


def test_a_slot_is_not_forked_twice_in_a_generation() -> None:
    """A worker that is on its way out keeps its name until its exit is seen."""
    workers = [worker(1, Life.STOPPING, fault="its lane was lost", deadline=NOW + 5)]
    assert [] == steps_for(Desired(count=1), [ready_template()], workers)


# -- deadlines


def test_a_worker_that_does_not_get_ready_is_killed() -> None:
    """A worker that hangs at its start does not hold its slot for ever."""
    workers = [worker(1, Life.STARTING, deadline=NOW)]
    [step] = steps_for(Desired(count=1), [ready_template()], workers)
    assert step == Kill(1, 1, "it did not get ready within 120 s")


def test_a_worker_that_outlives_sigterm_is_killed_once() -> None:
    """SIGKILL is the last word, and is said once."""
    table = Table({1: ready_template()}, {(1, 1): worker(1, Life.STOPPING, deadline=NOW)})
    desired = Desired(count=1)
    steps = steps_for(desired, [ready_template()], [*table.workers.values()])
    assert [Kill(1, 1), Fork(2, 1)] == steps
    for step in steps:
        table.apply(step, desired, NOW)
    table.workers[2, 1].pid = 102
    table.workers[2, 1].get_ready(NOW)
    assert ([], None) == plan(desired, table.templates.values(), table.workers.values(), NOW)


def test_a_drained_worker_is_terminated_only_when_free_or_overdue() -> None:
    """Running requests end, but not everything waits for ever."""
    busy = worker(1, Life.DRAINING, in_flight=1, deadline=NOW + 1)
    free = worker(2, Life.DRAINING, in_flight=0, deadline=NOW + 1)
    late = worker(3, Life.DRAINING, in_flight=1, deadline=NOW)
    workers = [busy, free, late, *(worker(n, Life.READY, generation=2) for n in (1, 2, 3))]
    steps, wake_at = plan(Desired(count=3), [ready_template(1), ready_template(2)], workers, NOW)
    assert ([Terminate(2, 1), Terminate(3, 1)], NOW + 1) == (steps, wake_at)


def test_a_template_that_does_not_fork_is_killed() -> None:
    """A template that hangs is as bad as none, and looks better."""
    hung = worker(1, Life.STARTING, pid=None, deadline=NOW + 120)
    hung.since = NOW - FORK_TIMEOUT
    [step] = steps_for(Desired(count=1), [ready_template()], [hung])
    assert step == KillTemplate(1, "it did not fork a worker within 10 s")


def test_the_fork_timeout_is_a_reason_to_wake() -> None:
    """Nobody else would notice."""
    asked = worker(1, Life.STARTING, pid=None, deadline=NOW + 120)
    assert ([], NOW + FORK_TIMEOUT) == plan(Desired(count=1), [ready_template()], [asked], NOW)


def test_a_template_that_does_not_get_ready_is_killed() -> None:
    """A start that hangs is told of like one that fails."""
    [step] = steps_for(Desired(count=1), [template(1, Life.STARTING, deadline=NOW)], [])
    assert step == KillTemplate(1, "it did not get ready within 120 s")


# -- scale


def test_scaling_down_drains_the_highest_slots() -> None:
    """Fewer workers, and no request cut off."""
    workers = [worker(n, Life.READY) for n in (1, 2, 3)]
    assert [Drain(2, 1), Drain(3, 1)] == steps_for(Desired(count=1), [ready_template()], workers)


def test_scaling_down_keeps_what_serves_until_the_rest_does() -> None:
    """A surplus worker is worth more than an empty pool."""
    workers = [worker(1, Life.STARTING, deadline=NOW + 120), worker(2, Life.READY)]
    assert [] == steps_for(Desired(count=1), [ready_template()], workers)


def test_scaling_down_ends_what_is_only_starting() -> None:
    """Nothing is lost with a worker that never served."""
    workers = [worker(1, Life.READY), worker(2, Life.STARTING, deadline=NOW + 120)]
    assert [Terminate(2, 1)] == steps_for(Desired(count=1), [ready_template()], workers)


# -- recycling


def test_a_worker_that_is_due_gets_a_stand_in_before_it_drains() -> None:
    """There is never one fewer that serves."""
    desired, templates = Desired(count=2), [ready_template()]
    workers = [worker(1, Life.READY, due="30 requests"), worker(2, Life.READY)]
    assert [Fork(3, 1)] == steps_for(desired, templates, workers)
    assert [] == steps_for(desired, templates, [*workers, worker(3, Life.STARTING, deadline=NOW + 120)])
    assert [Drain(1, 1)] == steps_for(desired, templates, [*workers, worker(3, Life.READY)])


def test_the_slot_of_a_recycled_worker_is_filled_before_the_stand_in_goes() -> None:
    """A slot keeps its number, whoever is in it."""
    desired, templates = Desired(count=2), [ready_template()]
    others = [worker(2, Life.READY), worker(3, Life.READY)]
    leaving = worker(1, Life.DRAINING, due="old", in_flight=1, deadline=NOW + 30)
    assert [] == steps_for(desired, templates, [leaving, *others])
    assert [] == steps_for(desired, templates, [worker(1, Life.STOPPING, due="old", deadline=NOW + 5), *others])
    assert [Fork(1, 1)] == steps_for(desired, templates, [worker(1, Life.EXITED, due="old", not_before=NOW), *others])
    assert [] == steps_for(desired, templates, [worker(1, Life.STARTING, deadline=NOW + 120), *others])
    assert [Drain(3, 1)] == steps_for(desired, templates, [worker(1, Life.READY), *others])


def test_workers_that_are_due_take_turns_the_oldest_first() -> None:
    """Never two at once, and nobody waits for ever."""
    desired, templates = Desired(count=2), [ready_template()]
    workers = [worker(1, Life.READY, due="old", ready_at=5.0), worker(2, Life.READY, due="old", ready_at=4.0)]
    assert [Drain(2, 1)] == steps_for(desired, templates, [*workers, worker(3, Life.READY)])
    leaving = worker(2, Life.STOPPING, due="old", deadline=NOW + 5)
    assert [] == steps_for(desired, templates, [workers[0], leaving, worker(3, Life.READY)])
    back = worker(2, Life.READY, ready_at=6.0)
    assert [Drain(1, 1)] == steps_for(desired, templates, [workers[0], back, worker(3, Life.READY)])


def test_what_a_new_generation_replaces_is_not_recycled() -> None:
    """It is on its way out already."""
    desired, templates = Desired(count=1, generation=2), [ready_template(), template(2, Life.READY)]
    workers = [worker(1, Life.READY, due="old"), worker(2, Life.STARTING, deadline=NOW + 120)]
    assert [Terminate(2, 1), Fork(1, 2)] == steps_for(desired, templates, workers)


def test_without_a_template_nobody_is_recycled() -> None:
    """Nobody could follow."""
    templates = [template(1, Life.EXITED, served=1), template(2, Life.STARTING, deadline=NOW + 120)]
    assert [] == steps_for(Desired(count=1, generation=2), templates, [worker(1, Life.READY, due="old")])


def test_a_worker_that_hangs_is_replaced_before_it_is_gone() -> None:
    """Its last words take a moment, which nobody waits for."""
    hung = [worker(n, Life.STOPPING, fault="it hung", hung=True, deadline=NOW + 0.5) for n in (1, 2)]
    desired, templates = Desired(count=3), [ready_template()]
    assert [Fork(4, 1), Fork(5, 1)] == steps_for(desired, templates, [*hung, worker(3, Life.READY)])
    stand_ins = [worker(4, Life.READY), worker(5, Life.READY)]
    assert ([], NOW + 0.5) == plan(desired, templates, [*hung, worker(3, Life.READY), *stand_ins], NOW)


def test_a_stand_in_that_cannot_start_backs_off() -> None:
    """As any other worker."""
    workers = [
        worker(1, Life.READY, due="old"),
        worker(2, Life.EXITED, strikes=3, not_before=NOW + 0.5),
    ]
    assert ([], NOW + 0.5) == plan(Desired(count=1), [ready_template()], workers, NOW)


# -- generations


def test_the_old_workers_go_on_while_a_new_generation_warms() -> None:
    """A change of code costs nobody a request."""
    workers = [worker(1, Life.READY)]
    assert [StartTemplate(2)] == steps_for(Desired(count=1, generation=2), [ready_template()], workers)
    warming = [ready_template(), template(2, Life.STARTING, deadline=NOW + 120)]
    assert [] == steps_for(Desired(count=1, generation=2), warming, workers)


def test_slots_pass_to_the_new_generation_one_at_a_time() -> None:
    """Only one worker's memory is needed twice."""
    desired = Desired(count=2, generation=2)
    templates = [ready_template(), template(2, Life.READY)]
    old = [worker(1, Life.READY), worker(2, Life.READY)]
    assert [Fork(1, 2)] == steps_for(desired, templates, old)
    assert [] == steps_for(desired, templates, [*old, worker(1, Life.STARTING, 2, deadline=NOW + 120)])
    assert [Drain(1, 1), Fork(2, 2)] == steps_for(desired, templates, [*old, worker(1, Life.READY, 2)])


def test_an_empty_slot_does_not_wait_for_its_turn() -> None:
    """A crash in the middle of a change is mended at once."""
    templates = [ready_template(), template(2, Life.READY)]
    workers = [
        worker(1, Life.READY),
        worker(1, Life.STARTING, 2, deadline=NOW + 120),
        worker(2, Life.EXITED, not_before=NOW),
    ]
    assert [Forget(2, 1), Fork(2, 2)] == steps_for(Desired(count=2, generation=2), templates, workers)


def test_the_old_template_goes_when_its_last_worker_has() -> None:
    """Until then it tells how its workers end."""
    desired = Desired(count=1, generation=2)
    templates = [ready_template(1), ready_template(2)]
    leaving = [worker(1, Life.STOPPING, 1, deadline=NOW + 5), worker(1, Life.READY, 2)]
    assert [] == steps_for(desired, templates, leaving)
    gone = [worker(1, Life.EXITED, 1), worker(1, Life.READY, 2)]
    assert [Forget(1, 1), QuitTemplate(1)] == steps_for(desired, templates, gone)


def test_a_generation_that_fails_is_thrown_away_and_not_tried_again() -> None:
    """A broken edit never takes the site down, nor does it fill the log."""
    templates = [ready_template(1), template(2, Life.EXITED, strikes=1, not_before=NOW - 1)]
    assert [] == steps_for(Desired(count=1, generation=2), templates, [worker(1, Life.READY)])


def test_the_next_wish_tries_again() -> None:
    """The edit has been mended."""
    templates = [ready_template(1), template(2, Life.EXITED, strikes=1, not_before=NOW + 30)]
    steps = steps_for(Desired(count=1, generation=3), templates, [worker(1, Life.READY)])
    assert [StartTemplate(3)] == steps


def test_a_generation_whose_workers_do_not_get_ready_is_thrown_away() -> None:
    """Not every broken edit shows in the template."""
    templates = [ready_template(1), template(2, Life.READY)]
    workers = [worker(1, Life.READY), worker(1, Life.EXITED, 2, strikes=3, not_before=NOW + 0.5)]
    steps = steps_for(Desired(count=1, generation=2), templates, workers)
    assert [QuitTemplate(2, "its workers did not get ready")] == steps


def test_without_an_older_template_a_failed_one_is_tried_again_after_its_backoff() -> None:
    """The cause may pass: a disk that was full, a database that was away."""
    failed = template(2, Life.EXITED, strikes=3, not_before=NOW + 0.5)
    desired = Desired(count=1, generation=2)
    assert ([], NOW + 0.5) == plan(desired, [failed], [], NOW)
    assert [StartTemplate(3)] == plan(desired, [failed], [], NOW + 0.5)[0]


def test_a_template_that_dies_is_followed_by_a_new_generation() -> None:
    """Its workers serve until the new ones do, for nobody can fork from the dead."""
    dead = template(1, Life.EXITED, served=2, not_before=NOW)
    workers = [worker(1, Life.READY)]
    assert [StartTemplate(2)] == steps_for(Desired(count=1), [dead], workers)


def test_an_outdated_start_is_given_up_for_the_newer_one() -> None:
    """Two edits in a row do not make two changes."""
    templates = [ready_template(1), template(2, Life.STARTING, deadline=NOW + 120)]
    steps = steps_for(Desired(count=1, generation=3), templates, [worker(1, Life.READY)])
    assert [KillTemplate(2), StartTemplate(3)] == steps


def test_a_newer_edit_ends_the_take_over_of_the_last_one() -> None:
    """Its worker would be replaced the moment it got ready: the newest wish wins, and one starts at a time."""
    templates = [ready_template(1), template(3, Life.READY), template(5, Life.READY)]
    old = [worker(1, Life.READY), worker(2, Life.READY)]
    overtaken = worker(1, Life.STARTING, 3, deadline=NOW + 120)
    desired = Desired(count=2, generation=5)
    assert [Terminate(1, 3), Fork(1, 5)] == steps_for(desired, templates, [*old, overtaken])
    ended = worker(1, Life.STOPPING, 3, deadline=NOW + 5)
    started = worker(1, Life.STARTING, 5, deadline=NOW + 120)
    assert [] == steps_for(desired, templates, [*old, ended, started])


def test_a_slot_never_has_three() -> None:
    """Nor when its oldest worker has not got ready yet: it is the one that will serve first."""
    templates = [ready_template(1), template(3, Life.READY), template(5, Life.READY)]
    starting = [worker(1, Life.STARTING, generation, deadline=NOW + 120) for generation in (1, 3)]
    assert [Terminate(1, 3), Fork(1, 5)] == steps_for(Desired(count=1, generation=5), templates, starting)


def test_a_newer_edit_does_not_end_what_fills_an_empty_slot() -> None:
    """Nobody else would serve there any sooner."""
    templates = [ready_template(3), template(5, Life.READY)]
    workers = [worker(1, Life.STARTING, 3, deadline=NOW + 120)]
    assert [Fork(1, 5)] == steps_for(Desired(count=1, generation=5), templates, workers)


def behind(*newer: Template) -> list[Template]:
    """Make the records of an old template that could still fork, and of one that has served after it and died."""
    return [ready_template(1), template(6, Life.EXITED, served=1, not_before=NOW), *newer]


def test_while_the_pool_is_behind_only_empty_slots_get_old_code() -> None:
    """It serves better than nobody, but what has been replaced is not brought back, nor is more of it put in place."""
    templates = behind(template(7, Life.STARTING, deadline=NOW + 120))
    desired = Desired(count=3, generation=6)
    workers = [worker(1, Life.READY), worker(2, Life.READY, 6)]
    assert [Fork(3, 1)] == steps_for(desired, templates, workers)
    oldest = worker(3, Life.READY, 0)
    assert [] == steps_for(desired, [ready_template(0), *templates], [*workers, oldest])


def test_while_the_pool_is_behind_a_generation_that_fails_is_tried_again() -> None:
    """Or workers of two generations would stay side by side until somebody edits something."""
    failed = template(7, Life.EXITED, strikes=3, not_before=NOW + 0.5)
    desired, workers = Desired(count=2, generation=6), [worker(1, Life.READY), worker(2, Life.READY, 6)]
    assert ([], NOW + 0.5) == plan(desired, behind(failed), workers, NOW)
    assert [StartTemplate(8)] == plan(desired, behind(failed), workers, NOW + 0.5)[0]


def test_that_the_pool_is_behind_is_remembered_until_the_old_template_goes() -> None:
    """One that has served is not forgotten with its last worker, but when nobody can be behind it any more."""
    desired, old = Desired(count=1, generation=6), worker(1, Life.DRAINING, in_flight=1, deadline=NOW + 30)
    starting = template(7, Life.STARTING, deadline=NOW + 120)
    assert [Fork(2, 1)] == steps_for(desired, behind(starting), [old])  # the stand-in of one that drains
    workers = [old, worker(1, Life.READY, 8)]
    assert [] == steps_for(desired, behind(ready_template(8)), workers)
    gone = [template(1, Life.EXITED, served=1), *behind(ready_template(8))[1:]]
    assert [ForgetTemplate(1), ForgetTemplate(6)] == steps_for(desired, gone, workers[1:])


def test_whoever_follows_one_that_hung_waits_for_a_name_that_is_taken() -> None:
    """A worker that crashed in the same slot is gone in a moment; until then there cannot be another of its name."""
    crashed = worker(1, Life.STOPPING, fault="its lane was lost", deadline=NOW + 0.2)
    hung = worker(1, Life.STOPPING, 6, fault="it hung", hung=True, deadline=NOW + 0.5)
    templates = behind(template(7, Life.STARTING, deadline=NOW + 120))
    desired = Desired(count=1, generation=6)
    assert ([], NOW + 0.2) == plan(desired, templates, [crashed, hung], NOW)
    crashed.move(Life.EXITED, NOW)
    assert [Fork(1, 1)] == steps_for(desired, templates, [crashed, hung])


# -- stop


def test_stopping_drains_first_and_starts_nothing() -> None:
    """What was accepted ends before the workers do."""
    desired = Desired(count=2, generation=2, stopping=True)
    workers = [worker(1, Life.READY), worker(2, Life.EXITED)]
    assert [Drain(1, 1), Forget(2, 1)] == steps_for(desired, [ready_template()], workers)


def test_the_template_is_the_last_to_go() -> None:
    """It tells how the others went."""
    desired = Desired(count=1, stopping=True)
    assert [] == steps_for(desired, [ready_template()], [worker(1, Life.STOPPING, deadline=NOW + 5)])
    assert [QuitTemplate(1)] == steps_for(desired, [ready_template()], [])
    assert [ForgetTemplate(1)] == steps_for(desired, [template(1, Life.EXITED)], [])


def test_stopping_does_not_wait_for_a_template_to_warm() -> None:
    """Ctrl-C right after the start works at once."""
    starting = template(1, Life.STARTING, deadline=NOW + 120)
    assert [KillTemplate(1)] == steps_for(Desired(count=1, stopping=True), [starting], [])


# -- whether requests may wait


BACK_OFF = worker(1, Life.EXITED, strikes=3, not_before=NOW + 0.5)


@pytest.mark.parametrize(
    ("nobody", "templates", "workers"),
    [
        (False, [ready_template()], [worker(1, Life.READY)]),
        (False, [template(1, Life.STARTING)], []),
        (False, [ready_template()], [worker(1, Life.STARTING)]),
        (False, [ready_template()], [worker(1, Life.STARTING, strikes=5)]),
        (False, [ready_template()], [worker(1, Life.STOPPING)]),
        (True, [ready_template()], [BACK_OFF]),
        (False, [ready_template()], [BACK_OFF, worker(2, Life.READY)]),
        (False, [template(2, Life.STARTING, strikes=2)], []),
        (True, [template(4, Life.STARTING, strikes=3)], []),
        (True, [template(4, Life.EXITED, strikes=3, not_before=NOW + 0.5)], []),
    ],
    ids=lambda value: " ".join(repr(one) for one in value) or "none" if isinstance(value, list) else str(value),
)
def test_requests_wait_only_for_what_is_expected_soon(
    nobody: bool, templates: list[Template], workers: list[Worker]
) -> None:
    """A wait that leads nowhere is worse than a plain 503."""
    assert nobody == nobody_serves(Desired(count=2), templates, workers)


def test_while_stopping_nobody_is_expected() -> None:
    """Who is still in line then will not be served."""
    assert nobody_serves(Desired(count=1, stopping=True), [ready_template()], [worker(1, Life.DRAINING)])
