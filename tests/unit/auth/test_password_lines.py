"""Lines of one user in a password file: what changes, and that all else does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.auth.password_lines import edited, is_of, knows
from tracd_cluster.auth.passwords import parse_htpasswd


@pytest.mark.parametrize(
    ("before", "hashes", "after"),
    [
        (b"", ["H"], b"joe:H\n"),
        (b"", [], b""),
        (b"ann:x\n", ["H"], b"ann:x\njoe:H\n"),
        (b"ann:x", ["H"], b"ann:x\njoe:H\n"),
        (b"ann:x", [], b"ann:x"),
        (b"ann:x\r\nlee:y", ["H"], b"ann:x\r\nlee:y\r\njoe:H\r\n"),
        (b"# staff\n\n ann:x \r\njoe:old\nlee:y", ["H"], b"# staff\n\n ann:x \r\njoe:H\nlee:y"),
        (b"# staff\n\nann:x\njoe:old\nlee:y", [], b"# staff\n\nann:x\nlee:y"),
        (b"joe:1\nann:x\njoe:2\njoe:3", ["H"], b"joe:H\nann:x\n"),
        (b"joe:1\nann:x\njoe:2", [], b"ann:x\n"),
        (b"joe:old:Joe B.:x # note", ["H"], b"joe:H:Joe B.:x # note\n"),
        (b"joe:old # note: new\n", ["H"], b"joe:H # note: new\n"),
        (b"\xef\xbb\xbfjoe:old\n", ["H"], b"\xef\xbb\xbfjoe:H\n"),
        (b"#joe:old\ncaf\xe9:x\njoel:x\njo:e\n", ["H"], b"#joe:old\ncaf\xe9:x\njoel:x\njo:e\njoe:H\n"),
        (b"ann:x\rjoe:old\r", ["H"], b"ann:x\rjoe:H\r"),
    ],
)
def test_lines_of_a_user(before: bytes, hashes: list[str], after: bytes) -> None:
    """They are replaced where the first one stands, and others keep every byte."""
    assert after == edited(before, ["joe"], hashes)


def test_lines_of_a_realm() -> None:
    """The user of another realm is another user, and one user may have a line for each algorithm."""
    before = b"joe:wiki:1\njoe:trac:2:Joe\nann:trac:3\njoe:trac:4\n"
    assert b"joe:wiki:1\njoe:trac:A:Joe\njoe:trac:B:Joe\nann:trac:3\n" == edited(before, ["joe", "trac"], ["A", "B"])
    assert b"joe:wiki:1\nann:trac:3\n" == edited(before, ["joe", "trac"], [])
    assert knows(before, ["joe", "wiki"])
    assert not knows(before, ["ann", "wiki"])


def test_whose_a_line_is() -> None:
    """Comments are nobody's, nor is a line that is not UTF-8."""
    assert is_of("jörg:x".encode(), ["jörg"])
    assert not is_of("# jörg:x".encode(), ["jörg"])
    assert not is_of("jörg:x".encode("latin-1"), ["jörg"])


LINES = st.sampled_from(["joe:*", "ann:!", "# x", "", "lee:*:Lee", "nonsense"])


@given(st.lists(LINES), st.sampled_from(["\n", "\r\n"]))
def test_a_file_is_read_as_it_was_edited(lines: list[str], ending: str) -> None:
    """After a change a reader finds the new hash of the user and all others as they were."""
    text = ending.join(lines).encode()
    others = {user: hash for user, hash in parse_htpasswd(text).hashes.items() if user != "joe"}
    assert {**others, "joe": "!*"} == parse_htpasswd(edited(text, ["joe"], ["!*"])).hashes
    assert others == parse_htpasswd(edited(text, ["joe"], [])).hashes
