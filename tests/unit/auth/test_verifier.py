"""The line of password checks, and the processes that do them."""

from __future__ import annotations

import errno
from functools import partial

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.unit.auth.children import ChildReactor
from tracd_cluster.auth.verifier import CHECK_TIMEOUT, LINE_LIMIT, PROGRAM, Verifier


class Bench:
    """A verifier and what came of the checks, by their passwords."""

    def __init__(self, processes: int = 1) -> None:
        self.reactor = ChildReactor()
        self.verifier = Verifier(self.reactor, processes)
        self.told: list[tuple[str, bool | None]] = []

    def check(self, *passwords: str) -> list[bool]:
        """Have passwords checked, and give whether each was taken."""
        return [self.verifier.check(password, "hash", partial(self._tell, password)) for password in passwords]

    def _tell(self, password: str, right: bool | None) -> None:
        self.told.append((password, right))

    def asked(self) -> list[list[str]]:
        """Give what each process is at."""
        return [[question["password"] for question in child.asked] for child in self.reactor.children]


def test_a_check_goes_to_a_process_and_its_answer_back() -> None:
    """Right is right and wrong is wrong."""
    bench = Bench()
    bench.check("one", "two")
    [child] = bench.reactor.children
    assert PROGRAM == child.command
    assert [{"hash": "hash", "password": "one"}] == child.asked
    child.answer(True)
    child.answer(False)
    assert [("one", True), ("two", False)] == bench.told


def test_a_password_of_any_text_is_one_line() -> None:
    """Nothing in a password can be taken for a second question."""
    bench = Bench()
    text = '\n{"hash": "", "password": ""}\n\u2028\udc80é'
    bench.check(text)
    assert [[text]] == bench.asked()


def test_checks_are_done_in_their_order() -> None:
    """Who came first is told first."""
    bench = Bench()
    bench.check(*"abcde")
    for _ in "abcde":
        bench.reactor.children[0].answer(False)
    assert [*"abcde"] == [password for password, _ in bench.told]


def test_processes_are_started_as_they_are_needed() -> None:
    """A quiet server has one, a busy one as many as it may; one that is free takes the next."""
    bench = Bench(processes=3)
    bench.verifier.start()
    bench.verifier.start()
    assert [[]] == bench.asked()
    bench.check("a")
    assert [["a"]] == bench.asked()
    bench.check("b", "c", "d", "e")
    assert [["a"], ["b"], ["c"]] == bench.asked()
    bench.reactor.children[1].answer(True)
    assert [["a"], ["d"], ["c"]] == bench.asked()
    assert "<Verifier, 3 processes, 1 in line>" == repr(bench.verifier)


def test_the_line_is_bounded() -> None:
    """A flood of logins is refused at once, and those in line are still served."""
    bench = Bench()
    taken = bench.check(*[str(number) for number in range(LINE_LIMIT + 3)])
    assert [True] * (LINE_LIMIT + 1) + [False, False] == taken
    while bench.reactor.children[0].asked:
        bench.reactor.children[0].answer(True)
    assert LINE_LIMIT + 1 == len(bench.told)
    assert [True] == bench.check("again")


def test_one_that_dies_in_the_middle_tells_that_it_is_not_known() -> None:
    """Its client is told at once, the log says why, and the next check goes on in a new process."""
    bench = Bench()
    bench.check("good", "deadly", "next")
    child = bench.reactor.children[0]
    child.answer(True)
    child.complain("Traceback (most recent call last):\n  File ...\nMemoryError: too much\n")
    with capturedLogs() as logs:
        child.end(1)
    assert [("good", True), ("deadly", None)] == bench.told
    assert [[], ["next"]] == bench.asked()
    assert "exit code 1" in str(formatEvent(logs[0]))
    assert "MemoryError: too much" in str(formatEvent(logs[0]))
    bench.reactor.children[1].answer(False)
    assert ("next", False) == bench.told[-1]


@pytest.mark.parametrize("processes", [1, 3])
def test_those_that_die_at_once_are_not_started_for_ever(processes: int) -> None:
    """Where no process can work, every login gets its answer, and processes are started for new logins only."""
    bench = Bench(processes)
    bench.check(*"abcdefgh")
    for child in bench.reactor.children:
        child.end(1)
    assert sorted((password, None) for password in "abcdefgh") == sorted(bench.told)
    started = len(bench.reactor.children)
    assert started <= 8
    bench.reactor.advance(1000)
    assert started == len(bench.reactor.children)
    bench.check("later")
    assert started + 1 == len(bench.reactor.children)


def test_one_that_dies_without_work_is_not_replaced_for_nothing() -> None:
    """The next login starts another."""
    bench = Bench()
    bench.verifier.start()
    bench.reactor.children[0].end(1)
    assert 1 == len(bench.reactor.children)
    bench.check("a")
    assert [[], ["a"]] == bench.asked()


def test_when_the_system_gives_no_process_nobody_waits() -> None:
    """Every login is told that it cannot be decided, and the log says why."""
    bench = Bench()
    bench.reactor.refuses = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    with capturedLogs() as logs:
        assert [True, True] == bench.check("a", "b")
    assert [("a", None), ("b", None)] == bench.told
    assert "Resource temporarily unavailable" in str(formatEvent(logs[0]))
    bench.reactor.refuses = None
    bench.check("c")
    assert [["c"]] == bench.asked()


def test_when_the_system_gives_no_more_the_others_go_on() -> None:
    """A check waits for the process that there is."""
    bench = Bench(processes=2)
    bench.check("a")
    bench.reactor.refuses = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    bench.check("b")
    assert [] == bench.told
    bench.reactor.children[0].answer(True)
    assert [["b"]] == bench.asked()


def test_a_check_that_takes_too_long_is_ended_with_its_process() -> None:
    """A hash that asks for hours of work does not keep all others out."""
    bench = Bench()
    bench.check("endless", "next")
    child = bench.reactor.children[0]
    bench.reactor.advance(CHECK_TIMEOUT - 1)
    assert [] == child.signals
    bench.reactor.advance(1)
    assert ["KILL"] == child.signals
    child.end(9)
    assert ("endless", None) == bench.told[0]
    assert 1 == len(bench.reactor.children), "a process that never answered is not followed by another at once"
    assert ("next", None) == bench.told[1]


def test_each_check_has_its_own_time() -> None:
    """A process may work all day."""
    bench = Bench()
    for number in range(5):
        bench.check(str(number))
        bench.reactor.advance(CHECK_TIMEOUT - 1)
        bench.reactor.children[0].answer(True)
    assert [] == bench.reactor.children[0].signals
    assert [] == bench.reactor.getDelayedCalls()


def test_one_that_has_just_ended_needs_no_killing() -> None:
    """The moment between its end and the word of it breaks nothing."""
    bench = Bench()
    bench.check("a")
    bench.reactor.children[0].reaped = True
    bench.reactor.advance(CHECK_TIMEOUT)
    bench.verifier.stop()
    bench.reactor.children[0].end(1)
    assert [("a", None)] == bench.told


def test_a_stop_tells_all_who_wait_and_fires_once() -> None:
    """Nobody is left without an answer, no process is left, and nothing is taken any more."""
    bench = Bench(processes=2)
    bench.check("a")
    bench.reactor.children[0].answer(True)
    bench.check("b", "c", "d")
    bench.reactor.children[1].answer(True)
    fired: list[None] = []
    with capturedLogs() as logs:
        bench.verifier.stop().addCallback(fired.append)
        assert [("a", True), ("c", True)] == bench.told
        assert [False] == bench.check("late")
        for child in bench.reactor.children:
            assert ["KILL"] == child.signals
            assert [] == fired
            child.end(9)
    assert [("b", None), ("d", None)] == bench.told[2:]
    assert [None] == fired
    assert [] == list(logs), "an end that was asked for is no fault"
    assert [] == bench.reactor.getDelayedCalls()


def test_a_stop_empties_the_line() -> None:
    """Those in line hear it at once; a process without work ends by itself."""
    bench = Bench()
    bench.check("a", "b", "c")
    fired: list[None] = []
    bench.verifier.stop().addCallback(fired.append)
    assert [("b", None), ("c", None)] == bench.told
    bench.reactor.children[0].end(9)
    assert [("b", None), ("c", None), ("a", None)] == bench.told
    assert [None] == fired

    idle = Bench()
    idle.verifier.start()
    idle.verifier.stop().addCallback(fired.append)
    assert idle.reactor.children[0].stdin_closed
    assert [] == idle.reactor.children[0].signals
    idle.reactor.children[0].end()
    assert [None, None] == fired


def test_a_stop_before_any_login_fires_at_once() -> None:
    """There is nothing to wait for."""
    fired: list[None] = []
    Bench().verifier.stop().addCallback(fired.append)
    assert [None] == fired


def test_passwords_are_not_shown() -> None:
    """Whatever is printed of a verifier or a check, no password is in it."""
    verifier = Verifier(ChildReactor(), 1)
    for _ in range(2):
        verifier.check("secret", "hash", lambda right: None)
    assert "Check(told=" in repr(vars(verifier))
    assert "secret" not in repr(vars(verifier))
