"""Who is called when: starts, crashes and their repair."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.application.service import IService
from twisted.logger import LogEvent, LogLevel
from zope.interface.verify import verifyObject

from tests.unit.workers.pool import KILLED, Pool, Request
from tracd_cluster.errors import TracdClusterError
from tracd_cluster.workers.control import Failed
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.plan import FORK_TIMEOUT
from tracd_cluster.workers.supervisor import LOOK_AGAIN, LOST_GRACE


def test_it_is_a_service(pool: Pool) -> None:
    """What twistd starts and stops."""
    assert verifyObject(IService, pool.supervisor)


# -- start


def test_a_start_from_nothing_to_serving(pool: Pool) -> None:
    """One template, its workers, a probe on each lane, and requests get through."""
    waiting = Request()
    pool.supervisor.startService()
    assert pool.balancer.claim(waiting) is None
    assert ["template 1: start"] == pool.said()
    pool.templates[0].get_ready("environment x: odd")
    assert ["template 1: fork 1", "template 1: fork 2"] == pool.said()
    [lane] = pool.fork(1)
    assert waiting.lane is lane
    assert ["1.1 ready", "2.1 starting"] == pool.lives()
    assert [
        "template 1 (pid 1000) is ready after 0.50 s, 2 files loaded, warm",
        "template 1 (pid 1000): environment x: odd",
        "worker 1 (generation 1, pid 101) is ready",
    ] == pool.logged()


@pytest.mark.parametrize("answer_first", [True, False])
def test_a_worker_is_ready_when_it_is_known_and_has_answered(pool: Pool, answer_first: bool) -> None:
    """The two pieces of news come by different sockets, in any order."""
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    if answer_first:
        pool.lanes[0].answer()
        pool.supervisor.worker_forked(1, 1, 101)
    else:
        pool.supervisor.worker_forked(1, 1, 101)
        pool.lanes[0].answer()
    assert ["1.1 ready", "2.1 starting"] == pool.lives()


def test_every_thread_has_its_lane(log: list[LogEvent]) -> None:
    """A worker is put to use when all its threads answer."""
    pool = Pool(log, workers=1, threads=3)
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    pool.supervisor.worker_forked(1, 1, 101)
    for lane in pool.lanes[:2]:
        lane.answer()
    assert "<Balancer 0 lanes, 0 idle, 0 in line>" == repr(pool.balancer)
    pool.lanes[2].answer()
    assert "<Balancer 3 lanes, 3 idle, 0 in line>" == repr(pool.balancer)


def test_a_first_start_that_fails_is_fatal_with_one_message(pool: Pool) -> None:
    """The operator reads the cause, and the process ends."""
    pool.supervisor.startService()
    failed = Failed("open /srv/x", "needs upgrade: trac-admin /srv/x upgrade", "Traceback: …")
    pool.supervisor.template_ended(1, Ending(status=1, failed=failed))
    assert ["cannot open /srv/x: needs upgrade: trac-admin /srv/x upgrade"] == pool.fatal
    assert ["template 1 (pid 1000): Traceback: …"] == pool.logged()
    assert pool.supervisor.table.empty
    assert ["template 1: start"] == pool.said()


def test_a_first_start_without_a_message_tells_the_last_words(pool: Pool) -> None:
    """Even a broken interpreter leaves a line."""
    pool.supervisor.startService()
    pool.supervisor.template_ended(1, Ending(status=127, last_words=["python: not found"]))
    assert [
        "cannot start: template 1 (pid 1000) exited with status 127; its last words: python: not found"
    ] == pool.fatal


def test_a_template_that_cannot_be_spawned_is_fatal(pool: Pool) -> None:
    """No process was made, and that is said."""
    pool.launch_error = OSError(12, "Cannot allocate memory")
    pool.supervisor.startService()
    assert ["cannot start its process: [Errno 12] Cannot allocate memory"] == pool.fatal


def test_a_template_that_hangs_at_the_first_start_is_fatal(pool: Pool) -> None:
    """A start has an end."""
    pool.supervisor.startService()
    pool.clock.advance(120)
    assert ["template 1: start", "template 1: stack", "template 1: kill"] == pool.said()
    pool.supervisor.template_ended(1, KILLED)
    [message] = pool.fatal
    assert "cannot start: template 1 (pid 1000) was killed because it did not get ready within 120 s" == message


def test_workers_that_cannot_get_ready_at_the_first_start_are_fatal(pool: Pool) -> None:
    """Without preloading it is they who open the environment."""
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    for _ in range(3):
        assert [] == pool.fatal
        pool.supervisor.worker_forked(1, 1, 101)
        pool.end(1, 1, words="no such environment")
    assert [
        "cannot start: worker 1 (generation 1, pid 101) exited with status 1; its last words: no such environment"
    ] == pool.fatal
    assert "template 1: SIGTERM to 2" in pool.said()


# -- crashes


def test_a_killed_worker_is_replaced_and_told_of_in_one_line(pool: Pool) -> None:
    """Its lane's end, its exit, its successor."""
    lanes = pool.run()
    lanes[0].lose()
    assert "<Balancer 1 lanes, 1 idle, 0 in line>" == repr(pool.balancer)
    assert [] == pool.said()
    pool.end(1)
    assert ["template 1: fork 1"] == pool.said()
    assert [
        "worker 1 (generation 1, pid 101) was killed by SIGKILL (kill -9, or the kernel out of memory); replaced"
    ] == pool.logged(LogLevel.error)
    [lane] = pool.fork(1)
    assert lane is pool.balancer.claim(Request())


def test_an_exit_seen_before_the_end_of_its_lane_is_the_same(pool: Pool) -> None:
    """The two come by different sockets."""
    lanes = pool.run()
    pool.end(2, 1, words="boom")
    assert lanes[1].closed
    assert "<Balancer 1 lanes, 1 idle, 0 in line>" == repr(pool.balancer)
    assert ["template 1: fork 2"] == pool.said()
    assert ["worker 2 (generation 1, pid 102) exited with status 1; replaced; its last words: boom"] == pool.logged(
        LogLevel.error
    )


def test_a_lane_lost_takes_the_other_lanes_with_it(log: list[LogEvent]) -> None:
    """No request goes to a worker that is going."""
    pool = Pool(log, workers=1, threads=2)
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    pool.supervisor.worker_forked(1, 1, 101)
    for lane in pool.lanes:
        lane.answer()
    pool.lanes[0].lose()
    assert pool.lanes[1].closed
    assert "<Balancer 0 lanes, 0 idle, 0 in line>" == repr(pool.balancer)


def test_a_worker_that_lost_a_lane_and_stays_is_killed(pool: Pool) -> None:
    """A request that ran out of time takes its worker with it."""
    lanes = pool.run()
    lanes[0].lose("no answer within 120 s")
    pool.clock.advance(LOST_GRACE)
    assert ["template 1: SIGKILL to 1"] == pool.said()
    pool.end(1)
    assert [
        "worker 1 (generation 1, pid 101) was killed because its lane was lost (no answer within 120 s); replaced"
    ] == pool.logged(LogLevel.error)


def test_a_worker_that_does_not_answer_its_probe_is_killed(pool: Pool) -> None:
    """And the next one is tried."""
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    pool.fork(2)
    pool.supervisor.worker_forked(1, 1, 101)
    pool.said()
    pool.clock.advance(120)
    assert ["template 1: SIGKILL to 1"] == pool.said()
    pool.end(1)
    assert ["template 1: fork 1"] == pool.said()


def test_a_poison_request_does_not_starve_the_pool(pool: Pool) -> None:
    """Whatever it kills had begun to serve it."""
    pool.run()
    for _ in range(20):
        lane: Any = pool.balancer.claim(Request())
        number = int(lane.name.split()[1])
        lane.lose()
        pool.end(number, -11)
        pool.fork(number)
    assert ["1.1 ready", "2.1 ready"] == sorted(pool.lives())


def test_repeated_crashes_back_off_and_then_requests_are_refused(pool: Pool) -> None:
    """A wait that leads nowhere is worse than a 503; when a worker is tried again, it is worth waiting."""
    pool.run()
    waiting = Request()
    for number in (1, 2):
        pool.end(number, 1)
        for _ in range(2):
            pool.supervisor.worker_forked(1, number, 100 + number)
            pool.end(number, 1)
    assert ["1.1 exited", "2.1 exited"] == sorted(pool.lives())
    assert "; the next one is started in 0.5 s" in pool.logged(LogLevel.error)[-1]
    with pytest.raises(TracdClusterError, match="no worker can be started at the moment"):
        pool.balancer.claim(waiting)
    pool.said()
    pool.clock.advance(0.5)
    assert ["template 1: fork 1", "template 1: fork 2"] == pool.said()
    assert pool.balancer.claim(waiting) is None
    [lane] = pool.fork(1)
    assert waiting.lane is lane


def test_those_in_line_are_refused_when_nobody_is_left(pool: Pool) -> None:
    """They are told at once, not after their time in line."""
    pool.run()
    pool.balancer.claim(Request())
    pool.balancer.claim(Request())
    waiting = Request()
    pool.balancer.claim(waiting)
    for number in (1, 2):
        pool.end(number, 1)
        for _ in range(3):
            pool.supervisor.fork_failed(1, number, "[Errno 11] Resource temporarily unavailable")
    assert "no worker can be started at the moment" == str(waiting.error)
    assert "worker 2 (generation 1) could not be forked: [Errno 11]" in pool.logged(LogLevel.error)[-1]


def test_when_descriptors_run_out_the_slot_backs_off(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full is full; it may pass."""
    pool.run()

    def no_pair() -> tuple[socket.socket, socket.socket]:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", no_pair)
        pool.end(1)
        assert ["1.1 exited", "2.1 ready"] == pool.lives()
    assert [] == pool.said()
    pool.clock.advance(0.5)
    assert ["template 1: fork 1"] == pool.said()


def test_a_template_that_dies_is_followed_and_its_workers_go_on(pool: Pool) -> None:
    """Until the new ones take over, one by one."""
    pool.run()
    pool.supervisor.template_ended(1, KILLED)
    assert ["template 2: start"] == pool.said()
    assert [
        "template 1 (pid 1000) was killed by SIGKILL (kill -9, or the kernel out of memory)"
        "; workers of generation 1 go on; the next template is started at once"
    ] == pool.logged(LogLevel.error)
    pool.templates[1].get_ready()
    pool.fork(1, 2)
    pool.end(1, None)
    pool.fork(2, 2)
    pool.end(2, None)
    assert ["1.2 ready", "2.2 ready"] == pool.lives()
    assert [
        "template 2: fork 1",
        "template 2: fork 2",
        "template 1: SIGTERM to 1",
        "template 1: SIGTERM to 2",
    ] == pool.said()
    assert [2] == list(pool.supervisor.table.templates)


def test_everything_killed_at_once_comes_back(pool: Pool) -> None:
    """Requests wait in line meanwhile."""
    lanes = pool.run()
    for lane in lanes:
        lane.lose()
    pool.supervisor.template_ended(1, KILLED)
    waiting = Request()
    assert pool.balancer.claim(waiting) is None
    for number in (1, 2):
        pool.end(number, None)
    pool.templates[1].get_ready()
    [lane] = pool.fork(1, 2)
    assert waiting.lane is lane


def test_a_template_that_hangs_at_a_fork_is_killed(pool: Pool) -> None:
    """A template that answers nothing is no template."""
    pool.run()
    pool.end(1)
    pool.said()
    pool.clock.advance(FORK_TIMEOUT)
    assert ["template 1: stack", "template 1: kill"] == pool.said()
    pool.supervisor.template_ended(1, KILLED)
    pool.supervisor.fork_failed(1, 1, "its template ended")
    assert ["template 2: start"] == pool.said()
    assert any("was killed because it did not fork a worker within 10 s" in line for line in pool.logged())


def test_a_worker_lost_before_its_fork_is_known_is_ended_when_it_is(pool: Pool) -> None:
    """Nobody is forgotten."""
    pool.supervisor.startService()
    pool.templates[0].get_ready()
    pool.lanes[0].lose()
    pool.said()
    pool.supervisor.worker_forked(1, 1, 101)
    assert ["template 1: SIGTERM to 1"] == pool.said()
    pool.clock.advance(LOST_GRACE)
    assert ["template 1: SIGKILL to 1"] == pool.said()


def test_a_turn_that_fails_is_taken_again(pool: Pool) -> None:
    """A fault of our own is told of, and when it is mended everything goes on: the timer is set whatever happens."""
    pool.run()
    pool.supervisor.desired.generation = "next"  # type: ignore[assignment]
    pool.end(1)
    assert any("looks again in 1 s" in line for line in pool.logged(LogLevel.critical))
    assert [] == pool.said()
    pool.clock.advance(LOOK_AGAIN)
    assert any("looks again in 1 s" in line for line in pool.logged(LogLevel.critical))
    pool.supervisor.desired.generation = 1
    pool.clock.advance(LOOK_AGAIN)
    assert [] == pool.logged(LogLevel.critical)
    assert ["template 1: fork 1"] == pool.said()


def test_what_was_recorded_before_a_turn_failed_is_done(pool: Pool) -> None:
    """Its record has been changed, so it would not be planned again."""
    pool.run()
    pool.supervisor.new_generation()
    assert ["template 2: start"] == pool.said()
    pool.supervisor.desired.start_timeout = "soon"  # type: ignore[assignment]
    pool.supervisor.new_generation()
    assert ["template 2: kill"] == pool.said()
    pool.supervisor.desired.start_timeout = 120.0
    pool.clock.advance(LOOK_AGAIN)
    assert ["template 3: start"] == pool.said()
