"""How the text of an option is read, and what is said of one that cannot be."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracd_cluster.configuration import values
from tracd_cluster.settings.auth import AuthEntry


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (values.size, "0", 0),
        (values.size, "65536", 65536),
        (values.size, "64k", 65536),
        (values.size, " 64 KiB ", 65536),
        (values.size, "1G", 1 << 30),
        (values.size, "10mb", 10 << 20),
        (values.size, "2T", 2 << 40),
        (values.seconds, "0.5", 0.5),
        (values.seconds, "30", 30.0),
        (values.port, "0", 0),
        (values.port, "65535", 65535),
        (values.threads, "64", 64),
        (values.places, "0", 0),
        (values.workers, "1000", (1000, 1000)),
        (values.workers, "2..8", (2, 8)),
        (values.workers, "auto", (values.processors(), values.processors())),
        (values.workers, "1..auto", (1, values.processors())),
        (values.positive, "20", 20),
        (values.timeout_for, "/report/*format=csv=600", ("/report/*format=csv", 600.0)),
        (values.base_path, "", ""),
        (values.base_path, "/", ""),
        (values.base_path, "trac", "/trac"),
        (values.base_path, "//some/path//", "/some/path"),
        (values.application, "a.b_c:app", "a.b_c:app"),
        (values.protocol, "https", "https"),
        (values.umask, "022", 0o022),
        (values.umask, "0", 0),
        (values.umask, "777", 0o777),
        (values.network, "unix", None),
        (values.network, "127.0.0.1", ipaddress.ip_network("127.0.0.1/32")),
        (values.network, "10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8")),
        (values.network, "2001:db8::/32", ipaddress.ip_network("2001:db8::/32")),
        (values.field_name, "Remote-User", "Remote-User"),
    ],
)
def test_what_is_understood(read: Callable[[str], Any], text: str, expected: object) -> None:
    """Each kind of value, with the units and spellings people use."""
    assert expected == read(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.size, "64x"),
        (values.size, "-1"),
        (values.size, "1.5G"),
        (values.size, ""),
        (values.seconds, "0"),
        (values.seconds, "-1"),
        (values.seconds, "nan"),
        (values.seconds, "inf"),
        (values.seconds, "soon"),
        (values.port, "65536"),
        (values.port, "-1"),
        (values.port, "80.0"),
        (values.port, "٨٠"),
        (values.port, "²"),
        (values.port, "9" * 5000),
        (values.threads, "0"),
        (values.threads, "65"),
        (values.places, "-1"),
        (values.workers, "0"),
        (values.workers, "1001"),
        (values.workers, "many"),
        (values.workers, "8..2"),
        (values.workers, "1..2..3"),
        (values.workers, "..3"),
        (values.positive, "0"),
        (values.timeout_for, "600"),
        (values.timeout_for, "*=600"),
        (values.timeout_for, "/report=soon"),
        (values.base_path, "/a b"),
        (values.base_path, "/a/../b"),
        (values.base_path, "/a//b"),
        (values.base_path, "/a?b"),
        (values.base_path, "/pr%C3%BCf"),
        (values.base_path, "/a%20b"),
        (values.base_path, "/a\n"),
        (values.base_path, "/ä"),
        (values.application, "module"),
        (values.application, "module:app\n"),
        (values.protocol, "ftp"),
        (values.umask, "8"),
        (values.umask, "1000"),
        (values.umask, "-1"),
        (values.user, "no-such-user"),
        (values.group, "no-such-group"),
        (values.network, "10.0.0.1/8"),
        (values.network, "example.org"),
        (values.network, ""),
        (values.field_name, "Remote_User"),
        (values.field_name, "Remote-User:"),
        (values.field_name, ""),
        (values.field_name, "Remote-User\n"),
    ],
)
def test_what_is_not(read: Callable[[str], Any], text: str) -> None:
    """The message repeats the text, so that it is found on a long command line."""
    with pytest.raises(ArgumentTypeError) as error:
        read(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("name", ["Cookie", "HOST", "Authorization", "x-forwarded-for", "Content-Length"])
def test_a_field_that_says_something_else_names_no_user(name: str) -> None:
    """Any client may send those, and something else would be broken."""
    with pytest.raises(ArgumentTypeError, match="says something else already"):
        values.field_name(name)


@pytest.mark.parametrize("name", ["scgi", "ajp", "fcgi"])
def test_tracd_s_other_protocols_have_another_cure(name: str) -> None:
    """Who used them learns what to set up instead."""
    with pytest.raises(ArgumentTypeError, match="is not spoken here; choose http"):
        values.protocol(name)


def test_users_and_groups_by_name_or_number() -> None:
    """As with tracd, a number need not be anybody's."""
    user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
    assert user.pw_uid == values.user(user.pw_name) == values.user(str(user.pw_uid))
    assert group.gr_gid == values.group(group.gr_name) == values.group(str(group.gr_gid))
    assert (54321, 54321) == (values.user("54321"), values.group("54321"))


def test_paths_start_from_the_folder_they_are_given_in(tmp_path: Path) -> None:
    """Those of a configuration file stay the same wherever it is used from."""
    (tmp_path / "users").write_text("")
    folder = str(tmp_path)
    assert f"{folder}/users" == values.existing_file("users", folder)
    assert f"{folder}/not-yet" == values.path("sub/../not-yet", folder)
    assert "/etc" == values.environment("/etc", folder)
    assert str(Path.cwd() / "x") == values.path("x")


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (values.existing_file, "gone", "path 'gone' does not exist"),
        (values.existing_file, ".", "path '.' is a folder; a file was expected"),
        (values.environment, "gone", "path 'gone' does not exist; a Trac environment was expected"),
        (values.environment, "users", "path 'users' is not a folder; a Trac environment was expected"),
    ],
)
def test_a_path_that_leads_nowhere(tmp_path: Path, read: Callable[..., str], text: str, said: str) -> None:
    """The message has the path as it was written."""
    (tmp_path / "users").write_text("")
    with pytest.raises(ArgumentTypeError, match=f"^{said}$"):
        read(text, str(tmp_path))


def test_an_entry_of_passwords(tmp_path: Path) -> None:
    """Project, file and realm, as tracd has them; the realm may have spaces, and nothing a terminal obeys."""
    (tmp_path / "users").write_text("")
    read = values.auth_entry("digest")
    entry = AuthEntry(kind="digest", project="*", file=f"{tmp_path}/users", realm="The Trac")
    assert entry == read("*,users,The Trac", str(tmp_path))
    assert f"*,{tmp_path}/users,The Trac" == str(entry)
    for text, said in (
        ("a,users", "has 2 parts between commas; three were expected, as in project,file,realm"),
        ("a,users,b,c", "has 4 parts"),
        ("a,gone,b", "path 'gone' does not exist"),
        ("a,users,b\x1b[2J", "has a control character"),
    ):
        with pytest.raises(ArgumentTypeError, match=said):
            read(text, str(tmp_path))
