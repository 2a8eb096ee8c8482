"""What each step changes in the records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracd_cluster.workers.control import Ready
from tracd_cluster.workers.judgement import Failure
from tracd_cluster.workers.sources import Sources
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
from tracd_cluster.workers.table import SLACK, Table
from tracd_cluster.workers.worker import NEVER, IllegalMove, Life

DESIRED = Desired(count=1, start_timeout=120.0, drain_timeout=30.0, terminate_timeout=5.0)


def table_after(*steps: Step, now: float = 100.0) -> Table:
    """Take steps from nothing."""
    table = Table()
    for step in steps:
        table.apply(step, DESIRED, now)
    return table


def test_the_life_of_a_worker_by_steps() -> None:
    """Each step sets the deadline of the next harsher one."""
    table = table_after(StartTemplate(1), Fork(2, 1))
    one = table.workers[2, 1]
    assert (Life.STARTING, 220.0) == (one.life, one.deadline)
    one.get_ready(101.0)
    table.apply(Drain(2, 1), DESIRED, 102.0)
    assert (Life.DRAINING, 132.0) == (one.life, one.deadline)
    table.apply(Terminate(2, 1), DESIRED, 103.0)
    assert (Life.STOPPING, 108.0) == (one.life, one.deadline)
    table.apply(Kill(2, 1), DESIRED, 108.0)
    assert (Life.STOPPING, NEVER) == (one.life, one.deadline)
    one.end(109.0)
    table.apply(Forget(2, 1), DESIRED, 110.0)
    assert {} == table.workers


def test_who_makes_room_has_longer_than_who_is_stopped() -> None:
    """Until everything stops: then the time of all is cut."""
    desired = Desired(count=1, drain_timeout=5.0, leave_timeout=600.0)
    table = table_after(StartTemplate(1), Fork(1, 1), Fork(2, 1))
    for number in (1, 2):
        table.workers[number, 1].get_ready(100.0)
    table.apply(Drain(1, 1), desired, 100.0)
    desired.stopping = True
    table.apply(Drain(2, 1), desired, 104.0)
    assert [700.0, 109.0] == [table.workers[number, 1].deadline for number in (1, 2)]
    table.cut_drains_short(110.0)
    assert [110.0, 109.0] == [table.workers[number, 1].deadline for number in (1, 2)]


def test_the_life_of_a_template_by_steps() -> None:
    """The same for the process they come from."""
    table = table_after(StartTemplate(1))
    one = table.templates[1]
    assert (Life.STARTING, 220.0) == (one.life, one.deadline)
    table.apply(QuitTemplate(1, "thrown away"), DESIRED, 101.0)
    assert (Life.STOPPING, 106.0, "thrown away") == (one.life, one.deadline, one.fault)
    table.apply(KillTemplate(1), DESIRED, 106.0)
    assert one.killed
    one.end(107.0)
    table.apply(ForgetTemplate(1), DESIRED, 108.0)
    assert table.empty


def test_successors_inherit_strikes() -> None:
    """Else nobody would ever wait."""
    table = table_after(StartTemplate(1), Fork(1, 1))
    table.workers[1, 1].end(101.0)
    table.templates[1].end(101.0)
    table.apply(Fork(1, 1), DESIRED, 102.0)
    table.apply(StartTemplate(2), DESIRED, 102.0)
    assert (Life.STARTING, 1) == (table.workers[1, 1].life, table.workers[1, 1].strikes)
    assert 1 == table.templates[2].strikes


@pytest.mark.parametrize("step", [Fork(1, 1), Forget(1, 1), ForgetTemplate(1), StartTemplate(1), Drain(1, 1)])
def test_a_step_that_cannot_be_changes_nothing(step: Step) -> None:
    """A live process is never overwritten nor forgotten."""
    table = table_after(StartTemplate(1), Fork(1, 1))
    before = repr(table)
    with pytest.raises(IllegalMove):
        table.apply(step, DESIRED, 101.0)
    assert before == repr(table)


def test_workers_of_a_generation_are_those_alive() -> None:
    """The exited ones need no one to look after them."""
    table = table_after(StartTemplate(1), Fork(1, 1), Fork(2, 1))
    table.workers[1, 1].end(101.0)
    assert [table.workers[2, 1]] == table.workers_of(1)
    assert [] == table.workers_of(2)
    table.check()


def ready(table: Table, generation: int, now: float, *files: str, urls: tuple[str, ...] = ()) -> None:
    """Let a template get ready."""
    table.templates[generation].get_ready(now)
    table.templates[generation].said = Ready(0.5, True, files, (), urls, ("/trac.ini",), ("/plugins",))


def test_the_files_are_those_of_the_newest_generation_that_got_ready() -> None:
    """A change is looked for in what runs; one that is still starting has not said yet what it consists of."""
    table = table_after(StartTemplate(1))
    assert (Sources(), ()) == (table.sources("/srv", code=True), table.base_urls())
    ready(table, 1, 101.0, "/a.py", urls=("http://a/",))
    table.apply(StartTemplate(2), DESIRED, 101.0)
    first = Sources(1, ("/a.py",), ("/plugins",), ("/trac.ini",), "/srv", 101.0 - 0.5 - SLACK)
    assert (first, ("http://a/",)) == (table.sources("/srv", code=True), table.base_urls())
    assert replace(first, files=(), folders=(), parent=None) == table.sources(None, code=False)
    ready(table, 2, 102.0, "/a.py", "/b.py")
    assert (2, ("/a.py", "/b.py"), ()) == (
        table.sources(None, code=True).generation, table.sources(None, code=True).files, table.base_urls()
    )  # fmt: skip


def test_the_file_that_keeps_a_generation_from_serving_is_watched_too() -> None:
    """It may be one that nothing which runs has loaded; mending it is what everybody waits for."""
    table = table_after(StartTemplate(1))
    ready(table, 1, 101.0, "/a.py")
    table.took_over(1)
    table.failed(Failure(2, 102.0, "no such name", "/helper.py", "Traceback"))
    assert ("/a.py", "/helper.py") == table.sources(None, code=True).files
    assert () == table.sources(None, code=False).files
    table.failed(Failure(2, 103.0, "and then it ended"))
    assert table.last_failure is not None
    assert "no such name" == table.last_failure.error
    table.took_over(1)
    assert table.last_failure is not None, "an old worker that is replaced heals nothing"
    table.apply(StartTemplate(3), DESIRED, 104.0)
    table.took_over(3)
    assert table.last_failure is None


def test_what_runs_is_the_newest_generation_that_has_served() -> None:
    """What is to take over is measured by that."""
    table = table_after(StartTemplate(1))
    assert table.running() is None
    ready(table, 1, 101.0, "/a.py")
    table.took_over(1)
    table.apply(StartTemplate(2), DESIRED, 101.0)
    ready(table, 2, 102.0, "/b.py")
    assert table.running() is table.templates[1].said
    table.took_over(2)
    assert table.running() is table.templates[2].said
