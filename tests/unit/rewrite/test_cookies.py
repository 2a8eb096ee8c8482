"""Cookies get what browsers should know of them, once."""

from __future__ import annotations

import pytest

from tracd_cluster.rewrite.cookies import Cookies, harden
from tracd_cluster.rewrite.headers import answer_head


@pytest.mark.parametrize(
    ("cookie", "secure", "hardened"),
    [
        (b"trac_auth=1; HttpOnly; Path=/", True, b"trac_auth=1; HttpOnly; Path=/; Secure; SameSite=Lax"),
        (b"trac_auth=1; HttpOnly; Path=/", False, b"trac_auth=1; HttpOnly; Path=/; SameSite=Lax"),
        (b"a=1; secure", True, b"a=1; secure; SameSite=Lax"),
        (b"a=1; samesite=None; Secure", True, b"a=1; samesite=None; Secure"),
        (b"a=1;SameSite = Strict", True, b"a=1;SameSite = Strict; Secure"),
        (b"secure=samesite", True, b"secure=samesite; Secure; SameSite=Lax"),
        (b"", True, b"; Secure; SameSite=Lax"),
    ],
)
def test_what_is_missing_is_added(cookie: bytes, secure: bool, hardened: bytes) -> None:
    """What a worker has said itself stays as it is."""
    assert hardened == harden(cookie, secure)
    assert hardened == harden(hardened, secure)


def test_all_cookies_of_an_answer_are_hardened_or_none() -> None:
    """The operator can leave them to Trac."""
    fields = [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"X-Set-Cookie", b"c=3")]

    def lines(cookies: Cookies) -> list[bytes]:
        return answer_head(200, b"OK", fields, b"", b"", b"", cookies).split(b"\r\n")[1:4]

    assert [b"Set-Cookie: a=1; SameSite=Lax", b"Set-Cookie: b=2; SameSite=Lax", b"X-Set-Cookie: c=3"] == lines(
        Cookies.LAX
    )
    assert [b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"X-Set-Cookie: c=3"] == lines(Cookies.AS_THEY_ARE)
