"""What a request is for."""

from __future__ import annotations

import pytest

from tracd_cluster.admin.kinds import KINDS, kind_of


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (b"/", "page"),
        (b"/wiki/WikiStart", "page"),
        (b"/project/ticket/7?cnum_hist=2", "page"),
        (b"/chrome/common/css/trac.css", "static"),
        (b"/trac/project/chrome/site/logo.png?v=2", "static"),
        (b"/login", "login"),
        (b"/trac/project/login?referer=x", "login"),
        (b"/project/logout", "login"),
        (b"/wiki/login-troubles", "page"),
        (b"/raw-attachment/wiki/WikiStart/a.pdf", "download"),
        (b"/project/zip-attachment/ticket/7/", "download"),
        (b"/export/HEAD/trunk/a.py", "download"),
        (b"/query?status=new&format=csv", "download"),
        (b"/wiki/format=csv", "page"),
        (b"/robots.txt", "other"),
        (b"/favicon.ico", "other"),
        (b"/-/healthz", "other"),
        (b"*", "other"),
        (b"", "other"),
    ],
)
def test_kinds(target: bytes, kind: str) -> None:
    """By the target alone, with any base path before it."""
    assert kind == kind_of(target)
    assert kind in KINDS
