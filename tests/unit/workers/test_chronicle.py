"""What is remembered of the workers that ended badly."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogLevel

from tests.unit.workers.pool import Pool, Request
from tracd_cluster.errors import AnswerTimeout
from tracd_cluster.workers.chronicle import KEPT
from tracd_cluster.workers.supervisor import LAST_WORDS, LOST_GRACE


def mishaps(pool: Pool) -> list[Any]:
    """Give the mishaps of the snapshot."""
    found = pool.supervisor.snapshot()["mishaps"]
    assert isinstance(found, list)
    return found


def hang(pool: Pool, what: str = "GET /report/3, user ines took longer than 120 s") -> int:
    """Let a claimed lane's request run out of time, as the front does; give its worker's number."""
    lane: Any = pool.balancer.claim(Request())
    pool.balancer.request_hung(lane, what)
    lane.give_up(AnswerTimeout("it took longer than 120 s for one request"))
    return int(lane.name.split()[1])


def test_a_hung_worker_speaks_is_replaced_and_then_killed(pool: Pool) -> None:
    """In this order: nobody waits for the last words."""
    pool.run()
    assert 2 == hang(pool)
    assert ["template 1: stack of 2", "template 1: fork 3"] == pool.said()
    [lane] = pool.fork(3)
    assert lane is pool.balancer.claim(Request())
    pool.clock.advance(LAST_WORDS)
    assert ["template 1: SIGKILL to 2"] == pool.said()
    pool.logged()
    pool.end(2, words="File report.py, line 7 in render")
    assert [
        "worker 2 (generation 1, pid 102) was killed because GET /report/3, user ines took longer than 120 s"
        "; replaced; its last words: File report.py, line 7 in render"
    ] == pool.logged(LogLevel.error)
    [mishap] = mishaps(pool)
    assert (True, ["GET /report/3, user ines took longer than 120 s"]) == (mishap["hung"], mishap["requests"])
    assert ["File report.py, line 7 in render"] == mishap["last_words"]


def test_the_stand_in_goes_when_the_slot_is_filled(pool: Pool) -> None:
    """Afterwards everything is as before."""
    pool.run()
    hang(pool)
    pool.fork(3)
    pool.clock.advance(LAST_WORDS)
    pool.end(2)
    pool.said()
    pool.fork(2)
    assert ["template 1: SIGTERM to 3"] == pool.said()
    pool.end(3, 0)
    assert ["1.1 ready", "2.1 ready"] == sorted(pool.lives())


@pytest.mark.parametrize("eof_first", [True, False])
def test_a_crash_is_told_with_the_requests_that_it_cost(pool: Pool, eof_first: bool) -> None:
    """Whichever comes first, the end of the lane or the exit: the request tells of itself after its lane."""
    pool.run()
    lane: Any = pool.balancer.claim(Request())
    if eof_first:
        lane.lose()
    pool.balancer.request_lost(lane, "POST /newticket")
    pool.end(2, -11)
    [line] = pool.logged(LogLevel.error)
    assert line.endswith("was killed by SIGSEGV (a crash in native code); replaced; under way was POST /newticket")
    [mishap] = mishaps(pool)
    assert (False, ["POST /newticket"], 1000.0) == (mishap["hung"], mishap["requests"], mishap["at"])


def test_a_lane_nobody_knows_is_passed_over(pool: Pool) -> None:
    """Its worker's record has gone, or it was a server elsewhere."""
    lanes = pool.run()
    lanes[0].lose()
    pool.end(1)
    pool.balancer.request_hung(lanes[0], "GET /")
    pool.balancer.request_lost(lanes[0], "GET /")
    assert [[]] == [mishap["requests"] for mishap in mishaps(pool)]


def test_who_ended_as_asked_is_no_mishap(pool: Pool) -> None:
    """It is in the log, and that is enough."""
    pool.run()
    pool.supervisor.scale(1)
    pool.end(2, 0)
    assert [] == mishaps(pool)


def test_only_the_last_ones_are_kept(pool: Pool) -> None:
    """A worker that crashes for days does not fill the memory."""
    pool.run()
    for _ in range(KEPT + 3):
        lane: Any = pool.balancer.claim(Request())
        lane.lose()
        number = int(lane.name.split()[1])
        pool.end(number, -11)
        pool.fork(number)
        pool.clock.advance(1)
    assert KEPT == len(mishaps(pool))
    assert 1003.0 == mishaps(pool)[0]["at"]


def test_a_lane_that_is_lost_without_a_hang_still_has_its_grace(pool: Pool) -> None:
    """Its exit follows at once, so no stand-in is made for it."""
    pool.run()[0].lose()
    assert [] == pool.said()
    pool.clock.advance(LOST_GRACE)
    assert ["template 1: SIGKILL to 1"] == pool.said()


def test_why_workers_end_is_counted(pool: Pool) -> None:
    """A crash, a hang, a replacement, one too many, a newer generation; a stand-in that goes is none of them."""
    pool.run()
    supervisor = pool.supervisor
    pool.end(1)
    pool.fork(1)
    hang(pool)
    pool.fork(3)
    pool.clock.advance(LAST_WORDS)
    number = 1 if "1.1 stopping" in pool.lives() else 2
    pool.end(number)
    pool.fork(number)
    pool.end(3, 0)
    assert (1, 1, 0) == tuple(supervisor.chronicle.ended[why] for why in ("crash", "hung", "scaled"))
    supervisor.recycle(2)
    pool.fork(3)
    pool.end(2, 0)
    pool.fork(2)
    pool.end(3, 0)
    supervisor.scale(1)
    pool.end(2, 0)
    assert (1, 1) == tuple(supervisor.chronicle.ended[why] for why in ("recycled", "scaled"))
    supervisor.new_generation()
    pool.templates[-1].get_ready()
    pool.fork(1, 2)
    pool.end(1, 0)
    expected = {"crash": 1, "recycled": 1, "hung": 1, "generation": 1, "scaled": 1}
    assert expected == supervisor.chronicle.ended
    assert {"taken": 2, "refused": 0} == supervisor.table.generations


def test_the_end_of_the_service_is_no_restart(pool: Pool) -> None:
    """Nobody is to be woken for it."""
    pool.run()
    pool.supervisor.stopService()
    pool.end(1, 0)
    pool.end(2)
    assert {0} == set(pool.supervisor.chronicle.ended.values())
