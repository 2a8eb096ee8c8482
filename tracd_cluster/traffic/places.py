"""Gives each request its place, by what its head says and by who has signed in.

Whoever wants to be first can claim much here: cookies and names of browsers are only words until a worker has looked
at them. What follows from a place is therefore who waits for whom, and never who may see what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tracd_cluster.traffic.known import COOKIE as LOGIN
from tracd_cluster.traffic.known import Known
from tracd_cluster.traffic.place import PEOPLE, QUICK, SLOW, Level, Place

COOKIES = b"trac_"
"""How the names of Trac's cookies begin: of the session, the login and the form token."""

READING = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PROPFIND", b"REPORT", b"SEARCH"))
"""Methods that change nothing."""

ROBOT_WORDS = (b"crawl", b"spider", b"slurp", b"archiver", b"externalhit", b"externalagent", b"scrapy", b"+http")
"""What declared robots have in their User-Agent, in lower case, beside ``bot``.

The last is the address of who runs it, which robots give and browsers do not.
"""


class Asked(Protocol):
    """The head of a request."""

    method: bytes
    target: bytes
    path: bytes
    lines: list[bytes]
    authorization: bytes | None


class Places:
    """Gives places; ``is_slow`` tells which requests take workers long, None where nobody knows any.

    ``single`` says that all is one project, at ``base_path``; otherwise each is one segment below.
    """

    def __init__(
        self, base_path: bytes = b"", single: bool = True, is_slow: Callable[[Asked], bool] | None = None
    ) -> None:
        self.known = Known()
        self._depth = -1 if single else len(base_path) + 1
        self.is_slow = is_slow

    def of(self, head: Asked, user: bytes, now: float) -> Place:
        """Give the place of a request; ``user`` is who has signed in at the front, or empty."""
        if user:
            return PEOPLE
        cookie = agent = b""
        for line in head.lines:
            name = line[:11].lower()
            if name == b"user-agent:":
                agent = line
            elif name[:7] == b"cookie:":
                cookie = line if not cookie else cookie + line
        if LOGIN in cookie and self.known.is_user(cookie, self._project(head.path), now):
            return PEOPLE
        level = level_of(head, cookie, agent)
        is_slow = self.is_slow
        slow = level >= Level.STRANGERS and is_slow is not None and is_slow(head)
        return SLOW[level] if slow else QUICK[level]

    def told(self, head: Asked, user: bytes, asked: float, now: float) -> None:
        """Take a worker's word for whose a request's login is, empty for nobody's; ``asked`` is when it was."""
        cookie = b"".join(line for line in head.lines if line[:7].lower() == b"cookie:")
        self.known.told(cookie, self._project(head.path), user != b"", asked, now)

    def _project(self, path: bytes) -> bytes:
        return path[self._depth :].partition(b"/")[0] if self._depth >= 0 else b""


def level_of(head: Asked, cookie: bytes, agent: bytes) -> Level:
    """Give the class of a request of somebody who has not signed in at the front, by its cookies and its program."""
    agent = agent.lower()
    if agent.count(b"bot") > agent.count(b"cubot"):  # which makes telephones
        return Level.ROBOTS
    for word in ROBOT_WORDS:
        if word in agent:
            return Level.ROBOTS
    if COOKIES in cookie:
        return Level.VISITORS if head.method in READING else Level.PEOPLE
    return Level.STRANGERS if head.authorization is None else Level.VISITORS
