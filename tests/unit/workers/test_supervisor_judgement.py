"""A generation that would serve less well does not take over, and what is wrong with it can be read."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel

from tests.unit.workers.pool import KILLED, Pool
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers.control import Failed, Fault, Ready
from tracd_cluster.workers.endings import Ending

FAULT = Fault("plugin", "/srv/x", "/srv/x/plugins/a.py", "plugin a: SyntaxError", "/srv/x/plugins/a.py", "Traceback …")


def ready(*faults: Fault) -> Ready:
    """Say what a template says."""
    return Ready(0.5, True, ("/srv/x/plugins/a.py",), (), (), faults=faults, opened=("/srv/x",))


def last_failure(pool: Pool) -> Any:
    """Give what the status says."""
    return pool.supervisor.snapshot()["last_failure"]


def test_a_lost_plugin_is_thrown_away_and_mending_it_heals(pool: Pool) -> None:
    """Pages go on as before; the log has the traceback, the status too until it is mended."""
    pool.supervisor.startService()
    pool.supervisor.template_ready(1, ready())
    for number in (1, 2):
        pool.fork(number)
    pool.said()
    pool.supervisor.new_generation()
    pool.supervisor.template_ready(2, ready(FAULT))
    assert ["template 2: start", "template 2: quit"] == pool.said()
    [line] = pool.logged(LogLevel.error)
    assert line.startswith("template 2 (pid 2000) does not take over: environment /srv/x: plugin a: SyntaxError")
    assert "Traceback …" in line
    pool.supervisor.template_ended(2, Ending(status=0))
    failure = last_failure(pool)
    assert (2, FAULT.text, FAULT.file, FAULT.traceback) == (
        failure["generation"], failure["error"], failure["file"], failure["traceback"]
    )  # fmt: skip
    assert ["1.1 ready", "2.1 ready"] == pool.lives()
    pool.clock.advance(3600)
    assert [] == pool.said(), "the same code would fail again"
    pool.supervisor.new_generation()
    pool.supervisor.template_ready(3, ready())
    pool.fork(1, 3)
    assert last_failure(pool) is None


def test_a_template_that_does_not_end_when_it_is_thrown_away_is_killed(pool: Pool) -> None:
    """It has nothing to wait for."""
    pool.supervisor.startService()
    pool.supervisor.template_ready(1, ready())
    for number in (1, 2):
        pool.fork(number)
    pool.supervisor.new_generation()
    pool.supervisor.template_ready(2, ready(FAULT))
    pool.said()
    pool.clock.advance(10)
    assert ["template 2: kill"] == pool.said()
    pool.supervisor.template_ended(2, KILLED)


def test_at_the_first_start_it_is_a_warning(pool: Pool) -> None:
    """There is nothing better to go on with."""
    pool.supervisor.startService()
    pool.supervisor.template_ready(1, ready(FAULT))
    assert ["template 1: start", "template 1: fork 1", "template 1: fork 2"] == pool.said()


def test_a_generation_that_hangs_is_ended_in_time(pool: Pool) -> None:
    """``--start-timeout`` is the deadline of a take-over, too; the status says what happened."""
    pool.run()
    pool.supervisor.take(PoolSettings(workers=2, start_timeout=7.0))
    pool.supervisor.new_generation()
    pool.clock.advance(6.9)
    assert ["template 2: start"] == pool.said()
    pool.clock.advance(0.2)
    assert ["template 2: stack", "template 2: kill"] == pool.said()
    pool.supervisor.template_ended(2, KILLED)
    assert "it did not get ready within 7 s" == last_failure(pool)["error"]
    assert 1 == pool.supervisor.table.generations["refused"]
    assert ["1.1 ready", "2.1 ready"] == pool.lives()


def test_a_template_that_fails_is_remembered_with_its_file(pool: Pool) -> None:
    """Its own words, and where to mend."""
    pool.run()
    pool.supervisor.new_generation()
    failed = Failed("open /srv/x", "nonsense in line 3", "", "/srv/x/conf/trac.ini")
    pool.supervisor.template_ended(2, Ending(status=1, failed=failed))
    assert ("cannot open /srv/x: nonsense in line 3", "/srv/x/conf/trac.ini") == (
        last_failure(pool)["error"], last_failure(pool)["file"]
    )  # fmt: skip


def test_other_settings_count_for_what_is_started_from_now_on(pool: Pool) -> None:
    """The workers of an older template go on having as many lanes as it was told."""
    pool.run()
    pool.supervisor.take(PoolSettings(workers=3, threads=2))
    assert ["template 1: fork 3"] == pool.said()
    lanes = len(pool.lanes)
    assert 3 == lanes
    pool.fork(3)
    pool.supervisor.new_generation()
    pool.supervisor.template_ready(2, ready())
    assert lanes + 2 == len(pool.lanes)
