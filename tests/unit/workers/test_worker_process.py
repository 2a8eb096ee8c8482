"""A worker's process as the front holds it, over real descriptors and real (tiny) processes."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.fakes import FakeReactor
from tracd_cluster.workers.worker_process import POLL_INTERVAL, WorkerProcess

DEADLINE = 5.0


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is killed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def make() -> tuple[WorkerProcess, Any, socket.socket]:
    """Make a worker's process, its reactor, and the front's end of its lane."""
    reactor: Any = FakeReactor()
    ours, theirs = socket.socketpair()
    return WorkerProcess(3, [theirs], reactor, reactor), reactor, ours


def is_open(fd: int) -> bool:
    """Whether a descriptor is in use."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def wait_until_readable(fd: int) -> None:
    """Wait for the one event a test is about."""
    assert select.select([fd], [], [], DEADLINE)[0], "nothing came"


def test_the_workers_ends_stay_open_until_the_fork(child: subprocess.Popen[bytes]) -> None:
    """What is on its way to the template must not be closed under it."""
    worker, _, ours = make()
    to_send = worker.to_send()
    assert [True, True] == [is_open(fd) for fd in to_send]
    assert not any(os.get_inheritable(fd) for fd in to_send)
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    worker.forked(child.pid)
    with ours:
        assert b"" == ours.recv(1)
    worker.end(0)


def test_output_is_logged_with_the_workers_name_and_remembered() -> None:
    """Who said it, while it runs; what it said last, when it has ended."""
    worker, reactor, ours = make()
    ours.close()
    *_, output = worker.to_send()
    os.write(output, b"Traceback\nboom\n")
    with capturedLogs() as events:
        ending = worker.end(1)
    assert ["worker 3: Traceback", "worker 3: boom"] == [formatEvent(event) for event in events]
    assert {"tracd_cluster.worker"} == {event["log_namespace"] for event in events}
    assert (1, ("Traceback", "boom")) == (ending.status, ending.last_words)
    assert set() == reactor.readers


def test_a_signal_reaches_the_process_and_then_nobody(child: subprocess.Popen[bytes]) -> None:
    """A number that has passed to another process is not hit."""
    worker, _, ours = make()
    ours.close()
    worker.signal(signal.SIGKILL)
    worker.forked(child.pid)
    worker.signal(signal.SIGTERM)
    assert -signal.SIGTERM == child.wait(DEADLINE)
    worker.signal(signal.SIGTERM)
    worker.end(None)


@pytest.mark.parametrize("pidfd", [pytest.param(True, marks=pytest.mark.needs("Linux")), False])
def test_an_orphan_is_watched_until_it_has_gone(
    child: subprocess.Popen[bytes], pidfd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its template dead, nobody else tells of its end; as our child it has a status."""
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    worker, reactor, ours = make()
    ours.close()
    worker.forked(child.pid)
    gone: list[int | None] = []
    worker.watch(gone.append)
    reactor.advance(POLL_INTERVAL)
    assert [] == gone
    child.kill()
    if pidfd:
        assert worker in reactor.readers
        wait_until_readable(worker.fileno())
        worker.doRead()
    else:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        reactor.advance(POLL_INTERVAL)
    assert [-signal.SIGKILL] == gone
    worker.end(gone[0])
    reactor.advance(POLL_INTERVAL)
    assert ([-signal.SIGKILL], set(), []) == (gone, reactor.readers, reactor.getDelayedCalls())
    child.returncode = gone[0]


def test_an_orphan_of_another_has_no_status(child: subprocess.Popen[bytes]) -> None:
    """Whoever is its parent then keeps what it knows."""
    worker, _, ours = make()
    ours.close()
    worker.forked(child.pid)
    child.kill()
    child.wait(DEADLINE)
    gone: list[int | None] = []
    worker.watch(gone.append)
    if worker.fileno() >= 0:
        wait_until_readable(worker.fileno())
        worker.doRead()
    assert [None] == gone
    worker.end(None)


def test_an_end_before_the_fork_is_known_closes_everything() -> None:
    """A fork that failed leaves nothing behind."""
    worker, reactor, ours = make()
    to_send = worker.to_send()
    worker.end(None)
    assert [False, False] == [is_open(fd) for fd in to_send]
    assert set() == reactor.readers
    with ours:
        assert b"" == ours.recv(1)
