"""Who has asked, told to the front: it does not know whose a login cookie of Trac's is (traffic/known.py)."""

from __future__ import annotations

from typing import Any

COOKIE = "trac_auth"


def user_of(req: Any) -> str | None:
    """Give the user that a request's login cookie belongs to, empty for nobody; None where Trac has not asked that.

    A cookie that is replaced or taken back with this answer is nobody's any more.
    """
    if COOKIE not in req.environ.get("HTTP_COOKIE", "") or "authname" not in vars(req) or req.remote_user:
        return None
    brought, given = req.incookie.get(COOKIE), req.outcookie.get(COOKIE)
    if brought is None:
        return None
    if given is not None and given.value != brought.value:
        return ""
    name: str = req.authname
    return "" if name == "anonymous" else name
