"""What a process that checks passwords says, piece by piece."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tracd_cluster.auth.verifier import Verifier


class Reactor(Clock):
    """Time, one process at a time, and the passwords it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.process: Any = None
        self.asked: list[str] = []
        self.signals: list[str] = []

    def spawnProcess(self, process: ProcessProtocol, *_: object, **__: object) -> None:  # noqa: N802
        self.process = process
        process.makeConnection(self)  # type: ignore[no-untyped-call]

    def write(self, line: bytes) -> None:
        self.asked.append(json.loads(line)["password"])

    def signalProcess(self, name: str) -> None:  # noqa: N802
        self.signals.append(name)


@pytest.fixture
def reactor() -> Reactor:
    """Time and processes."""
    return Reactor()


def _note(told: list[tuple[str, bool | None]], password: str, right: bool | None) -> None:
    told.append((password, right))


def ask(reactor: Reactor, *passwords: str) -> list[tuple[str, bool | None]]:
    """Have passwords checked by one process; the list given takes what is told."""
    told: list[tuple[str, bool | None]] = []
    verifier = Verifier(reactor, 1)
    for password in passwords:
        verifier.check(password, "hash", partial(_note, told, password))
    return told


def test_an_answer_in_pieces_is_one_answer(reactor: Reactor) -> None:
    """The end of a line that comes later decides nothing about the next password."""
    told = ask(reactor, "one", "two", "three")
    reactor.process.outReceived(b"1")
    assert ([], ["one"]) == (told, reactor.asked)
    reactor.process.outReceived(b"\n")
    assert ([("one", True)], ["one", "two"]) == (told, reactor.asked)
    reactor.process.outReceived(b"0")
    reactor.process.outReceived(b"\n")
    assert ([("one", True), ("two", False)], ["one", "two", "three"]) == (told, reactor.asked)


@pytest.mark.parametrize("said", [b"\n", b"2\n", b"11", b"1\n1\n", b"1\n0", b"warning: 1\n", b" 1\n", b"1\r\n"])
def test_whoever_says_anything_else_is_not_believed(reactor: Reactor, said: bytes) -> None:
    """Its process is ended, and the check undecided."""
    told = ask(reactor, "one", "two")
    reactor.process.outReceived(said)
    assert ([], ["KILL"]) == (told, reactor.signals)
    reactor.process.processEnded(Failure(ProcessTerminated(signal=9)))  # type: ignore[no-untyped-call]
    assert ("one", None) == told[0]


def test_an_answer_that_nobody_asked_for_ends_it(reactor: Reactor) -> None:
    """The next password is not decided by it."""
    told = ask(reactor, "one")
    reactor.process.outReceived(b"0\n")
    reactor.process.outReceived(b"1\n")
    assert ([("one", False)], ["KILL"]) == (told, reactor.signals)
