"""One user's lines in the text of a password file: find them, replace them, and touch nothing else.

A user's ``key`` is what stands before the hash: the user in an htpasswd file, user and realm in an htdigest file.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracd_cluster.auth.passwords import fields_of


def knows(text: bytes, key: Sequence[str]) -> bool:
    """Tell whether the user has a line, be it one to log in with or not."""
    return any(is_of(line, key) for line in text.splitlines())


def is_of(line: bytes, key: Sequence[str]) -> bool:
    """Tell whether this is a line of the user."""
    try:
        return fields_of(line)[: len(key)] == list(key)
    except UnicodeDecodeError:
        return False


def edited(text: bytes, key: Sequence[str], hashes: Sequence[str]) -> bytes:
    """Give the text with the user's lines replaced by one for each hash; without hashes the user is deleted.

    All else stays as it is, byte for byte. The new lines stand where the first of the old ones stood, or at the end,
    and keep what followed its hash. All further lines of the user go: the password in them would still be good for
    who takes the first line (Apache) or the last (tracd, and we).
    """
    lines = text.splitlines(keepends=True)
    ending = _ending(lines[0]) if lines else b"\n"
    place = next((place for place, line in enumerate(lines) if is_of(line, key)), len(lines))
    old = lines[place].rstrip(b"\r\n") if place < len(lines) else ":".join(key).encode()
    before = lines[:place]
    if hashes and before and before[-1].rstrip(b"\r\n") == before[-1]:
        before[-1] += ending
    new = [_with_hash(old, len(key), hash) + ending for hash in hashes]
    return b"".join([*before, *new, *(line for line in lines[place:] if not is_of(line, key))])


def _ending(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :] or b"\n"


def _with_hash(line: bytes, position: int, hash: str) -> bytes:
    fields = line.split(b":")
    _, mark, comment = b"".join(fields[position : position + 1]).partition(b"#")
    field = hash.encode() + (b" #" + comment if mark else b"")
    return b":".join([*fields[:position], field, *fields[position + 1 :]])
