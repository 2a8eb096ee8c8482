"""Whether a request brings anything by which a worker could know who sends it."""

from __future__ import annotations

from collections.abc import Iterable

ANYBODYS = frozenset((b"trac_session", b"trac_form_token", b"trac_visit"))
"""Cookies that Trac, or a worker of ours, gives to everybody."""


def may_be_signed_in(lines: Iterable[bytes], authorization: bytes | None) -> bool:
    """Tell it by the header lines of a request; only a worker knows whether it is so.

    Plugins sign people in with cookies of any name. So each counts but those that say nothing.
    """
    if authorization is not None:
        return True
    for line in lines:
        if line[:7].lower() == b"cookie:":
            names = {part.partition(b"=")[0].strip() for part in line[7:].split(b";")}
            if not names <= ANYBODYS | {b""}:
                return True
    return False
