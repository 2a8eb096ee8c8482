"""The gate and those who guess: who waits, for how long, and who does not (gate.py, Note [Guesses])."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.unit.auth.doorway import ANN, LOGIN, Doorway, Request, Visitor, basic, digest, status_of, write_htpasswd
from tracd_cluster.auth.gate import WAITING_LIMIT, Attempt
from tracd_cluster.auth.throttle import FREE_FAILURES, MOST_DELAY
from tracd_cluster.auth.verifier import LINE_LIMIT
from tracd_cluster.errors import ClientFault

ELSEWHERE = Visitor("198.51.100.7")


@pytest.fixture
def doorway(tmp_path: Path) -> Doorway:
    """A gate that asks for Basic."""
    return Doorway(tmp_path)


def fail(doorway: Doorway, times: int, visitor: Visitor = ANN, user: str = "eve") -> None:
    """Let somebody fail to log in, one time after another, as fast as they may."""
    for number in range(times):
        told = doorway.log_in(user, f"guess {number}", visitor)
        while not told:
            doorway.work()
            doorway.wait(0 if told else 0.25)
        assert [401] == status_of(told)


def test_the_first_failures_are_free(doorway: Doorway) -> None:
    """Who mistypes a few times is not made to wait."""
    fail(doorway, FREE_FAILURES - 1)
    told = doorway.log_in("ann", "secret")
    doorway.work()
    assert [b"ann"] == told


def test_then_logins_wait_right_or_wrong(doorway: Doorway) -> None:
    """The wait grows, and is not shorter for a right password, or it would tell that it is right."""
    fail(doorway, FREE_FAILURES + 1)
    told = doorway.log_in("ann", "secret")
    doorway.wait(1.75)
    assert [] == doorway.asked
    doorway.wait(0.25)
    assert ["secret"] == doorway.asked
    doorway.work()
    assert [b"ann"] == told


def test_too_many_are_refused(doorway: Doorway) -> None:
    """Nobody is held longer than they would wait: 429 says when to come again, and the log from where they came."""
    fail(doorway, FREE_FAILURES + 3)
    told = [doorway.log_in("eve", f"more {number}") for number in range(3)]
    assert [[], [429], [429]] == [status_of(each) for each in told]
    [refused] = told[1]
    assert isinstance(refused, ClientFault)
    assert b"Retry-After: %d\r\n" % MOST_DELAY == refused.lines
    with capturedLogs() as logs:
        doorway.log_in("eve", "another")
    assert ["Login refused from 192.0.2.1: too many have failed"] == [formatEvent(event) for event in logs]


def test_others_do_not_wait(doorway: Doorway) -> None:
    """An address pays for what came from it."""
    fail(doorway, 10)
    told = doorway.log_in("ann", "secret", ELSEWHERE)
    doorway.work()
    assert [b"ann"] == told


def test_a_thousand_at_once_are_no_more_than_one_after_another(doorway: Doorway) -> None:
    """As many are looked at side by side as may fail for free; the rest waits for what becomes of them."""
    told = [doorway.log_in("eve", f"guess {number}") for number in range(100)]
    assert FREE_FAILURES == len(doorway.asked)
    doorway.work()
    doorway.wait(0.25)
    assert [] == doorway.asked
    for _ in range(50):
        doorway.wait(0.25)
        doorway.work()
    answered = [status_of(each) for each in told]
    assert FREE_FAILURES + MOST_DELAY >= answered.count([401])
    assert 100 == answered.count([401]) + answered.count([429])


def test_side_by_side_is_counted_for_each_address(doorway: Doorway) -> None:
    """A flood from one address does not fill the line of checks for the others."""
    for number in range(100):
        doorway.log_in("eve", f"guess {number}")
    told = doorway.log_in("ann", "secret", ELSEWHERE)
    assert "secret" == doorway.asked[-1]
    doorway.work()
    assert [b"ann"] == told


def test_those_who_wait_are_bounded(doorway: Doorway) -> None:
    """However many come, memory holds; whoever finds no place hears it at once."""
    told = [doorway.log_in("eve", f"guess {number}") for number in range(WAITING_LIMIT + FREE_FAILURES + 2)]
    assert [503, 503] == [status for each in told for status in status_of(each)]
    assert f"<Gate of ['*'], {WAITING_LIMIT} waiting>" == repr(doorway.gate)


def test_a_full_line_of_checks_is_no_failure(doorway: Doorway) -> None:
    """Where passwords cannot be checked at the moment, the answer is 503 and nothing is held against anybody."""
    for number in range(100 + LINE_LIMIT):
        doorway.log_in("eve", f"guess {number}", Visitor(f"10.0.{number // 250}.{number % 250}"))
    for _ in range(FREE_FAILURES + 1):
        assert [503] == status_of(doorway.log_in("ann", "secret"))


def test_who_has_gone_does_not_keep_others_waiting(doorway: Doorway) -> None:
    """A client that leaves takes its place in the line with it; what is being checked counts all the same."""
    fail(doorway, FREE_FAILURES - 1)
    outcomes: list[object] = []
    attempt = doorway.gate.judge(Request(LOGIN, basic("eve", "last")), ANN, doorway.now)
    assert isinstance(attempt, Attempt)
    attempt.begin(outcomes.append)
    attempt.take_back()
    doorway.work()
    assert [] == outcomes
    waiting = doorway.gate.judge(Request(LOGIN, basic("eve", "one more")), ANN, doorway.now)
    assert isinstance(waiting, Attempt)
    waiting.begin(outcomes.append)
    assert [] == doorway.asked, "the failure has counted"
    assert "<Gate of ['*'], 1 waiting>" == repr(doorway.gate)
    waiting.take_back()
    assert "<Gate of ['*'], 0 waiting>" == repr(doorway.gate)
    doorway.wait(20)
    assert [] == doorway.asked + outcomes


# -- who does not wait


def test_a_remembered_password_never_waits(doorway: Doorway) -> None:
    """An office behind one address works on while somebody in it tries passwords."""
    doorway.log_in("ann", "secret")
    doorway.work()
    fail(doorway, 20)
    for _ in range(100):
        assert [b"ann"] == doorway.log_in("ann", "secret")
    assert [] == doorway.asked


def test_a_remembered_password_answers_no_guesses(doorway: Doorway) -> None:
    """Who tries passwords for somebody at work is not told the right one at once, however many they send."""
    doorway.log_in("ann", "secret", ELSEWHERE)
    doorway.work()
    fail(doorway, 20)
    for number in range(FREE_FAILURES):
        doorway.log_in("ann", f"guess {number}")
    assert [429] == status_of(doorway.log_in("ann", "secret"))
    told = doorway.log_in("ann", "secret", ELSEWHERE)
    doorway.work()
    assert [b"ann"] == told, "she herself has hers checked once more"
    assert [b"ann"] == doorway.log_in("ann", "secret", ELSEWHERE)


def test_a_proven_nonce_never_waits(tmp_path: Path) -> None:
    """The same for Digest."""
    doorway = Doorway(tmp_path, "digest")
    nonce = doorway.nonce()
    assert [b"ann"] == doorway.come(Request(authorization=digest("ann", "secret", nonce, 1)))
    for number in range(20):
        doorway.come(Request(authorization=digest("eve", "guess", doorway.nonce(), number + 1)))
        doorway.wait(9)
    assert [b"ann"] == doorway.come(Request(authorization=digest("ann", "secret", nonce, 2)))


def test_a_proven_nonce_speaks_for_its_user_only(tmp_path: Path) -> None:
    """Somebody with an account does not get to guess at all the others' without waiting."""
    doorway = Doorway(tmp_path, "digest")
    nonce = doorway.nonce()
    doorway.come(Request(authorization=digest("ann", "secret", nonce, 1)))
    told = [doorway.come(Request(authorization=digest("ben", f"{n}", nonce, n + 2))) for n in range(100)]
    assert FREE_FAILURES == [status_of(each) for each in told].count([401])
    assert [429] == status_of(doorway.come(Request(authorization=digest("ben", "hidden", nonce, 200))))


def test_remembering_ends(tmp_path: Path) -> None:
    """After a while a password is checked again."""
    doorway = Doorway(tmp_path, remember=60.0)
    doorway.log_in("ann", "secret")
    doorway.work()
    doorway.wait(59.75)
    assert [b"ann"] == doorway.log_in("ann", "secret")
    doorway.wait(0.25)
    assert [] == doorway.log_in("ann", "secret")
    assert ["secret"] == doorway.asked


def test_a_changed_file_counts_at_once(doorway: Doorway) -> None:
    """Who has lost the right to log in is out within seconds, remembered or not."""
    for user, password in (("ann", "secret"), ("ben", "hidden")):
        doorway.log_in(user, password)
    doorway.work()
    write_htpasswd(doorway.file, {"ben": "hidden", "cas": "new"})
    doorway.wait(1)
    told = [doorway.log_in(*who) for who in (("ann", "secret"), ("ben", "hidden"), ("cas", "new"))]
    assert [[], [], []] == told
    doorway.work()
    assert [[401], [b"ben"], [b"cas"]] == [status_of(each) for each in told]
