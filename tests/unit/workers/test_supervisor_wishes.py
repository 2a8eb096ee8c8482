"""Who is called when: scale, generations, stop, and what the status says."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogLevel

from tests.unit.workers.pool import KILLED, Pool, Request
from tracd_cluster.workers.control import Failed
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.steps import Wish

# -- wishes


def test_scaling(pool: Pool) -> None:
    """More are forked, fewer are drained."""
    pool.run()
    pool.supervisor.scale(3)
    assert ["template 1: fork 3"] == pool.said()
    pool.fork(3)
    pool.supervisor.scale(1)
    assert ["template 1: SIGTERM to 2", "template 1: SIGTERM to 3"] == pool.said()
    pool.end(2, 0)
    pool.end(3, 0)
    assert ["1.1 ready"] == pool.lives()
    assert [] == pool.logged(LogLevel.error)
    with pytest.raises(ValueError, match="0 workers cannot serve"):
        pool.supervisor.scale(0)


def test_what_was_wished_of_one_before_us(pool: Pool) -> None:
    """It counts, unless the settings have become others since."""
    pool.run()
    assert (2, 2, 1) == pool.supervisor.wish()
    for wish in (Wish(2, 2, 1), Wish(3, 3, 1), Wish(3, 2, 4)):
        pool.supervisor.inherit(wish)
        assert [] == pool.said()
    pool.supervisor.inherit(Wish(3, 2, 1))
    assert ["template 1: fork 3"] == pool.said()
    assert (3, 2, 1) == pool.supervisor.wish()


def test_a_new_generation_takes_over_without_a_gap(pool: Pool) -> None:
    """Each new worker is ready before an old one drains, and a running request ends first."""
    pool.run()
    busy: Any = pool.balancer.claim(Request())
    assert "worker 2" == busy.name
    pool.supervisor.new_generation()
    assert ["template 2: start"] == pool.said()
    pool.templates[1].get_ready()
    assert ["template 2: fork 1"] == pool.said()
    pool.fork(1, 2)
    assert ["template 2: fork 2", "template 1: SIGTERM to 1"] == pool.said()
    pool.fork(2, 2)
    pool.end(1, 0)
    assert ["2.1 draining", "1.2 ready", "2.2 ready"] == pool.lives()
    pool.balancer.release(busy)
    assert ["template 1: SIGTERM to 2"] == pool.said()
    pool.end(2, 0)
    assert ["template 1: quit"] == pool.said()
    pool.supervisor.template_ended(1, Ending(status=0))
    assert ([2], ["1.2 ready", "2.2 ready"]) == (list(pool.supervisor.table.templates), pool.lives())


def test_a_new_generation_that_fails_is_told_of_once_and_thrown_away(pool: Pool) -> None:
    """A broken edit never takes the site down."""
    pool.run()
    pool.supervisor.new_generation()
    failed = Failed("import the plugin x", "SyntaxError: …", "")
    pool.supervisor.template_ended(2, Ending(status=1, failed=failed))
    assert [
        "template 2 (pid 2000) cannot import the plugin x: SyntaxError: …"
        "; workers of generation 1 go on, and this generation is thrown away"
    ] == pool.logged(LogLevel.critical)
    pool.clock.advance(3600)
    assert ["template 2: start"] == pool.said()
    assert [] == pool.fatal
    assert ["1.1 ready", "2.1 ready"] == pool.lives()
    pool.supervisor.new_generation()
    assert ["template 3: start"] == pool.said()


def test_a_late_word_of_a_template_that_was_killed_is_passed_over(pool: Pool) -> None:
    """Its message and our signal crossed."""
    pool.run()
    pool.supervisor.new_generation()
    pool.supervisor.new_generation()
    assert ["template 2: start", "template 2: kill", "template 3: start"] == pool.said()
    pool.templates[1].get_ready()
    assert [] == pool.said()
    pool.supervisor.template_ended(2, KILLED)
    [line] = pool.logged()[-1:]
    assert line.startswith("template 2 (pid 2000) has ended as asked: it was killed by SIGKILL")


# -- stop


def stopped(pool: Pool) -> list[bool]:
    """Stop; what is given becomes [True] when nothing is left."""
    done: list[bool] = []
    pool.supervisor.stopService().addCallback(lambda _: done.append(True))
    return done


def test_stop_drains_then_terminates_then_quits(pool: Pool) -> None:
    """Nothing is cut off and nobody is left."""
    pool.run()
    busy: Any = pool.balancer.claim(Request())
    done = stopped(pool)
    assert ["template 1: SIGTERM to 1"] == pool.said()
    pool.end(1, 0)
    pool.clock.advance(1)
    assert [] == pool.said()
    pool.balancer.release(busy)
    assert ["template 1: SIGTERM to 2"] == pool.said()
    pool.end(2, 0)
    assert ["template 1: quit"] == pool.said()
    assert [] == done
    pool.supervisor.template_ended(1, Ending(status=0))
    assert [True] == done
    assert pool.supervisor.table.empty
    assert [] == pool.clock.getDelayedCalls()
    assert [] == pool.logged(LogLevel.error)


def test_stop_does_not_wait_for_ever(pool: Pool) -> None:
    """Drain deadline, SIGTERM, SIGKILL; each is said."""
    pool.run()
    pool.balancer.claim(Request())
    done = stopped(pool)
    pool.end(1, 0)
    pool.said()
    pool.clock.advance(30)
    assert ["template 1: SIGTERM to 2"] == pool.said()
    pool.clock.advance(5)
    assert ["template 1: SIGKILL to 2"] == pool.said()
    assert [
        "worker 2 (generation 1, pid 102) is cut off after 30 s of draining, requests under way: 1",
        "worker 2 (generation 1, pid 102) did not end within 5 s of SIGTERM and is killed",
    ] == pool.logged(LogLevel.warn)
    pool.end(2)
    pool.clock.advance(5)
    assert ["template 1: quit", "template 1: kill"] == pool.said()
    pool.supervisor.template_ended(1, KILLED)
    assert [True] == done


def test_those_in_line_are_refused_by_a_stop(pool: Pool) -> None:
    """They will not be served any more."""
    pool.supervisor.startService()
    waiting = Request()
    pool.balancer.claim(waiting)
    done = stopped(pool)
    assert "the server is stopping" == str(waiting.error)
    assert ["template 1: start", "template 1: kill"] == pool.said()
    pool.supervisor.template_ended(1, KILLED)
    assert [True] == done


def test_stop_while_workers_start(pool: Pool) -> None:
    """A fork on its way is waited for, and ended."""
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    done = stopped(pool)
    pool.said()
    pool.supervisor.worker_forked(1, 1, 101)
    pool.supervisor.fork_failed(1, 2, "no memory")
    assert ["template 1: SIGTERM to 1"] == pool.said()
    pool.end(1, -15)
    pool.supervisor.template_ended(1, Ending(status=0))
    assert [True] == done
    assert [] == pool.fatal


def test_stop_of_what_never_started_is_done_at_once(pool: Pool) -> None:
    """Twistd stops what it has not started, too."""
    assert [True] == stopped(pool)


# -- status


def test_the_snapshot_is_plain_values(pool: Pool) -> None:
    """For a status page, which knows nothing of records."""
    lanes = pool.run()
    lanes[0].served = 7
    lanes[0].work = ("GET", "/wiki", "ines", pool.clock.seconds() + 1.5)
    pool.clock.advance(2)
    snapshot: Any = pool.supervisor.snapshot()
    assert (2, 1, False) == (
        snapshot["workers_wanted"],
        snapshot["generation_wanted"],
        snapshot["stopping"],
    )
    assert {
        "number": 1,
        "generation": 1,
        "pid": 101,
        "life": "ready",
        "seconds": 2.0,
        "healthy": True,
        "fault": "",
        "strikes": 0,
        "served": 7,
        "in_flight": None,
        "due": "",
        "asked": [{"method": "GET", "path": "/wiki", "user": "ines", "seconds": 0.5}],
    } == snapshot["workers"][0]
    [template] = snapshot["templates"]
    assert (1, "ready", 2, 2) == (
        template["generation"],
        template["life"],
        template["served"],
        template["files"],
    )


def test_how_a_template_failed_is_kept(pool: Pool) -> None:
    """Whoever asked for a new generation learns why there is none."""
    pool.run()
    pool.supervisor.new_generation()
    failed = Failed("open the environment", "it is locked", "")
    pool.supervisor.template_ended(2, Ending(status=1, failed=failed))
    snapshot: Any = pool.supervisor.snapshot()
    assert "template 2 (pid 2000) cannot open the environment: it is locked" == snapshot["templates"][1]["fault"]


def test_its_repr_tells_the_pool(pool: Pool) -> None:
    """One look in a debugger."""
    pool.run()
    assert repr(pool.supervisor).startswith("<Supervisor, wants 2, has [<Worker 1 of generation 1, ready")
