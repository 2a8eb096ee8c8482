"""Pages that are the same for every stranger, and how the front is told so; and who has asked for the others.

A stranger brings neither cookie nor login. The front may give the page made for one stranger to another who asks for
the same (front/cache.py), but only Trac knows whether it was made for nobody in particular. So its word is needed: the
field ``Tracd-Cluster-Stranger`` in the answer (answer.py), which is there if

- the request brought no cookie and no login, and Trac took its user to be anonymous, whatever a plugin may go by;
- nothing has asked who the client is or what it says of itself: its address, its browser, where it came from, or any
  other header field that the front does not tell pages apart by;
- the page was complete before its head was sent, so that nothing can ask for that afterwards. Trac makes most pages
  while it sends them; a stranger's is made first, unless it is longer than the front would keep.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from tracd_cluster.settings.cache import UNKEYED, CacheSettings
from tracd_cluster.tracd.users import user_of
from tracd_cluster.tracd.wsgi import ASKED_BY, STRANGER, Environ

PERSONAL = frozenset(("REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT")) | {
    "HTTP_" + name.upper().replace("-", "_") for name in UNKEYED
}


class Watched(dict[str, Any]):
    """The environment of a stranger's request: ``asked`` says that somebody has asked who he is.

    ``given`` is the environment as its worker has made it, which is told what is found.
    """

    asked = False
    whole = False
    """The page was complete before its head was sent."""

    def __init__(self, given: Environ) -> None:
        super().__init__(given)
        self.given = given

    def __getitem__(self, name: str) -> Any:
        if name in PERSONAL:
            self.asked = True
        return dict.__getitem__(self, name)

    def __contains__(self, name: object) -> bool:
        if name in PERSONAL:
            self.asked = True
        return dict.__contains__(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """Give a value."""
        if name in PERSONAL:
            self.asked = True
        return dict.get(self, name, default)


def is_strangers(environ: Environ) -> bool:
    """Tell whether a request comes from nobody in particular."""
    return environ["REQUEST_METHOD"] == "GET" and not (
        "HTTP_COOKIE" in environ or "HTTP_AUTHORIZATION" in environ or "REMOTE_USER" in environ
    )


def made(content: bytes | Iterable[bytes], largest: int = CacheSettings().largest) -> tuple[Any, bool]:
    """Make a page; give it, and whether that is all of it."""
    if isinstance(content, bytes):
        return content, True
    pieces, size = [], 0
    rest = iter(content)
    for piece in rest:
        pieces.append(piece)
        size += len(piece)
        if size > largest:
            return chain(pieces, rest), False
    return b"".join(pieces), True


def tell_of_strangers() -> None:
    """Have Trac say which pages are the same for every stranger, from now on; Trac must have been imported."""
    from trac.web.api import Request
    from trac.web.main import RequestWithSession
    from trac.web.session import Session

    if "end_headers" in vars(RequestWithSession):
        return

    def begin(req: Any, environ: Environ, start_response: Any) -> None:
        Request.__init__(req, Watched(environ) if is_strangers(environ) else environ, start_response)

    def get_header(req: Any, name: str) -> Any:
        if name.lower() in UNKEYED and type(req.environ) is Watched:
            req.environ.asked = True
        return Request.get_header(req, name)

    def send(req: Any, content: Any, *how: Any, **named: Any) -> None:
        if type(req.environ) is Watched:
            content, req.environ.whole = made(content)
        Request._send(req, content, *how, **named)

    def end_headers(req: Any, exc_info: Any = None) -> None:
        environ = req.environ
        if type(environ) is Watched and not environ.asked and req._status.startswith("200"):
            whole = environ.whole or any(name == "Content-Length" for name, _ in req._outheaders)
            if whole and type(req.session) is Session and req.authname == "anonymous":
                environ.given[STRANGER] = True
        elif type(environ) is not Watched and (user := user_of(req)) is not None:
            environ[ASKED_BY] = user
        Request.end_headers(req, exc_info)

    RequestWithSession.__init__ = begin
    RequestWithSession.get_header = get_header
    RequestWithSession._send = send
    RequestWithSession.end_headers = end_headers
