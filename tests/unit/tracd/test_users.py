"""Whom a login cookie belongs to is told only where Trac has found it out."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

import pytest

from tracd_cluster.tracd.users import user_of


class Req:
    """Trac's request, as far as it is looked at; ``authname`` is there once Trac has asked for it."""

    def __init__(self, user: str | None, cookie: str = "trac_auth=abc", given: str | None = None) -> None:
        self.environ = {"HTTP_COOKIE": cookie} if cookie else {}
        self.remote_user: str | None = None
        self.incookie: Any = SimpleCookie(cookie)
        self.outcookie: Any = SimpleCookie()
        if given is not None:
            self.outcookie["trac_auth"] = given
        if user is not None:
            self.authname = user


@pytest.mark.parametrize(
    ("req", "expected"),
    [
        (Req("ines"), "ines"),
        (Req("anonymous"), ""),
        (Req("ines", given=""), ""),
        (Req("ines", given="def"), ""),
        (Req("ines", given="abc"), "ines"),
        (Req(None), None),
        (Req("ines", cookie=""), None),
        (Req("ines", cookie="trac_session=1"), None),
        (Req("ines", cookie="my_trac_auth=1"), None),
    ],
    ids=[
        "user", "nobody", "signed out", "another cookie", "the same cookie", "not asked", "no cookies", "no login",
        "another name",
    ],
)  # fmt: skip
def test_whose_a_login_cookie_is(req: Req, expected: str | None) -> None:
    """Nobody's once it was taken back."""
    assert expected == user_of(req)


def test_a_user_whom_the_front_has_named_says_nothing_of_a_cookie() -> None:
    """It may be anything, beside a password."""
    req = Req("ines")
    req.remote_user = "ines"
    assert user_of(req) is None
