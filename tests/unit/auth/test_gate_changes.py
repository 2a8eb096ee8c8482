"""Other settings for a gate that is in use: who is in stays in, who must not be is not, and guesses still count."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.auth.doorway import LOGIN, Doorway, Request, digest, status_of, write_htpasswd
from tracd_cluster.auth.throttle import FREE_FAILURES
from tracd_cluster.errors import StartError
from tracd_cluster.settings.auth import AuthEntry, AuthSettings

PAGE = b"/tidewatch/wiki"


def entry(file: Path, project: str = "*") -> AuthEntry:
    """Name a file with passwords for Basic."""
    return AuthEntry(kind="basic", project=project, file=str(file), realm="Trac")


def test_a_project_is_closed_at_once(tmp_path: Path) -> None:
    """And opened again."""
    door = Doorway(tmp_path)
    assert [b""] == door.come(Request(PAGE))
    door.gate.prepare(AuthSettings(entries=(entry(door.file),), required=frozenset({"tidewatch"})))()
    assert [401] == status_of(door.come(Request(PAGE)))
    door.gate.prepare(AuthSettings())()
    assert [b""] == door.come(Request(PAGE))
    assert [b""] == door.come(Request(LOGIN))


def test_nothing_counts_before_it_is_taken(tmp_path: Path) -> None:
    """Somebody else may not be ready for it."""
    door = Doorway(tmp_path)
    door.gate.prepare(AuthSettings(entries=(entry(door.file),), required=frozenset({"*"})))
    assert [b""] == door.come(Request(PAGE))


def test_a_file_that_cannot_be_read_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    """The passwords in force stay in force."""
    door = Doorway(tmp_path)
    with pytest.raises(StartError, match="missing"):
        door.gate.prepare(AuthSettings(entries=(entry(tmp_path / "missing"),)))
    outcomes = door.log_in("ann", "secret")
    door.work()
    assert [b"ann"] == outcomes


def test_who_has_logged_in_need_not_again(tmp_path: Path) -> None:
    """A realm that stays keeps the passwords it has found right, and the gate its nonces."""
    door = Doorway(tmp_path)
    door.log_in("ann", "secret")
    door.work()
    other = write_htpasswd(tmp_path / "others", {"eve": "x"})
    door.gate.prepare(AuthSettings(entries=(entry(door.file), entry(other, "other"))))()
    assert [b"ann"] == door.log_in("ann", "secret")
    assert [] == door.asked


def test_a_nonce_outlives_the_change(tmp_path: Path) -> None:
    """Nobody who is reading is asked for a password because of a reload."""
    door = Doorway(tmp_path, "digest")
    nonce = door.nonce()
    door.gate.prepare(AuthSettings(entries=tuple(door.gate._entries), required=frozenset({"*"})))()
    assert [b"ann"] == door.come(Request(LOGIN, digest("ann", "secret", nonce, 1)))


def test_failures_are_not_forgotten(tmp_path: Path) -> None:
    """A reload is no help for whoever guesses; and who waits for a realm that has gone is told to come again."""
    door = Doorway(tmp_path)
    for _ in range(FREE_FAILURES):
        door.log_in("ann", "wrong")
        door.work()
    late = door.log_in("ann", "wrong")
    assert [] == late
    other = write_htpasswd(tmp_path / "others", {"ann": "another"})
    door.gate.prepare(AuthSettings(entries=(entry(other),)))()
    assert [503] == status_of(late)
    assert [] == door.log_in("ann", "another")
