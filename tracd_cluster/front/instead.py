"""Answers of the front's own that may take the place of a worker's."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote_from_bytes

from tracd_cluster.errors import ClientFault, KindRefused, SignInWanted
from tracd_cluster.front.cache import Page
from tracd_cluster.front.head import Head
from tracd_cluster.settings.kinds import Policy
from tracd_cluster.traffic.credentials import may_be_signed_in
from tracd_cluster.upstream.framing import AnswerReader

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

MARK = b"Tracd-Cluster-Sign-In: 1\r\n"
"""Tells a worker that the page is only for those who have signed in."""
MARKED = b"tracd-cluster-sign-in"
"""The field by which it says that this one has not, in lower case."""


class Instead(Protocol):
    """What may take the place of a worker's answer."""

    def fits(self, reader: AnswerReader) -> bool:
        """Tell by its head whether it does."""

    def instead(self, now: float, date_line: bytes) -> Page | ClientFault:
        """Give it; ``date_line`` is for a page."""


class SignInPage:
    """The page that asks somebody to sign in, where a worker has found that he has not."""

    __slots__ = ("_login",)

    def __init__(self, login: str) -> None:
        self._login = login

    def fits(self, reader: AnswerReader) -> bool:
        """Tell whether the worker says so."""
        return reader.status == 403 and any(name.lower() == MARKED for name, _ in reader.fields)

    def instead(self, now: float, date_line: bytes) -> ClientFault:
        """Give what the page is made of."""
        return SignInWanted(self._login)


def kept_out(front: Front, head: Head, user: bytes) -> ClientFault | Instead | None:
    """Say whether a request is for a page that is not for everybody, and not for whoever sends it.

    Where only a worker can tell, it is marked for the worker, and gets the page that asks him to sign in if the worker
    says so. Of servers that are not ours nobody can know, so what looks like a login is believed.
    """
    policy = front.policies.of(head.target)
    if policy is Policy.DENY:
        return KindRefused(403, "This page is not served here.")
    if policy is not Policy.SIGN_IN or user:
        return None
    project = front.policies.kinds.project_of(head.target)
    login = escape(f"{project}/login?referer={quote_from_bytes(head.target, safe='/')}")
    if not may_be_signed_in(head.lines, head.authorization):
        return SignInWanted(login)
    if not front.asks_workers:
        return None
    head.lines.append(MARK)
    return SignInPage(login)
