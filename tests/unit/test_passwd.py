"""The passwd command: what becomes of a file, what is said, and the exit statuses of htpasswd(1)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tracd_cluster.auth.passwords import parse_htdigest, parse_htpasswd, scheme_of, verify
from tracd_cluster.passwd import main

CHEAP = ["-b", "-C", "4"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a password file is to be."""
    return tmp_path / "users"


def hashes(file: Path) -> dict[str, str]:
    """Read the users of an htpasswd file, which must be without faults."""
    parsed = parse_htpasswd(file.read_bytes())
    assert () == parsed.faults
    return parsed.hashes


def test_users_come_change_and_go(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What htpasswd does, with bcrypt unless told otherwise."""
    assert 0 == main(["-c", *CHEAP, str(file), "joe", "harbour"])
    assert 0 == main([*CHEAP, str(file), "jörg", "pässwörd"])
    assert 0 == main([*CHEAP, str(file), "joe", "quay"])
    assert ["joe", "jörg"] == list(hashes(file))
    assert hashes(file)["joe"].startswith("$2y$04$")
    assert verify("quay", hashes(file)["joe"])
    assert 0 == main(["-v", "-b", str(file), "jörg", "pässwörd"])
    assert 0 == main(["-D", str(file), "joe"])
    assert ["jörg"] == list(hashes(file))
    assert [
        "Adding password for user joe",
        "Adding password for user jörg",
        "Updating password for user joe",
        "Password for user jörg correct.",
        "Deleting password for user joe",
    ] == capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("options", "scheme"),
    [
        (["-B", "-C4"], "bcrypt"),
        (["-m"], "apr1"),
        (["-s"], "sha"),
        (["-2"], "sha256"),
        (["-5", "-r", "1000"], "sha512"),
        (["--hash", "argon2", "--cost", "1"], "argon2"),
    ],
)
def test_kinds_of_hashes(file: Path, options: list[str], scheme: str) -> None:
    """Each can be asked for by its name, and most by htpasswd's option."""
    assert 0 == main(["-cb", *options, str(file), "joe", "harbour"])
    assert scheme == scheme_of(hashes(file)["joe"])


def test_create_empties(file: Path) -> None:
    """With -c nothing of a former file stays, not even what is no password file."""
    file.write_text("nonsense")
    assert 0 == main(["-c", *CHEAP, str(file), "joe", "harbour"])
    assert ["joe"] == list(hashes(file))


def test_a_password_from_standard_input(file: Path) -> None:
    """It is one line without its end, and spaces belong to it."""
    stdin = io.BytesIO(" pass wörd \r\nmore\n".encode())
    assert 0 == main(["-c", "-i", "-C", "4", str(file), "joe"], stdin)
    assert verify(" pass wörd ", hashes(file)["joe"])
    assert 0 == main(["-v", "--stdin", str(file), "joe"], io.BytesIO(" pass wörd ".encode()))


def test_a_password_like_an_option(file: Path) -> None:
    """What follows FILE is not an option, as with htpasswd."""
    assert 0 == main(["-c", *CHEAP, str(file), "joe", "-c"])
    assert 0 == main([*CHEAP, str(file), "-D", "--digest"])
    assert 0 == main(["-vb", str(file), "-D", "--digest"])
    assert ["joe", "-D"] == list(hashes(file))


def test_a_digest_file(file: Path) -> None:
    """A user gets MD5, and keeps whatever there is; MD5 is the first line, the one that Apache takes."""
    digest = ["-b", "--digest", "trac"]
    assert 0 == main(["-c", *digest, str(file), "ann", "harbour"])
    assert 0 == main([*digest, "--hash", "md5+sha256", str(file), "joe", "harbour"])
    first = file.read_text()
    assert [len("joe:trac:") + size for size in (32, 32, 64)] == [len(line) for line in first.splitlines()]
    assert 0 == main([*digest, str(file), "joe", "quay"])
    parsed = parse_htdigest(file.read_bytes(), "trac")
    assert (["ann", "joe"], ["joe"], ()) == ([*parsed.md5], [*parsed.sha256], parsed.faults)
    assert first.splitlines()[0] == file.read_text().splitlines()[0]
    assert set() == set(first.splitlines()[1:]) & set(file.read_text().splitlines()[1:])
    assert 0 == main(["-v", *digest, str(file), "joe", "quay"])
    assert 3 == main(["-v", *digest, str(file), "joe", "harbour"])
    assert 6 == main(["-vb", "--digest", "wiki", str(file), "joe", "quay"])
    assert 0 == main([*digest, "--hash", "sha256", str(file), "joe", "quay"])
    assert {"ann"} == parse_htdigest(file.read_bytes(), "trac").md5.keys()
    assert 0 == main(["-D", "--digest", "trac", str(file), "joe"])
    assert first.splitlines(keepends=True)[0] == file.read_text()


def test_nobody_gets_in_without_a_good_hash(file: Path) -> None:
    """Verifying does not take plain text, a disabled account, or an old line beside a new one."""
    digest = "0" * 32
    file.write_text("a:harbour\nb:*\n")
    assert 3 == main(["-vb", str(file), "a", "harbour"])
    assert 3 == main(["-vb", str(file), "b", "*"])
    file.write_text(f"a:trac:harbour\nb:trac:*\nc:trac:85729f34031968a30b154611c2b090ee\nc:trac:{digest * 2}\n")
    for user, password in ("a", "harbour"), ("b", "*"), ("c", "b"):
        assert 3 == main(["-vb", "--digest", "trac", str(file), user, password])


def test_the_last_user_goes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Since a running service keeps its users when a file becomes empty, this is told, with the way out."""
    for options, anybody in ([], "nobody:*"), (["--digest", "trac"], "nobody:trac:*"):
        cheap = options or ["-C", "4"]
        assert 0 == main(["-cb", *cheap, str(file), "joe", "harbour"])
        assert 0 == main(["-D", *options, str(file), "joe"])
        assert f"{file} has no users now" in (said := capsys.readouterr().err)
        assert f"write the line {anybody} into it" in said
        assert "" == file.read_text()


def test_what_is_not_there(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To delete a user who is not there is no error, and leaves the file alone."""
    file.write_text("joe:*\n")
    before = file.stat()
    assert 0 == main(["-D", str(file), "ann"])
    assert "User ann not found\n" == capsys.readouterr().err
    assert (before.st_ino, before.st_mtime_ns) == (file.stat().st_ino, file.stat().st_mtime_ns)


def test_all_else_stays(file: Path) -> None:
    """Comments, others' lines, line ends and names stay, also those that cannot be read."""
    file.write_bytes(b"# staff\r\n\r\ncaf\xe9:*\r\njoe:*:Joe\r\nann:*")
    assert 0 == main(["-s", "-b", str(file), "joe", "harbour"])
    assert b"# staff\r\n\r\ncaf\xe9:*\r\njoe:{SHA}YWi3kCY+Sqkj7dOAcDXAL7DeMiU=:Joe\r\nann:*" == file.read_bytes()


def test_mode_and_link_stay(tmp_path: Path, file: Path) -> None:
    """A new file is its owner's alone; one that is there keeps its mode, and a link its target."""
    assert 0 == main(["-c", *CHEAP, str(file), "joe", "harbour"])
    assert 0o600 == file.stat().st_mode & 0o777
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file.name)
    before = file.stat()
    assert 0 == main([*CHEAP, str(link), "ann", "harbour"])
    assert link.is_symlink()
    assert ["joe", "ann"] == list(hashes(file))
    after = file.stat()
    assert (0o640, before.st_uid, before.st_gid) == (after.st_mode & 0o777, after.st_uid, after.st_gid)
    assert before.st_ino != after.st_ino
    assert {"users", "link"} == {each.name for each in tmp_path.iterdir()}


@pytest.mark.needs("root")
def test_the_owner_stays(file: Path) -> None:
    """A file of somebody else's does not become root's."""
    file.write_text("joe:*\n")
    os.chown(file, 12345, 23456)
    file.chmod(0o640)
    assert 0 == main([*CHEAP, str(file), "ann", "harbour"])
    after = file.stat()
    assert (0o640, 12345, 23456) == (after.st_mode & 0o777, after.st_uid, after.st_gid)


@pytest.mark.parametrize(
    ("status", "arguments", "said"),
    [
        (1, ["-b", "{none}", "joe", "x"], "{none} does not exist; use -c to create it"),
        (1, ["-D", "{none}", "joe"], "{none} does not exist; use -c to create it"),
        (1, ["-cb", "-C4", "{none}/x", "joe", "x"], "cannot write {none}/x: No such file or directory"),
        (1, ["-b", "{folder}", "joe", "x"], "cannot read {folder}: Is a directory"),
        (1, ["-cb", "{folder}", "joe", "x"], "{folder} is not a regular file"),
        (2, ["-s", "{file}", "joe"], "standard input is not a terminal: use -i to read the password from it"),
        (2, ["-i", "{file}", "joe"], "there is no password on standard input"),
        (2, ["-b", "{file}", "joe", ""], "the password is empty"),
        (2, ["-b", "{file}", "joe", "\udcff"], "the password is not valid text (UTF-8)"),
        (2, ["-bm", "-C4", "{file}", "joe", "x"], "hash 'apr1' has no cost"),
        (2, ["-b", "-C3", "{file}", "joe", "x"], "cost 3 of bcrypt is not a number from 4 to 17"),
        (2, ["-b", "--hash", "des", "{file}", "joe", "x"],
         "hash 'des' is none of bcrypt, apr1, sha, sha256, sha512, argon2"),
        (2, ["-bB", "--digest", "trac", "{digest}", "joe", "x"],
         "hash 'bcrypt' of a digest is none of md5, sha256, md5+sha256"),
        (2, ["-b", "-C4", "--digest", "trac", "{digest}", "joe", "x"], "a digest has no cost"),
        (3, ["-vb", "{file}", "joe", "x"], "password verification failed"),
        (5, ["-b", "{file}", "joe", "é" * 37], "the password is longer than 72 bytes"),
        (5, ["-bm", "{file}", "joe", "x" * 4097], "the password is longer than 4096 bytes"),
        (5, ["-b", "{file}", "j" * 256, "x"], "the user name is longer than 255 bytes"),
        (6, ["-vb", "{file}", "ann", "x"], "user ann not found"),
        (6, ["-b", "{file}", "j:oe", "x"], "the user name 'j:oe' has the illegal character ':' in it"),
        (6, ["-b", "{file}", "j#oe", "x"], "the user name 'j#oe' has the illegal character '#' in it"),
        (6, ["-b", "{file}", "j\noe", "x"], "the user name 'j\\noe' has the illegal character '\\n' in it"),
        (6, ["-b", "{file}", " joe", "x"], "the user name ' joe' is empty, or begins or ends with a space"),
        (6, ["-b", "{file}", "", "x"], "the user name '' is empty, or begins or ends with a space"),
        (6, ["-b", "{file}", "j\udcff", "x"], "the user name is not valid text (UTF-8)"),
        (6, ["-b", "--digest", "a:b", "{file}", "joe", "x"], "the realm 'a:b' has the illegal character ':' in it"),
        (7, ["-b", "{letter}", "joe", "x"], "{letter}, line 2 is not of the form user:hash"),
        (7, ["-b", "--digest", "trac", "{file}", "joe", "x"], "{file}, line 1 is not of the form user:realm:hash"),
        (7, ["-b", "{digest}", "joe", "x"], "{digest} is an htdigest file: --digest with its realm is missing"),
    ],
)  # fmt: skip
def test_refusals(
    tmp_path: Path, status: int, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says what is wrong, the status is htpasswd's, and the files are as they were."""
    texts = {"file": "joe:*\n", "digest": f"joe:trac:{'0' * 32}\n", "letter": "\nDear Joe,\n"}
    names = {"none": tmp_path / "none", "folder": tmp_path}
    for name, text in texts.items():
        names[name] = tmp_path / name
        names[name].write_text(text)
    assert status == main([each.format(**names) for each in arguments], io.BytesIO())
    assert f"tracd-cluster passwd: {said.format(**names)}\n" == capsys.readouterr().err
    assert texts == {each.name: each.read_text() for each in tmp_path.iterdir()}


def test_standard_input_that_is_no_text(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are not UTF-8 are no password."""
    assert 2 == main(["-c", "-i", str(file), "joe"], io.BytesIO(b"caf\xe9\n"))
    assert "tracd-cluster passwd: the password is not valid text (UTF-8)\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: FILE"),
        (["x"], "options, FILE and then USER are expected; PASSWORD needs -b"),
        (["x", "joe", "secret"], "options, FILE and then USER are expected; PASSWORD needs -b"),
        (["-b", "x", "joe"], "options, FILE and then USER and PASSWORD are expected"),
        (["-cD", "x", "joe"], "argument -D: not allowed with argument -c"),
        (["-bi", "x", "joe"], "argument -i/--stdin: not allowed with argument -b"),
        (["-p", "x", "joe"], "unrecognized arguments: -p"),
        (["-C", "much", "x", "joe"], "argument -C/-r/--cost: invalid int value: 'much'"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told with the usage, and ends with 2."""
    assert 2 == main(arguments)
    assert said in (told := capsys.readouterr().err)
    assert "secret" not in told


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The usage is as it is typed."""
    assert 0 == main(["--help"])
    assert capsys.readouterr().out.startswith("usage: tracd-cluster passwd [-c | -D | -v] [-b | -i]")
