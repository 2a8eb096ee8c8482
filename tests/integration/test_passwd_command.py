"""The passwd command beside Apache's own htpasswd and htdigest, at a real terminal, and many at a time."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.processes import ROOT

PASSWORD = "pass wörd"
OURS = [sys.executable, "-c", "import sys; from tracd_cluster.passwd import main; sys.exit(main(sys.argv[1:]))"]

AT_TERMINAL = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execvp(sys.argv[1], sys.argv[1:])"
"""Takes standard input for the terminal of the session, then becomes another program."""


def run(*argv: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    command = [str(each) for each in argv]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False)


class Terminal:
    """A program that has a terminal for itself, and somebody who reads it and types."""

    def __init__(self, *argv: str | Path) -> None:
        self.shown = b""
        self._master, self._slave = os.openpty()
        command = [sys.executable, "-c", AT_TERMINAL, *(str(each) for each in argv)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=self._slave, stdout=self._slave, stderr=self._slave, start_new_session=True
        )

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a prompt that is new, and type something."""
        start = len(self.shown)
        while prompt.encode() not in self.shown[start:]:
            self._read()
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Wait for the end, and give the exit status."""
        status = self._process.wait(60)
        while select.select([self._master], [], [], 0)[0]:
            self._read()
        echo = termios.tcgetattr(self._slave)[3] & termios.ECHO
        os.close(self._master)
        os.close(self._slave)
        assert echo, "the terminal was left without echo"
        return status

    def _read(self) -> None:
        assert select.select([self._master], [], [], 60)[0], f"no prompt came after {self.shown!r}"
        self.shown += os.read(self._master, 4096)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a password file is to be."""
    return tmp_path / "users"


@pytest.mark.needs("htpasswd")
@pytest.mark.parametrize("options", [["-B", "-C4"], ["-m"], ["-s"], ["-2"], ["-5"]], ids="".join)
def test_apache_verifies_what_we_write(file: Path, options: list[str]) -> None:
    """A file with users of ours is one of Apache's."""
    assert 0 == run(*OURS, "-cb", *options, file, "jörg", PASSWORD).returncode
    assert 0 == run(*OURS, "-i", *options, file, "joe", stdin="harbour\n").returncode
    assert 0 == run("htpasswd", "-vb", file, "jörg", PASSWORD).returncode
    assert 0 == run("htpasswd", "-vb", file, "joe", "harbour").returncode
    assert 3 == run("htpasswd", "-vb", file, "joe", "harbor").returncode


@pytest.mark.needs("htpasswd")
def test_we_verify_what_apache_writes(file: Path) -> None:
    """Each kind of hash that Apache makes is one of ours, and its users are changed and deleted by us."""
    kinds = ["-m", "-B", "-s", "-2", "-5", "-d"]
    file.touch()
    for kind in kinds:
        assert 0 == run("htpasswd", "-b", kind, file, f"user{kind}", "harbour").returncode
    for kind in kinds:
        assert 0 == run(*OURS, "-vb", file, f"user{kind}", "harbour").returncode
        assert 3 == run(*OURS, "-vb", file, f"user{kind}", "harbor").returncode
    lines = file.read_text().splitlines()
    assert 0 == run(*OURS, "-D", file, "user-s").returncode
    assert [line for line in lines if not line.startswith("user-s:")] == file.read_text().splitlines()


@pytest.mark.needs("htpasswd")
@pytest.mark.parametrize(
    "arguments",
    [
        ["-b", "{file}", "joe", "x"],
        ["-D", "{file}", "nobody"],
        ["-vb", "{file}", "joe", "x"],
        ["-vb", "{file}", "nobody", "x"],
        ["-b", "{file}.none", "joe", "x"],
        ["-D", "{file}.none", "joe"],
        ["-b", "{file}", "j:oe", "x"],
        ["-b", "{file}", "j" * 256, "x"],
        ["-b", "{letter}", "joe", "x"],
        ["-cD", "{file}", "joe"],
        ["-b", "{file}", "joe"],
        ["{file}", "joe", "x"],
    ],
    ids=" ".join,
)
def test_statuses_are_those_of_apache(tmp_path: Path, file: Path, arguments: list[str]) -> None:
    """Scripts that look at htpasswd's exit status may go on doing so."""
    letter = tmp_path / "letter"
    file.write_text("joe:{SHA}YWi3kCY+Sqkj7dOAcDXAL7DeMiU=\n")
    letter.write_text("Dear Joe\n")
    said = [each.format(file=file, letter=letter) for each in arguments]
    assert run("htpasswd", *said).returncode == run(*OURS, *said).returncode


@pytest.mark.needs("htdigest")
def test_digests_are_those_of_apache(tmp_path: Path, file: Path) -> None:
    """The MD5 line is what htdigest writes, and we verify and change what it wrote."""
    theirs = tmp_path / "theirs"
    terminal = Terminal("htdigest", "-c", theirs, "trac", "jörg")
    terminal.answer("New password: ", f"{PASSWORD}\n")
    terminal.answer("new password: ", f"{PASSWORD}\n")
    assert 0 == terminal.end()
    assert 0 == run(*OURS, "-cb", "--digest", "trac", file, "jörg", PASSWORD).returncode
    assert theirs.read_text() == file.read_text()
    assert 0 == run(*OURS, "-vb", "--digest", "trac", theirs, "jörg", PASSWORD).returncode
    assert 0 == run(*OURS, "-b", "--digest", "trac", "--hash", "md5+sha256", theirs, "jörg", PASSWORD).returncode
    assert file.read_text() == theirs.read_text().splitlines(keepends=True)[0]


def test_asked_twice_at_a_terminal(file: Path) -> None:
    """A password that is typed is not shown, and has to be typed twice."""
    terminal = Terminal(*OURS, "-c", "-C4", file, "joe")
    terminal.answer("New password: ", f"{PASSWORD}\n")
    terminal.answer("Re-type new password: ", f"{PASSWORD}\n")
    assert 0 == terminal.end()
    assert b"Adding password for user joe" in terminal.shown
    assert PASSWORD.encode() not in terminal.shown
    terminal = Terminal(*OURS, "-v", file, "joe")
    terminal.answer("Enter password: ", f"{PASSWORD}\n")
    assert 0 == terminal.end()
    assert PASSWORD.encode() not in terminal.shown


def test_a_slip_at_the_terminal(file: Path) -> None:
    """Two passwords that differ, or an interrupt, change nothing."""
    terminal = Terminal(*OURS, "-c", file, "joe")
    terminal.answer("New password: ", "harbour\n")
    terminal.answer("Re-type new password: ", "harbor\n")
    assert 3 == terminal.end()
    assert b"the two passwords are not the same" in terminal.shown
    for key in "\x03", "\x04":
        terminal = Terminal(*OURS, "-c", file, "joe")
        terminal.answer("New password: ", key)
        assert 4 == terminal.end()
        assert b"interrupted, nothing was changed" in terminal.shown
        assert b"Traceback" not in terminal.shown
    assert not file.exists()


def test_many_at_a_time(file: Path) -> None:
    """No run undoes what another has done, and nothing is left behind."""
    file.write_text("# staff\n")
    users = [f"user{number}" for number in range(20)]
    runs = [subprocess.Popen([*OURS, "-sb", str(file), user, "harbour"], cwd=ROOT, stderr=subprocess.DEVNULL)
            for user in users]  # fmt: skip
    assert [0] * len(users) == [each.wait(120) for each in runs]
    lines = file.read_text().splitlines()
    assert "# staff" == lines[0]
    assert sorted(users) == sorted(line.split(":")[0] for line in lines[1:])
    assert [file] == list(file.parent.iterdir())
