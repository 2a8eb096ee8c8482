"""Memory is measured elsewhere, seldom, and once for all who ask."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tracd_cluster.admin.memory import FRESH, SOON, Memory


class Elsewhere:
    """A thread that works when the test says so."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.answers: list[Deferred[dict[int, int]]] = []

    def __call__(self, function: Any, pids: list[int]) -> Deferred[dict[int, int]]:
        self.asked.append(pids)
        self.answers.append(Deferred())
        return self.answers[-1]


def test_one_measurement_serves_all_who_ask() -> None:
    """It is made again when it has grown old, and sooner for somebody new."""
    clock, elsewhere, pids = Clock(), Elsewhere(), [1, 2]
    memory = Memory(clock, elsewhere, lambda: list(pids))
    told: list[str] = []
    memory.refresh().addCallback(lambda _: told.append("first"))
    memory.refresh().addCallback(lambda _: told.append("second"))
    assert ([[1, 2]], [], None) == (elsewhere.asked, told, memory.of(1))
    elsewhere.answers[0].callback({1: 100, 2: 200})
    assert ["first", "second"] == told
    assert (100, None, None) == (memory.of(1), memory.of(3), memory.of(None))
    clock.advance(SOON)
    memory.refresh()
    assert 1 == len(elsewhere.asked)
    clock.advance(FRESH)
    memory.refresh()
    assert 2 == len(elsewhere.asked)
    elsewhere.answers[1].callback({1: 100, 2: 200})
    pids.append(3)
    memory.refresh()
    assert 2 == len(elsewhere.asked)
    clock.advance(SOON)
    memory.refresh()
    assert [1, 2, 3] == elsewhere.asked[2]


def test_one_that_is_there_at_once() -> None:
    """Whoever asks may go on."""
    memory = Memory(Clock(), lambda function, pids: succeed({7: 8}), lambda: [7])
    assert memory.refresh().called
    assert 8 == memory.of(7)


def test_a_failure_is_told_and_holds_nobody_up() -> None:
    """What was known is known still."""
    clock, elsewhere = Clock(), Elsewhere()
    memory = Memory(clock, elsewhere, lambda: [1])
    waiting = memory.refresh()
    with capturedLogs() as logged:
        elsewhere.answers[0].errback(OSError("no such thing"))
    assert waiting.called
    assert "could not be measured" in str(logged[0]["log_format"])
