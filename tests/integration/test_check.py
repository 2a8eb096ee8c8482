"""``--check``: says everything that is wrong with a setup, at once, before anybody is served by it."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integration.dropin.server import Python
from tests.processes import FROM_TREE, free_port
from tracd_cluster.auth.passwords import digest_ha1, hash_password

TWISTD = str(Path(sys.executable).with_name("twistd"))
RUN_TWISTD = "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()"
NOBODY = pwd.getpwnam("nobody")


@dataclass
class Outcome:
    """What a check has said and how it ended."""

    status: int
    lines: list[str]
    complaint: str

    @property
    def problems(self) -> list[str]:
        return [line.removeprefix("problem: ") for line in self.lines if line.startswith("problem: ")]

    @property
    def hints(self) -> list[str]:
        return [line.removeprefix("hint: ") for line in self.lines if line.startswith("hint: ")]


def check(
    *arguments: object,
    before: str = "ulimit -n 4096",
    most: str = "1000",
    twistd: tuple[str, ...] = (TWISTD,),
    user: int | None = None,
    **variables: str,
) -> Outcome:
    """Run a check as ``user``; ``before`` is what a shell does first, ``most`` the number of clients."""
    words = ["--check", "--max-connections", most, *map(str, arguments)]
    command = shlex.join([*twistd, "tracd-cluster", *words])
    done = subprocess.run(
        ["bash", "-c", f"{before}; exec {command}"],
        env={**FROM_TREE, **variables}, capture_output=True, text=True, timeout=60, check=False, cwd="/", user=user,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout.splitlines(), done.stderr)


def problem_of(*arguments: object, **more: Any) -> str:
    """Run a check that finds one problem, and give that."""
    outcome = check(*arguments, **more)
    assert (1, "1 problem") == (outcome.status, outcome.lines[-1]), outcome
    assert "Traceback" not in outcome.complaint
    [problem] = outcome.problems
    return problem


def healthy(env: Path) -> Path:
    """Make an environment's database as it should be."""
    with closing(sqlite3.connect(env / "db" / "trac.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
    return env


@pytest.fixture(scope="module")
def where() -> list[str]:
    """Where nobody listens."""
    return ["-b", "127.0.0.1", "-p", str(free_port())]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def anybodys(everyones_python: Python) -> dict[str, Any]:
    """What a check needs that others than root can run as well."""
    return {"twistd": (everyones_python.path, "-c", RUN_TWISTD), **everyones_python.environment}


def certificate(folder: Path, expires: datetime) -> list[str | Path]:
    """Make a certificate with its key, and give the options for them."""
    made = trustme.CA().issue_cert("trac.example.org", not_after=expires)
    made.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    return ["--protocol", "https", "--certfile", folder / "both.pem"]


def test_a_healthy_setup_is_ok(env: Path, tmp_path: Path, where: list[str]) -> None:
    """One word, status 0, and nothing is left behind; with everything that can be set up."""
    users = tmp_path / "users"
    users.write_text(f"ann:Trac:{digest_ha1('ann', 'Trac', 'secret', 'sha256')}\n")
    more = ["--auth", f"*,{users},Trac", "--secret-file", tmp_path / "secret", "--pidfile", tmp_path / "pid"]
    tls = certificate(tmp_path, datetime.now(UTC) + timedelta(days=90))
    outcome = check(*where, *more, *tls, "-s", healthy(env))
    assert (0, ["ok"], "") == (outcome.status, outcome.lines, outcome.complaint)
    assert not (tmp_path / "pid").exists()
    assert 0 == check(*where, "-s", env).status, "the port is free again"


def test_an_application_alone_is_ok(where: list[str]) -> None:
    """Where there is no environment, none is looked for."""
    assert ["ok"] == check(*where, "--application", "tests.integration.apps:misbehaving").lines


def test_everything_is_said_at_once_and_problems_first(env: Path, tmp_path: Path, taken: int) -> None:
    """Nobody has to run it once for each mistake."""
    users = tmp_path / "users"
    users.write_text("ann\n")
    gone = tmp_path / "no-environment"
    gone.mkdir()
    tls = certificate(tmp_path, datetime.now(UTC) - timedelta(days=1))
    listen = ["-b", "127.0.0.1", "-p", str(taken), "--listen", "carrier-pigeon:80"]
    others = ["--basic-auth", f"*,{users},Trac", "--pidfile", tmp_path / "no" / "pid", "-q"]
    outcome = check(*listen, *tls, *others, env, gone, before="ulimit -n 256")
    expected = [
        f"environment {gone}: it is not a Trac environment",
        f"nobody can log in to project *: {users} has no user",
        f"the certificate {tmp_path}/both.pem for trac.example.org has expired",
        f"--pidfile {tmp_path}/no/pid cannot be written",
        f"cannot listen on tcp:port={taken}:interface=127.0.0.1:backlog=1024: Address already in use",
        "cannot listen on carrier-pigeon:80",
    ]
    assert 1 == outcome.status
    assert "6 problems" == outcome.lines[-1]
    for text, problem in zip(expected, outcome.problems, strict=True):
        assert text in problem
    kinds = [line.partition(":")[0] for line in outcome.lines[:-1]]
    assert sorted(kinds, reverse=True) == kinds
    for text in ("-q does nothing", "WAL", "256 files", f"{users}: line 1: is not of the form user:hash"):
        assert any(text in hint for hint in outcome.hints), text
    assert "Traceback" not in outcome.complaint


# -- environments


def test_an_environment_that_needs_an_upgrade(env: Path, where: list[str]) -> None:
    """The command that does it is in the message."""
    with closing(sqlite3.connect(healthy(env) / "db" / "trac.db")) as database, database:
        database.execute("UPDATE system SET value = '40' WHERE name = 'database_version'")
    assert f'trac-admin "{env}" upgrade' in problem_of(*where, "-s", env)


def test_a_database_that_is_not_there(env: Path, where: list[str]) -> None:
    """It is named."""
    (env / "db" / "trac.db").unlink()
    told = problem_of(*where, "-s", env)
    assert f'environment {env}: its database cannot be used: Database "{env}/db/trac.db" not found.' == told


def test_a_database_without_wal_gets_a_hint(env: Path, where: list[str]) -> None:
    """It serves, but readers wait for writers; the command that changes it does change it."""
    outcome = check(*where, "-s", env)
    assert (0, "ok") == (outcome.status, outcome.lines[-1])
    [hint] = outcome.hints
    found = re.search(r"sqlite3 '(.+)' '(PRAGMA .+)' changes that for good", hint)
    assert found is not None
    assert f"{env}/db/trac.db" == found[1]
    with closing(sqlite3.connect(found[1])) as database:
        database.execute(found[2])
    assert ["ok"] == check(*where, "-s", env).lines


def test_several_environments_are_all_looked_at(env: Path, tmp_path: Path, where: list[str]) -> None:
    """In a parent folder too: what is no environment there shows in Trac's index as broken."""
    parent = tmp_path / "projects"
    healthy(env)
    for name in ("one", "two"):
        shutil.copytree(env, parent / name)
    (parent / "stray").mkdir()
    assert f"environment {parent}/stray" in problem_of(*where, "-e", parent)


def test_a_plugin_that_does_not_load_gets_a_hint(env: Path, where: list[str]) -> None:
    """Trac itself tells it to its own log alone."""
    (healthy(env) / "plugins" / "broken.py").write_text("import no_such_library\n")
    outcome = check(*where, "-s", env)
    assert 0 == outcome.status
    [hint] = outcome.hints
    assert f"plugin {env}/plugins/broken.py cannot be loaded: ModuleNotFoundError" in hint


def test_too_new_a_setuptools_has_its_cure(env: Path, tmp_path: Path, where: list[str]) -> None:
    """The commonest reason why a fresh installation of Trac does not start."""
    shadow = tmp_path / "shadow" / "pkg_resources.py"
    shadow.parent.mkdir()
    shadow.write_text("raise ModuleNotFoundError(\"No module named 'pkg_resources'\", name='pkg_resources')\n")
    path = os.pathsep.join([str(shadow.parent), FROM_TREE["PYTHONPATH"]])
    told = problem_of(*where, "-s", env, PYTHONPATH=path)
    assert told.startswith("Trac needs pkg_resources, and setuptools ")
    assert told.endswith('install "setuptools<82"')


def test_environments_are_opened_as_the_user_who_will_serve(
    env: Path, where: list[str], anybodys: dict[str, Any]
) -> None:
    """What only root could read is found before the service has become somebody else."""
    told = problem_of(*where, "-s", healthy(env), "--user", "nobody", **anybodys)
    assert f"permission denied: the user nobody (uid {NOBODY.pw_uid}) cannot use {env}" in told


def test_becoming_somebody_else_takes_root(where: list[str], anybodys: dict[str, Any]) -> None:
    """Whoever is not root hears it from the check as well."""
    told = problem_of(*where, "-e", "/tmp", "--user", "root", user=NOBODY.pw_uid, **anybodys)
    assert "--user and --group: only root can become somebody else" == told


# -- passwords


def test_lines_that_cannot_be_used_are_named(env: Path, tmp_path: Path, where: list[str]) -> None:
    """File and line, without the hash; the others can log in."""
    users = tmp_path / "users"
    users.write_text(f"ann:{hash_password('x', 'sha')}\n# people\nben:secret\ncas\ndora:$2y$05$short\n")
    outcome = check(*where, "--basic-auth", f"*,{users},Trac", "-s", healthy(env))
    assert (0, "ok") == (outcome.status, outcome.lines[-1])
    assert [
        f"{users}: line 3: user 'ben' cannot log in: plain text passwords are refused",
        f"{users}: line 4: is not of the form user:hash",
        f"{users}: line 5: user 'dora' cannot log in: the hash is damaged or of a kind that is not supported",
    ] == outcome.hints


def test_a_realm_that_nobody_is_in_is_a_problem(env: Path, tmp_path: Path, where: list[str]) -> None:
    """A typing error in the realm locks everybody out, so it is said with the realm."""
    users = tmp_path / "users"
    users.write_text(f"ann:trac:{'0' * 32}\n")
    outcome = check(*where, "--auth", f"*,{users},Trac", "-s", healthy(env))
    assert [f"nobody can log in to project *: {users} has no user of realm 'Trac'"] == outcome.problems
    assert [f"{users}: no line is of the realm 'Trac', but there are others"] == outcome.hints


def test_a_password_file_that_is_not_there(env: Path, tmp_path: Path, where: list[str]) -> None:
    """As with tracd, that is a wrong command line."""
    outcome = check(*where, "--basic-auth", f"*,{tmp_path}/gone,Trac", "-s", env)
    assert 2 == outcome.status
    assert f"path '{tmp_path}/gone' does not exist" in outcome.complaint


def test_a_password_file_that_workers_cannot_read(
    env: Path, tmp_path: Path, where: list[str], anybodys: dict[str, Any]
) -> None:
    """The front reads it as root, but later changes would go unnoticed: a hint."""
    users = tmp_path / "users"
    users.write_text(f"ann:{hash_password('x', 'sha')}\n")
    auth = ["--basic-auth", f"*,{users},Trac", "--user", "nobody"]
    outcome = check(*where, *auth, "-s", healthy(env), **anybodys)
    assert any(hint.startswith(f"changes of {users} will not be noticed: permission denied") for hint in outcome.hints)


def test_a_password_file_that_nobody_can_read(env: Path, tmp_path: Path, where: list[str]) -> None:
    """It is a problem with its reason, even a pipe, of which nobody would ever know the end."""
    users = tmp_path / "users"
    os.mkfifo(users)
    told = problem_of(*where, "--basic-auth", f"*,{users},Trac", "-s", healthy(env))
    assert f"cannot read password file {users}: Not a regular file" == told


def test_a_secret_that_is_none(env: Path, tmp_path: Path, where: list[str]) -> None:
    """Too short, or open to everybody."""
    secret = tmp_path / "secret"
    secret.write_text("short")
    secret.chmod(0o600)
    told = problem_of(*where, "--secret-file", secret, "-s", healthy(env))
    assert f"--secret-file {secret} has 5 bytes; a secret has 16 at the least" == told


# -- certificates


def test_a_certificate_that_has_expired(env: Path, tmp_path: Path, where: list[str]) -> None:
    """With the day it did."""
    day = datetime.now(UTC) - timedelta(days=1)
    told = problem_of(*where, *certificate(tmp_path, day), "-s", healthy(env))
    assert f"the certificate {tmp_path}/both.pem for trac.example.org has expired on {day:%Y-%m-%d}" == told


def test_a_certificate_that_will_expire_soon_gets_a_hint(env: Path, tmp_path: Path, where: list[str]) -> None:
    """What should have been renewed by now."""
    tls = certificate(tmp_path, datetime.now(UTC) + timedelta(days=5, hours=1))
    outcome = check(*where, *tls, "-s", healthy(env))
    assert 0 == outcome.status
    assert [f"the certificate {tmp_path}/both.pem for trac.example.org expires in 5 days"] == outcome.hints


def test_a_key_that_does_not_fit(env: Path, tmp_path: Path, where: list[str]) -> None:
    """Both files are named."""
    tls = certificate(tmp_path, datetime.now(UTC) + timedelta(days=90))
    key = tmp_path / "key.pem"
    trustme.CA().issue_cert("trac.example.org").private_key_pem.write_to_path(str(key))
    told = problem_of(*where, *tls, "--keyfile", key, "-s", healthy(env))
    assert f"cannot use the key {key} with the certificate {tmp_path}/both.pem: they do not belong together" == told


# -- the system


def test_a_port_that_is_taken(env: Path, taken: int) -> None:
    """With what to do about it."""
    told = problem_of("-b", "127.0.0.1", "-p", str(taken), "-s", healthy(env))
    assert f"cannot listen on tcp:port={taken}:interface=127.0.0.1:backlog=1024: Address already in use (" in told


def test_an_admin_address_that_cannot_be_had(env: Path, taken: int, tmp_path: Path) -> None:
    """With the name of its option; a password that is too short is found as well."""
    (tmp_path / "password").write_text("short")
    (tmp_path / "password").chmod(0o600)
    words = ("--admin", str(taken), "--admin-password-file", str(tmp_path / "password"))
    password, port = sorted(check("-b", "127.0.0.1", "-p", "0", *words, "-s", healthy(env)).problems, reverse=True)
    assert f"--admin {taken}: cannot listen on tcp:port={taken}:interface=127.0.0.1: Address already in use" in port
    assert "12 are the least" in password


def test_few_files_get_a_hint(env: Path, where: list[str]) -> None:
    """The limit, what it is room for, and how to raise it; one that the service raises itself is not worth a word."""
    few = ("--workers", "2", "--max-connections", "400")
    outcome = check(*where, *few, "-s", healthy(env), before="ulimit -n 256")
    assert 0 == outcome.status
    assert [
        "only 256 files may be open at a time: that is room for 99 clients, and --max-connections 400 needs 632 "
        "(ulimit -n 632, or LimitNOFILE=632 in the unit)"
    ] == outcome.hints
    assert [] == check(*where, *few, "-s", healthy(env), before="ulimit -Hn 700 && ulimit -Sn 256").hints
