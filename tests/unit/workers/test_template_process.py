"""What the front hears from a template and says to it, over a real control link and no real process."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from tests.fakes import FakeReactor
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.workers import control
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.template_process import END_GRACE, LAST_WORDS, ControlLink, TemplateProcess


def exit_of(status: int | None = None, by_signal: int | None = None) -> Failure:
    """Make what the reactor tells of an exit."""
    end: Any = ProcessDone if status == 0 else ProcessTerminated
    reason: Any = Failure
    failure = reason(end(0) if status == 0 else end(status, by_signal))
    assert isinstance(failure, Failure)
    return failure


KILLED = exit_of(by_signal=9)
FAILED = exit_of(1)
DONE = exit_of(0)


class Bench:
    """A template process, the template's end of its link, and what the owner was told."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.told: list[str] = []
        self.endings: list[Ending] = []
        self.process = TemplateProcess(self.reactor, PoolSettings(), 1, self)
        self.template: socket.socket = self.reactor.child_fds[3]
        self.template.setblocking(False)

    # Owner

    def template_ready(self, generation: int, ready: control.Ready) -> None:
        self.told.append(f"ready {generation}")

    def template_ended(self, generation: int, ending: Ending) -> None:
        self.told.append(f"ended {generation}, {ending.how}")
        self.endings.append(ending)

    def worker_forked(self, generation: int, number: int, pid: int) -> None:
        self.told.append(f"forked {number}.{generation}")

    def fork_failed(self, generation: int, number: int, error: str) -> None:
        self.told.append(f"fork of {number}.{generation} failed: {error}")

    def worker_ended(self, generation: int, number: int, ending: Ending) -> None:
        self.told.append(f"worker {number}.{generation} {ending.how}")

    # the template's side

    @property
    def link(self) -> ControlLink:
        [link] = [reader for reader in self.reactor.readers if isinstance(reader, ControlLink)]
        return link

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.template.recv(65536).splitlines()]

    def say(self, **message: Any) -> None:
        self.template.sendall(json.dumps(message).encode() + b"\n")
        self.link.doRead()

    def hang_up(self) -> None:
        self.template.close()
        link = self.link
        while link.doRead() is None:
            pass
        link.connectionLost(DONE)

    def die(self, reason: Failure = KILLED) -> None:
        """End as a process does: exit, end of the link, end of the output."""
        self.process.processExited(reason)
        self.hang_up()
        self.process.processEnded(reason)

    def fork(self, number: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.process.fork(number, [theirs])
        return ours


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A template that has been started; afterwards it is gone with all it had open."""
    bench = Bench()
    yield bench
    if not bench.endings:
        bench.die()
    for number in list(bench.process._workers):
        bench.process._worker_gone(number, None)
    bench.template.close()


def test_a_template_is_told_its_configuration_first(bench: Bench) -> None:
    """Its input is empty, its output is ours, and on descriptor 3 it hears what to do."""
    [configure] = bench.heard()
    assert ("configure", 1) == (configure["type"], configure["generation"])
    assert ("r", "r") == (bench.reactor.child_fds[1], bench.reactor.child_fds[2])
    assert 4000 == bench.process.pid


def test_a_fork_carries_the_descriptors_and_keeps_them_open(bench: Bench) -> None:
    """The worker's ends of its lanes, and last its output."""
    bench.heard()
    with bench.fork(3) as ours:
        line, fds, _, _ = socket.recv_fds(bench.template, 1000, 10)
        assert {"type": "fork", "worker": 3} == json.loads(line)
        assert 2 == len(fds)
        with socket.socket(fileno=fds[0]) as lane:
            lane.sendall(b"through the lane")
            assert b"through the lane" == ours.recv(100)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
        bench.say(type="forked", worker=3, pid=os.getpid())
        assert b"" == ours.recv(1)
        os.write(fds[1], b"last words\n")
        os.close(fds[1])
        with capturedLogs() as events:
            bench.say(type="exited", worker=3, pid=os.getpid(), status=1)
    assert ["forked 3.1", "worker 3.1 exited with status 1"] == bench.told
    assert ["worker 3: last words"] == [formatEvent(event) for event in events]


def test_a_template_that_does_not_read_is_not_waited_for(bench: Bench) -> None:
    """What its socket does not take is sent later, in order, each line with its own descriptors."""
    bench.heard()
    lanes = []
    while not bench.reactor.writers:
        bench.process.quit()
    lanes.append(bench.fork(1))
    received = b""
    fds: list[int] = []
    for _ in range(10_000):
        for writer in list(bench.reactor.writers):
            writer.doWrite()
        data, some, _, _ = socket.recv_fds(bench.template, 65536, 10)
        received += data
        fds += some
        if received.endswith(control.fork(1)):
            break
    assert received.startswith(control.quit_line())
    assert {control.quit_line(), control.fork(1)} == set(received.splitlines(keepends=True))
    assert (2, set()) == (len(fds), bench.reactor.writers)
    for fd in fds:
        os.close(fd)
    for lane in lanes:
        lane.close()


def test_its_messages_reach_the_owner(bench: Bench) -> None:
    """One call for each."""
    bench.say(type="ready", seconds=0.5, preloaded=True, files=[], warnings=[], base_urls=[])
    with bench.fork(2):
        bench.say(type="fork-failed", worker=2, error="no memory")
    assert ["ready 1", "fork of 2.1 failed: no memory"] == bench.told


def test_news_of_unknown_workers_is_passed_over(bench: Bench) -> None:
    """The owner hears only of what it asked for, and once."""
    bench.say(type="forked", worker=9, pid=1)
    bench.say(type="exited", worker=9, pid=1, status=0)
    bench.say(type="fork-failed", worker=9, error="?")
    assert [] == bench.told


def test_a_failed_start_tells_the_step_and_the_last_words(bench: Bench) -> None:
    """Whatever order its exit, its message and its output are seen in."""
    message = {"type": "failed", "step": "open /srv/x", "error": "needs upgrade", "traceback": ""}
    bench.template.sendall(json.dumps(message).encode() + b"\n")
    bench.process.childDataReceived(2, b"plugin says\nno newline")
    bench.process.processExited(FAILED)
    assert [] == bench.told
    bench.hang_up()
    bench.process.processEnded(FAILED)
    [ending] = bench.endings
    assert control.Failed("open /srv/x", "needs upgrade", "") == ending.failed
    assert (1, ("plugin says", "no newline")) == (ending.status, ending.last_words)


def test_its_output_is_logged_with_its_name(bench: Bench) -> None:
    """A template is known by its generation."""
    with capturedLogs() as events:
        bench.process.childDataReceived(1, b"hello\n")
    assert ["template 1: hello"] == [formatEvent(event) for event in events]


@pytest.mark.parametrize(("reason", "how"), [(DONE, "exited with status 0"), (FAILED, "exited with status 1")])
def test_its_end_is_told_once(bench: Bench, reason: Failure, how: str) -> None:
    """All three signs of it are one event."""
    bench.die(reason)
    bench.process.processEnded(reason)
    assert [f"ended 1, {how}"] == bench.told
    assert (set(), []) == (bench.reactor.readers, bench.reactor.getDelayedCalls())


def test_an_inherited_pipe_does_not_hide_its_end(bench: Bench) -> None:
    """A command that a plugin left running holds the output open."""
    bench.process.processExited(FAILED)
    bench.hang_up()
    assert [] == bench.told
    bench.reactor.advance(END_GRACE)
    assert ["ended 1, exited with status 1"] == bench.told
    bench.process.processEnded(FAILED)
    assert 1 == len(bench.told)


def test_a_template_that_loses_its_link_is_killed(bench: Bench) -> None:
    """It is of no use without."""
    bench.hang_up()
    assert [] == bench.reactor.transport.signals
    bench.reactor.advance(END_GRACE)
    assert ["KILL"] == bench.reactor.transport.signals
    bench.process.processExited(KILLED)
    bench.process.processEnded(KILLED)
    assert 1 == len(bench.told)


def test_a_template_that_talks_nonsense_is_killed(bench: Bench) -> None:
    """The log shows the line."""
    bench.template.sendall(b"Segmentation fault\n")
    with capturedLogs() as events:
        bench.link.doRead()
    [line] = [formatEvent(event) for event in events]
    assert "b'Segmentation fault'" in line
    assert ["KILL"] == bench.reactor.transport.signals
    bench.process.processExited(KILLED)
    bench.process.processEnded(KILLED)
    assert 1 == len(bench.endings)


def test_the_dead_are_not_signalled(bench: Bench) -> None:
    """Its number may be another's by now."""
    bench.die()
    bench.process.kill()
    assert "KILL" not in bench.reactor.transport.signals


def test_its_workers_outlive_it(bench: Bench) -> None:
    """A fork on its way has failed; a worker that runs is watched from here."""
    with bench.fork(1), bench.fork(2):
        bench.say(type="forked", worker=1, pid=os.getpid())
        bench.die()
        killed = "killed by SIGKILL (kill -9, or the kernel out of memory)"
        expected = ["forked 1.1", f"ended 1, was {killed}", "fork of 2.1 failed: its template ended"]
        assert expected == bench.told
        assert "<TemplateProcess 1, pid 4000, gone, workers [1]>" == repr(bench.process)


def test_when_no_pipe_is_left_the_ends_are_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure leaves nothing open."""

    def no_pipe() -> tuple[int, int]:
        raise OSError("too many open files")

    ours, theirs = socket.socketpair()
    monkeypatch.setattr(os, "pipe", no_pipe)
    with pytest.raises(OSError, match="too many open files"):
        bench.process.fork(1, [theirs])
    with ours:
        assert b"" == ours.recv(1)


def test_a_start_that_fails_leaves_nothing_open() -> None:
    """The caller hears why."""

    class Refusing(FakeReactor):
        def spawnProcess(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
            raise OSError("cannot allocate memory")

    reactor = Refusing()
    with pytest.raises(OSError, match="cannot allocate memory"):
        TemplateProcess(reactor, PoolSettings(), 1, object())  # type: ignore[arg-type]
    assert set() == reactor.readers


def test_a_template_that_hangs_is_asked_where_it_stands_before_it_is_killed() -> None:
    """Its stack is the reason that the operator looks for."""
    bench = Bench()
    bench.process.ask_for_stack(None)
    bench.process.kill()
    assert [signal.SIGUSR1] == bench.reactor.transport.signals
    bench.process.childDataReceived(2, b"most recent call first\n")
    bench.reactor.advance(LAST_WORDS)
    assert [signal.SIGUSR1, "KILL"] == bench.reactor.transport.signals
    bench.process.processExited(KILLED)
    bench.process.processEnded(KILLED)
    bench.template.close()
    bench.link.doRead()
    bench.link.connectionLost(DONE)
    assert ("most recent call first",) == bench.endings[0].last_words
    bench.process.ask_for_stack(None)
    bench.process.ask_for_stack(7)
    assert 2 <= len(bench.reactor.transport.signals) <= 3
