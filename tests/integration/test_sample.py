"""The sample environment that the demo, the tests and the measurements stand on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import make_environment
from tests.processes import ROOT

pytestmark = pytest.mark.needs("git")

FEW = ("--tickets", "6", "--pages", "14", "--commits", "3", "--today", "2025-03-04")


def rows(environment: Path, query: str) -> list[tuple[object, ...]]:
    """Ask the environment's database."""
    connection = sqlite3.connect(environment / "db" / "trac.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def content(environment: Path) -> list[list[tuple[object, ...]]]:
    """Give what the sample wrote, without what Trac puts into every environment."""
    return [
        rows(environment, "SELECT * FROM ticket"),
        rows(environment, "SELECT * FROM ticket_change"),
        rows(environment, "SELECT name, time, author, text FROM wiki WHERE author <> 'trac' ORDER BY name"),
    ]


def head_commit(environment: Path) -> str:
    """Give the newest commit of the sample's repository."""
    git = ["git", f"--git-dir={environment / 'git'}", "rev-parse", "main"]
    return subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()


def test_it_holds_as_much_as_was_asked_for(tmp_path: Path) -> None:
    """Whoever needs six tickets gets six."""
    path = make_environment(tmp_path / "env", *FEW)
    assert [(6,)] == rows(path, "SELECT count(*) FROM ticket")
    assert [(14,)] == rows(path, "SELECT count(*) FROM wiki WHERE author <> 'trac' AND comment = 'written'")
    assert 3 == len(subprocess.check_output(["git", f"--git-dir={path / 'git'}", "rev-list", "main"]).split())


def test_the_same_seed_tells_the_same_story(tmp_path: Path) -> None:
    """Two measurements a week apart run on the same content."""
    first, second = (make_environment(tmp_path / name, *FEW) for name in ("first", "second"))
    assert content(first) == content(second)
    assert head_commit(first) == head_commit(second)


def test_another_seed_tells_another_story(tmp_path: Path) -> None:
    """The seed is not for show."""
    first = make_environment(tmp_path / "first", *FEW)
    second = make_environment(tmp_path / "second", *FEW, "--seed", "2")
    assert content(first) != content(second)


def test_an_environment_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """A demo that is started again shows what was written into it."""
    path = make_environment(tmp_path / "env", *FEW)
    before = (path / "db" / "trac.db").read_bytes()
    make_environment(path, "--if-missing")
    assert before == (path / "db" / "trac.db").read_bytes()


def test_something_else_is_not_overwritten(tmp_path: Path) -> None:
    """A mistyped path costs nobody his files."""
    (tmp_path / "precious").write_text("mine")
    command = [sys.executable, "-m", "sample.environment", str(tmp_path), *FEW]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 1 == result.returncode
    assert f"{tmp_path}: there is something already; give a path that is not in use\n" == result.stderr
    assert ["precious"] == [path.name for path in tmp_path.iterdir()]


def test_only_an_open_environment_lets_visitors_write(tmp_path: Path) -> None:
    """The demo can be played with, and other environments are as Trac makes them."""
    query = "SELECT action FROM permission WHERE username = 'anonymous' AND action = 'TICKET_CREATE'"
    assert [] == rows(make_environment(tmp_path / "shut", *FEW), query)
    assert [("TICKET_CREATE",)] == rows(make_environment(tmp_path / "open", *FEW, "--open"), query)


def test_the_passwords_are_those_that_the_demo_prints(tmp_path: Path) -> None:
    """Who is told a password can use it."""
    from passlib.hash import apr_md5_crypt

    from sample.environment import PASSWORD

    path = make_environment(tmp_path / "env", *FEW)
    users = dict(line.split(":") for line in (path / "users.htpasswd").read_text().splitlines())
    assert apr_md5_crypt.verify(PASSWORD, users["admin"])
