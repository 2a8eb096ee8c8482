"""What the command itself says and how it ends: version, help, wrong usage, start lines, exit statuses."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import NOBODY, OURS, TRACD, Python, executable, ours_only, run
from tests.processes import ROOT, free_port, wait_until

LONG_OPTION = re.compile(r"--[a-z][a-z0-9-]+")
SHORT_OPTION = re.compile(r"(?<![\w-])-[a-zA-Z]\b")


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one user; nobody logs in here."""
    path = tmp_path_factory.mktemp("passwords") / "users"
    path.write_text("admin:{SHA}iHy5DPg8Ue8mhOrtTiaT5RMzAvU=\n")
    return path


def test_version(program: str) -> None:
    """--version names the program and Trac's version, and ends with 0."""
    ended = run(program, "--version")
    assert (0, "") == (ended.returncode, ended.stderr)
    assert ended.stdout.startswith(f"{program} ")
    assert "1.6" in ended.stdout


def test_the_command_is_a_module_too() -> None:
    """What the console script does, ``python -m tracd_cluster.cli`` does where it is not installed."""
    command = [sys.executable, "-m", "tracd_cluster.cli", "--version"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert run(OURS, "--version").stdout == said


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(program: str, option: str) -> None:
    """-h ends with 0 and names every option of tracd's own help."""
    ended = run(program, option)
    assert (0, "") == (ended.returncode, ended.stderr)
    theirs = ended.stdout if program == TRACD else run(TRACD, option).stdout
    for pattern, least in ((LONG_OPTION, 20), (SHORT_OPTION, 8)):
        names = set(pattern.findall(theirs))
        assert least <= len(names)
        assert names <= set(pattern.findall(ended.stdout))


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        ([], "environment"),
        (["-p", "8000"], "environment"),
        (["missing"], "missing"),
        (["-e", "missing"], "missing"),
        (["-s", ".", ".."], "-s"),
        (["-s", "-e", "."], "-e"),
        (["-p", "eighty", "."], "eighty"),
        (["--protocol", "gopher", "."], "gopher"),
        (["--protocol", "https", "."], "--certfile"),
        (["-a", "one,FILE", "."], "-a"),
        (["-a", "one,FILE,realm,more", "."], "-a"),
        (["-a", "one,missing,realm", "."], "missing"),
        (["--basic-auth", "one,FILE", "."], "--basic-auth"),
        (["--basic-auth", "one,missing,realm", "."], "missing"),
        (["--http10", "--http11", "."], "--http1"),
        (["-r", "-d", "."], "-r"),
        (["--umask", "8", "."], "8"),
        (["--user", "nobody-of-that-name", "."], "nobody-of-that-name"),
        (["--group", "nobody-of-that-name", "."], "nobody-of-that-name"),
        (["--no-such-option", "."], "--no-such-option"),
        (["--http", "."], "--http"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_wrong_usage(program: str, arguments: list[str], about: str, password_file: Path, tmp_path: Path) -> None:
    """A command line that cannot be meant ends with 2, and a message on standard error that names what is wrong."""
    given = [argument.replace("FILE", str(password_file)) for argument in arguments]
    ended = run(program, *given, cwd=tmp_path)
    assert (2, "") == (ended.returncode, ended.stdout)
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"{program}: error: ")
    assert about in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["-p", "65536"], ["--protocol", "https", "--certfile", "missing"]], ids=["port", "certificate"]
)
def test_wrong_usage_that_tracd_finds_late(program: str, arguments: list[str], tmp_path: Path) -> None:
    """A port that cannot be, or a certificate that is not there, is wrong usage: 2; tracd starts, and fails with 1."""
    ended = run(program, "-b", "127.0.0.1", "-p", str(free_port()), *arguments, str(tmp_path))
    assert {TRACD: 1, OURS: 2}[program] == ended.returncode
    assert program == TRACD or arguments[-1] in ended.stderr


def test_the_start_is_told_and_ctrl_c_is_a_good_end(program: str, start: StartServer, project: MakeProject) -> None:
    """The two lines of the start stand on standard output, in tracd's words; Ctrl-C ends with 0.

    Without -b, all IPv4 addresses are listened on.
    """
    port = free_port()
    server = start(program, "-p", str(port), "--base-path", "/trac/", str(project("one")), port=port, path="/trac/")
    with socket.create_connection(("127.0.0.2", port), timeout=10):
        lines = server.stdout.splitlines()
    assert [
        f"Server starting in PID {server.tree.pid}.",
        f"Serving on 0.0.0.0:{port} view at http://127.0.0.1:{port}/trac",
    ] == lines[:2]
    assert 0 == server.interrupt()
    assert "Traceback" not in server.stderr


def test_ctrl_c_at_the_start(program: str, start: StartServer, project: MakeProject) -> None:
    """Ctrl-C just when the start has been told is as good an end, and nothing else is said about it."""
    server = start(program, str(project("one")), path="")
    wait_until(lambda: "Serving on" in server.stdout, 20, "the start")
    assert 0 == server.interrupt(), server.stderr
    assert "Traceback" not in server.stderr


def test_the_line_of_an_address(program: str, start: StartServer, project: MakeProject) -> None:
    """With -b, the address stands in the line as it was given."""
    port = free_port()
    server = start(program, "-p", str(port), "-b", "localhost", "-s", str(project("one")), port=port)
    assert f"Serving on http://localhost:{port}/" in server.stdout.splitlines()


def test_a_port_that_is_taken(program: str, tmp_path: Path) -> None:
    """A port somebody else listens on ends the start with 1 and says so."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run(program, "-b", "127.0.0.1", "-p", str(port), str(tmp_path))
    assert 1 == ended.returncode
    said = ended.stdout + ended.stderr
    assert "Address already in use" in said
    assert str(port) in said
    assert "Traceback" not in said


def test_an_address_that_is_not_of_this_machine(program: str, tmp_path: Path) -> None:
    """An address that nobody can listen on ends the start with 1 and says why."""
    ended = run(program, "-b", "192.0.2.1", "-p", str(free_port()), str(tmp_path))
    assert 1 == ended.returncode
    said = ended.stdout + ended.stderr
    assert "Cannot assign requested address" in said
    assert "Traceback" not in said


@pytest.mark.needs("root", "bwrap", "setpriv")
@ours_only
def test_a_low_port_for_an_ordinary_user(program: str, everyones_folder: Path, everyones_python: Python) -> None:
    """A port below 1024 is refused with 1 and how to be permitted; tracd says "[Errno 13] Permission denied" only."""
    # In a network of its own the kernel's default holds, whatever this machine's users may do (ip-sysctl,
    # ip_unprivileged_port_start).
    alone = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--cap-add", "ALL"]
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    where = ["-b", "127.0.0.1", "-p", "1000", "-s", str(everyones_folder)]
    ended = subprocess.run(
        [*alone, *nobody, everyones_python.path, executable(program), *where],
        capture_output=True, text=True, timeout=60, check=False, cwd=everyones_folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **everyones_python.environment},
    )  # fmt: skip
    assert 1 == ended.returncode
    assert "Permission denied" in ended.stderr
    assert "CAP_NET_BIND_SERVICE" in ended.stderr
    assert "Traceback" not in ended.stderr


@ours_only
def test_options_between_environments(program: str, start: StartServer, project: MakeProject) -> None:
    """Options may stand between two environments; tracd calls what comes after them unrecognized."""
    assert OURS == program
    server = start(program, str(project("one")), "--http11", str(project("two")))
    assert (200, 200) == (server.get("/one/about").status, server.get("/two/about").status)
