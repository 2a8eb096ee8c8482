"""A password file that is changed, replaced, torn, emptied or lost while it is in use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.modes import barred_by_modes
from tracd_cluster.auth.password_file import COARSEST, FAULTS_TOLD, LARGEST, PasswordFile
from tracd_cluster.auth.passwords import Htpasswd, parse_htpasswd
from tracd_cluster.errors import StartError

JOE = "joe:{SHA}YWi3kCY+Sqkj7dOAcDXAL7DeMiU=\n"
ANN = JOE.replace("joe", "ann")
KEEPS = "; the last good version stays in use"


@implementer(ILogObserver)
class Told:
    """What has been logged since it was last asked, each as level and text without the path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self._events.append(event)

    def __iter__(self) -> Iterator[str]:
        events, self._events = self._events, []
        for event in events:
            yield f"{event['log_level'].name} {formatEvent(event).removeprefix(f'{self._path}: ')}"


class Bench:
    """A password file that is looked at twice a second."""

    def __init__(self, path: Path, told: Told, parse: Callable[[bytes], Htpasswd] = parse_htpasswd) -> None:
        self.path = path
        self.told = told
        self.file = PasswordFile(str(path), parse)
        self.now = 1_000_000.0

    def look(self, times: int = 1) -> list[str]:
        """Look so many times, and give the users who may log in afterwards."""
        for _ in range(times):
            self.now += 0.5
            self.file.look(self.now)
        return sorted(self.file.content.users)

    def settle(self) -> None:
        """Look until the file is only read again when it changes."""
        self.look(int(COARSEST / 0.5) + 2)

    def replace(self, text: str) -> None:
        """Put another file in its place, as a rename does."""
        other = self.path.with_suffix(".new")
        other.write_text(text)
        os.replace(other, self.path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one user."""
    path = tmp_path / "users"
    path.write_text(JOE)
    return path


@pytest.fixture
def told(path: Path) -> Iterator[Told]:
    """What is logged."""
    told = Told(path)
    globalLogPublisher.addObserver(told)
    yield told
    globalLogPublisher.removeObserver(told)


@pytest.fixture
def bench(path: Path, told: Told) -> Bench:
    """A file that is in use and has not changed for a while."""
    bench = Bench(path, told)
    bench.settle()
    return bench


def test_the_first_content(bench: Bench) -> None:
    """It is there at once, and stays the same as long as the file does."""
    assert {"joe"} == bench.file.content.users
    assert 1 == bench.file.version
    assert [] == list(bench.told)
    assert f"<PasswordFile {bench.path} version=1 users=1>" == repr(bench.file)


def test_no_start_without_a_file(tmp_path: Path) -> None:
    """The message names the file and the reason."""
    with pytest.raises(StartError, match=f"^cannot read password file {tmp_path}/none: No such file or directory$"):
        PasswordFile(f"{tmp_path}/none", parse_htpasswd)
    with pytest.raises(StartError, match=f"^cannot read password file {tmp_path}: Is a directory$"):
        PasswordFile(str(tmp_path), parse_htpasswd)
    with pytest.raises(StartError, match="embedded null byte"):
        PasswordFile("\0", parse_htpasswd)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StartError, match=r"/pipe: Not a regular file$"):
        PasswordFile(f"{tmp_path}/pipe", parse_htpasswd)


def test_a_file_that_is_too_large(bench: Bench) -> None:
    """Nobody has so many users; it is not even read."""
    os.truncate(bench.path, LARGEST + 1)
    with pytest.raises(StartError, match=r"Larger than 16 MiB$"):
        PasswordFile(str(bench.path), parse_htpasswd)
    assert ["joe"] == bench.look(5)
    assert ["warn Larger than 16 MiB" + KEEPS] == list(bench.told)


def test_a_start_with_an_empty_file(path: Path, told: Told) -> None:
    """Nobody can log in, which is told; the first user may come later."""
    path.write_text("")
    bench = Bench(path, told)
    assert ["warn has no users, so nobody can log in"] == list(told)
    path.write_text(JOE)
    assert ["joe"] == bench.look(2)


def test_a_file_replaced_by_a_rename(bench: Bench) -> None:
    """It is whole, and taken at once."""
    bench.replace(JOE + ANN)
    assert ["ann", "joe"] == bench.look()
    assert 2 == bench.file.version
    assert ["info version 2 is in use, users: 2"] == list(bench.told)
    bench.settle()
    assert 2 == bench.file.version
    assert [] == list(bench.told)


def test_a_file_changed_where_it_is(bench: Bench) -> None:
    """It may be half written, so it is taken when it looks the same twice."""
    with bench.path.open("w", buffering=1) as stream:
        assert ["joe"] == bench.look()
        stream.write(ANN)
        assert ["joe"] == bench.look()
        stream.write(JOE)
        assert ["joe"] == bench.look()
    assert ["ann", "joe"] == bench.look()
    assert ["info version 2 is in use, users: 2"] == list(bench.told)


def test_a_change_that_does_not_show(bench: Bench) -> None:
    """Two changes within a tick of the file system's clock differ in nothing but the content, which is read again."""
    bench.replace(ANN)
    assert ["ann"] == bench.look()
    before = bench.path.stat()
    bench.path.write_text(JOE)
    os.utime(bench.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ["joe"] == bench.look()
    assert 3 == bench.file.version


def test_such_a_change_right_after_the_start(path: Path, told: Told) -> None:
    """The first content is no exception, whatever time it is at the first look."""
    bench = Bench(path, told)
    before = path.stat()
    path.write_text(ANN)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ["ann"] == bench.look()


def test_only_a_young_file_is_read_again(path: Path, told: Told) -> None:
    """After the coarsest clock's tick one stat tells all, wherever the wall clock is set meanwhile."""
    reads = []

    def parse(data: bytes) -> Htpasswd:
        reads.append(data)
        return parse_htpasswd(data)

    bench = Bench(path, told, parse)
    bench.settle()
    bench.now -= 3600
    bench.settle()
    before = path.stat()
    path.write_text(ANN)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    bench.settle()
    assert [JOE.encode()] == reads


def test_a_touched_file(bench: Bench) -> None:
    """The same content is no new version."""
    os.utime(bench.path, (1, 1))
    bench.look(5)
    assert 1 == bench.file.version
    assert [] == list(bench.told)


def test_a_lost_file(bench: Bench) -> None:
    """The last good version stays in use, which is told once, and so is the return of the very same file."""
    away = bench.path.with_suffix(".away")
    for _ in range(2):
        os.replace(bench.path, away)
        assert ["joe"] == bench.look(5)
        assert ["warn No such file or directory" + KEEPS] == list(bench.told)
        os.replace(away, bench.path)
        assert ["joe"] == bench.look(5)
        assert ["info is as it was before, and in use"] == list(bench.told)
    assert 1 == bench.file.version


def test_a_file_that_is_no_file_any_more(bench: Bench) -> None:
    """Whatever is wrong with it, each reason is told once."""
    bench.path.unlink()
    bench.path.mkdir()
    assert ["joe"] == bench.look(3)
    bench.path.rmdir()
    os.symlink(bench.path, bench.path)
    assert ["joe"] == bench.look(3)
    bench.path.unlink()
    os.mkfifo(bench.path)
    assert ["joe"] == bench.look(3)
    reasons = ["Is a directory", "Too many levels of symbolic links", "Not a regular file"]
    assert [f"warn {reason}{KEEPS}" for reason in reasons] == list(bench.told)
    bench.path.unlink()
    bench.path.write_text(ANN)
    assert ["ann"] == bench.look(2)


def test_a_file_that_may_not_be_read(bench: Bench) -> None:
    """It is taken when its mode is mended, though that is no change of the file."""
    bench.replace(ANN)
    bench.path.chmod(0)
    with barred_by_modes():
        assert ["joe"] == bench.look(3)
        assert ["warn Permission denied" + KEEPS] == list(bench.told)
        bench.path.chmod(0o600)
        assert ["ann"] == bench.look()


@pytest.mark.parametrize("text", ["", "# nobody\n", "plain:secretword\n"])
def test_a_file_without_users(bench: Bench, text: str) -> None:
    """An emptied file locks nobody out; the warning, given once for each change, says what would."""
    bench.replace(text)
    assert ["joe"] == bench.look(8)
    warning = (
        "warn has no users any more; the last good version stays in use "
        "(to let nobody log in, leave a user with * for a hash in it)"
    )
    assert [warning] == list(bench.told)
    bench.replace(text + "\n")
    assert ["joe"] == bench.look(8)
    assert [warning] == list(bench.told)
    assert 1 == bench.file.version
    bench.replace("nobody:*\n")
    assert ["nobody"] == bench.look()


def test_an_emptied_file_gets_its_users_back(bench: Bench) -> None:
    """The operator is told when all is well again."""
    bench.replace("")
    bench.look()
    assert 1 == len(list(bench.told))
    bench.replace(JOE)
    bench.look(3)
    assert ["info is as it was before, and in use"] == list(bench.told)


def test_faults_are_told_with_their_place(bench: Bench) -> None:
    """Each is a warning that names file and line, up to a number that can be read."""
    bench.replace(JOE + "plain:secretword\n")
    bench.look(3)
    assert [
        "info version 2 is in use, users: 1",
        "warn line 2: user 'plain' cannot log in: plain text passwords are refused",
    ] == list(bench.told)
    bench.replace(JOE + "nonsense\n" * (FAULTS_TOLD + 3))
    bench.look(3)
    told = list(bench.told)
    assert 1 + FAULTS_TOLD + 1 == len(told)
    assert "warn 3 more faults" == told[-1]


def test_a_fault_of_ours_does_no_harm(path: Path, told: Told) -> None:
    """A parser that fails ends nothing, and the log is not filled with it."""

    def parse(data: bytes) -> Htpasswd:
        if b"ann" in data:
            raise RuntimeError("sorry")
        return parse_htpasswd(data)

    bench = Bench(path, told, parse)
    bench.replace(ANN)
    assert ["joe"] == bench.look(8)
    assert ["warn reading it failed, the last good version stays in use: RuntimeError('sorry')"] == list(told)
    bench.replace(JOE * 2)
    assert ["joe"] == bench.look()
    assert 2 == bench.file.version
