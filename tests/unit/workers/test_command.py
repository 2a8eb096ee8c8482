"""Commands in the place of a template, with processes on paper."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tracd_cluster.settings.pool import CommandSettings
from tracd_cluster.workers.command import LEASH, OUTPUT_GRACE, CommandTemplate, fill_in

WORDS = ("serve", "--port={port}", "{host}", "{number}", "{base_path}", "{other}", "{")
NOBODY = 2**22 + 1
"""A process number above Linux's limit: signals to it reach nobody."""


class Reactor(Clock):
    """Time and processes by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[tuple[Any, Sequence[str], str]] = []
        self.refuse: OSError | None = None
        self.leashes: list[int] = []
        self.pid = NOBODY

    def spawnProcess(  # noqa: N802
        self, protocol: Any, executable: str, args: Sequence[str], env: None, path: str, childFDs: Mapping[int, Any]  # noqa: N803
    ) -> Reactor:
        if self.refuse is not None:
            raise self.refuse
        self.spawned.append((protocol, args, path))
        self.leashes.append(os.dup(childFDs[3]))
        return self

    def loseConnection(self) -> None:  # noqa: N802
        pass


class Bench:
    """A generation of a command and its owner, who writes down what is told."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.told: list[Any] = []
        settings = CommandSettings(words=WORDS, folder="/srv", base_path="/site")
        self.template = CommandTemplate(self.reactor, settings, 3, self)

    def template_ready(self, generation: int, ready: Any) -> None:
        self.told.append(("ready", generation))

    def template_ended(self, generation: int, ending: Any) -> None:
        self.told.append(("ended", generation, ending.status))

    def worker_forked(self, generation: int, number: int, pid: int) -> None:
        self.told.append(("forked", generation, number, pid))

    def fork_failed(self, generation: int, number: int, error: str) -> None:
        raise AssertionError(error)

    def worker_ended(self, generation: int, number: int, ending: Any) -> None:
        self.told.append(("worker ended", generation, number, ending.status, list(ending.last_words)))

    def fork(self, number: int = 1) -> int:
        """Start the command; give the port."""
        keeper = socket.socket()
        keeper.bind(("127.0.0.1", 0))
        port: int = keeper.getsockname()[1]
        self.template.fork(number, [keeper])
        assert keeper.fileno() < 0
        return port


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Make a generation; its pipes are closed in the end."""
    bench = Bench()
    yield bench
    for leash in bench.reactor.leashes:
        os.close(leash)


def test_it_is_ready_at_once_and_its_fork_is_a_start(bench: Bench) -> None:
    """The command gets its port, which was kept free until now, in the folder the front was started in."""
    bench.reactor.advance(0)
    port = bench.fork(2)
    assert [("ready", 3), ("forked", 3, 2, NOBODY)] == bench.told
    _, words, folder = bench.reactor.spawned[0]
    assert [*LEASH, "serve", f"--port={port}", "127.0.0.1", "2", "/site", "{other}", "{"] == words
    assert "/srv" == folder


def test_an_end_is_told_with_status_and_last_words(bench: Bench) -> None:
    """As of our own workers, once its output has ended too."""
    bench.fork()
    protocol = bench.reactor.spawned[0][0]
    protocol.childDataReceived(1, b"cannot bind\n")
    protocol.processExited(Failure(ProcessTerminated(1)))  # type: ignore[no-untyped-call]
    bench.told.clear()
    protocol.processEnded(Failure(ProcessTerminated(1)))  # type: ignore[no-untyped-call]
    assert [("worker ended", 3, 1, 1, ["cannot bind"])] == bench.told
    assert b"" == os.read(bench.reactor.leashes[0], 1)
    bench.template.signal_worker(1, signal.SIGKILL)


def test_an_output_that_somebody_holds_is_not_waited_for(bench: Bench) -> None:
    """A process that has left the group may go on printing."""
    bench.fork()
    protocol = bench.reactor.spawned[0][0]
    protocol.processExited(Failure(ProcessDone(0)))  # type: ignore[no-untyped-call]
    bench.reactor.advance(OUTPUT_GRACE)
    assert ("worker ended", 3, 1, 0, []) == bench.told[-1]
    protocol.processEnded(Failure(ProcessDone(0)))  # type: ignore[no-untyped-call]
    assert 1 == sum(told[0] == "worker ended" for told in bench.told)


def test_a_start_that_fails_leaves_nothing(bench: Bench) -> None:
    """The supervisor hears of it as of a fork that failed."""
    bench.reactor.refuse = OSError("no more processes")
    with pytest.raises(OSError, match="no more processes"):
        bench.fork()
    bench.template.signal_worker(1, signal.SIGTERM)


def test_quitting_is_told_once(bench: Bench) -> None:
    """Asked to quit and then killed, it ends once, and is not ready in between."""
    bench.template.quit()
    bench.template.kill()
    bench.reactor.advance(0)
    assert [("ended", 3, 0)] == bench.told


def test_signals_to_who_has_gone_reach_nobody(bench: Bench) -> None:
    """Neither an error nor somebody else's process."""
    bench.fork()
    bench.template.signal_worker(1, signal.SIGTERM)
    bench.template.signal_worker(7, signal.SIGTERM)


def test_only_known_names_in_braces_are_filled_in() -> None:
    """What a shell or Python would do with others is the command's own."""
    assert ["8000-8000", "{x}"] == fill_in(["{port}-{port}", "{x}"], {"port": "8000"})
