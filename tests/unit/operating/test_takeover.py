"""How far a take-over has come, at each of its stages."""

from __future__ import annotations

from tests.unit.workers.pool import KILLED, Pool
from tracd_cluster.operating.takeover import Standing, look
from tracd_cluster.workers.control import Failed
from tracd_cluster.workers.endings import Ending


def standing(pool: Pool, generation: int = 2) -> Standing:
    """Look at the pool."""
    return look(pool.supervisor.desired, pool.supervisor.table, generation)


def test_a_take_over_from_its_beginning_to_its_end(pool: Pool) -> None:
    """It is over when all new workers serve; an old one that ends its last request is waited for by nobody."""
    pool.run()
    assert Standing("generation 2 is about to start") == standing(pool)
    pool.supervisor.new_generation()
    assert Standing("generation 2: its template is starting") == standing(pool)
    pool.templates[1].get_ready()
    assert Standing("generation 2: 0 of 2 workers ready") == standing(pool)
    pool.fork(1, 2)
    assert Standing("generation 2: 1 of 2 workers ready") == standing(pool)
    pool.fork(2, 2)
    assert Standing("generation 2 serves with 2 workers", over=True) == standing(pool)
    assert standing(pool, 1).over


def test_a_newer_wish_counts_for_the_older_one(pool: Pool) -> None:
    """Who asked for generation 2 gets 3, if somebody has asked for that meanwhile."""
    pool.run()
    pool.supervisor.new_generation()
    pool.supervisor.new_generation()
    pool.supervisor.template_ended(2, KILLED)
    assert Standing("generation 3: its template is starting") == standing(pool)
    pool.templates[-1].get_ready()
    pool.fork(1, 3)
    pool.fork(2, 3)
    assert Standing("generation 3 serves with 2 workers", over=True) == standing(pool)


def test_a_template_that_fails(pool: Pool) -> None:
    """The reason is the one of the log, with who goes on."""
    pool.run()
    pool.supervisor.new_generation()
    failed = Failed("open the environment", "it is locked", "")
    pool.supervisor.template_ended(2, Ending(status=1, failed=failed))
    text = (
        "generation 2 failed: template 2 (pid 2000) cannot open the environment: it is locked; "
        "generation 1 goes on with 2 workers"
    )
    assert Standing(text, over=True, failed=True) == standing(pool)


def test_workers_that_do_not_get_ready(pool: Pool) -> None:
    """Three of them are enough to know."""
    pool.run()
    pool.supervisor.new_generation()
    pool.templates[1].get_ready()
    for _ in range(3):
        assert not standing(pool).over
        pool.end(1, 3, generation=2)
    found = standing(pool)
    assert (True, True) == (found.over, found.failed)
    assert found.text.startswith("generation 2 failed: its workers did not get ready; generation 1 goes on")


def test_a_stop_ends_the_waiting(pool: Pool) -> None:
    """Nothing will take over any more."""
    pool.run()
    pool.supervisor.new_generation()
    pool.supervisor.stopService()
    assert Standing("the service is stopping", over=True, failed=True) == standing(pool)
