"""What a request is for, by its target: the kinds that metrics tell apart."""

from __future__ import annotations

KINDS = ("page", "static", "login", "download", "other")

_ASSETS = b"/chrome/"
_LOGINS = (b"/login", b"/logout")
_FILES = (b"/raw-attachment/", b"/zip-attachment/", b"/export/")
_NOT_TRACS = (b"/robots.txt", b"/favicon.ico", b"*", b"")


def kind_of(target: bytes) -> str:
    """Give the kind of a request.

    Trac hands out what is to be saved by ``format=`` (archives, CSV, RSS, patches) or below a few paths; all else is
    a page.
    """
    path, _, query = target.partition(b"?")
    if _ASSETS in path:
        return "static"
    if b"format=" in query or _FILES[0] in path or _FILES[1] in path or _FILES[2] in path:
        return "download"
    if path.endswith(_LOGINS):
        return "login"
    if path in _NOT_TRACS or path[:3] == b"/-/":
        return "other"
    return "page"
