"""A client that takes some of what was written has more time; one that takes none, or next to none, has not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tracd_cluster.front.pace import Pace, body_deadline, unsent

TIMEOUT = 10.0
RATE = 500


class Line:
    """A connection of which the kernel keeps what was written."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self.transport = SimpleNamespace(getHandle=lambda: self._ours)

    def fill(self) -> None:
        """Write until nothing more is taken."""
        try:
            while True:
                self._ours.send(bytes(4096))
        except BlockingIOError:
            pass

    def take(self, size: int) -> None:
        """Let the client take some; the kernel counts by what was written at a time."""
        while size > 0:
            size -= len(self._theirs.recv(4096))

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def line() -> Iterator[Line]:
    """A connection that is full."""
    line = Line()
    line.fill()
    yield line
    line.close()


def test_the_kernel_tells_what_it_still_has(line: Line) -> None:
    """Of a plain socket, and of the one behind an encrypted transport; nobody tells of anything else."""
    before = unsent(line.transport)
    assert before > 0
    line.take(40_960)
    assert unsent(line.transport) < before
    encrypted: Any = SimpleNamespace(transport=line.transport)
    assert unsent(encrypted) == unsent(line.transport)
    assert -1 == unsent(object())
    line.close()
    assert -1 == unsent(line.transport)


def test_a_client_that_takes_some_has_more_time_again_and_again(line: Line) -> None:
    """The first look only begins to compare."""
    pace = Pace()
    deadline = 100.0
    for _ in range(3):
        found = pace.until(line.transport, deadline, deadline, TIMEOUT, RATE)
        assert deadline + TIMEOUT == found
        deadline = found
        line.take(int(RATE * TIMEOUT) + 4096)


@pytest.mark.parametrize("taken", [0, 4096])
def test_one_that_takes_none_or_too_little_has_not(line: Line, taken: int) -> None:
    """A byte now and then must not hold a connection for ever."""
    pace = Pace()
    deadline = pace.until(line.transport, 100.0, 100.0, TIMEOUT, RATE)
    line.take(taken)
    assert 0.0 == pace.until(line.transport, deadline, deadline, TIMEOUT, RATE)


@pytest.mark.parametrize(("taken", "found"), [(0, 0.0), (4096, 120.0)])
def test_without_a_rate_a_little_is_enough(line: Line, taken: int, found: float) -> None:
    """But not nothing."""
    pace = Pace()
    deadline = pace.until(line.transport, 100.0, 100.0, TIMEOUT, 0)
    line.take(taken)
    assert found == pace.until(line.transport, deadline, deadline, TIMEOUT, 0)


@pytest.mark.parametrize(
    ("received", "now", "deadline"),
    [
        (0, 100.0, 110.0),
        (0, 105.0, 110.0),
        (1000, 105.0, 112.0),
        (1_000_000, 105.0, 115.0),
        (5000, 119.9, 120.0),
        (5001, 119.9, 120.002),
    ],
)
def test_a_body_comes_at_a_rate_and_without_long_pauses(received: int, now: float, deadline: float) -> None:
    """Whatever comes buys the time that it takes at the rate, from the end of the first pause on."""
    assert deadline == pytest.approx(body_deadline(100.0, received, now, TIMEOUT, RATE))


def test_without_a_rate_only_the_pauses_count() -> None:
    """As it was."""
    assert 1010.0 == body_deadline(100.0, 1, 1000.0, TIMEOUT, 0)


def test_what_was_compared_before_something_was_written_does_not_count(line: Line) -> None:
    """The kernel has more now, though the client has taken much in between."""
    pace = Pace()
    pace.until(line.transport, 100.0, 100.0, TIMEOUT, RATE)
    assert 130.0 == pace.until(line.transport, 120.0, 120.0, TIMEOUT, RATE)


def test_where_nothing_is_on_its_way_there_is_nothing_to_wait_for() -> None:
    """An empty kernel would have asked for more; one that does not tell is not believed."""
    line = Line()
    assert 0.0 == Pace().until(line.transport, 100.0, 100.0, TIMEOUT, RATE)
    assert 0.0 == Pace().until(object(), 100.0, 100.0, TIMEOUT, RATE)
    line.close()
