"""Visitors who may never come back are not written to the database.

Trac stores a visitor for every request for ``/query``, ``/timeline`` or a report that brings no cookie: up to five
rows, which stay for 90 days. People need them, for the links from one ticket to the next and the marks of what is new.
Crawlers keep no cookies and never come back, and leave five rows with every page.

Here such a visitor gets, beside the session's cookie, another one with what would have been stored: a *note*, signed.
With his next request, of whatever kind, he brings it back; then he is stored as if he had been from the start, before
the request goes on, and the cookie is taken from him. So nothing is lost that a person would miss, whichever worker he
meets, and whether or not he comes back today.

Note [What a note may hold]. Only what Trac's own pages remember of a visit. Whatever a plugin puts into a session may
be meant to stay a secret of the server's (the answer to a captcha, say), or may not be used twice; a visitor with such
a thing is stored at once, as in Trac, and so is one with more than fits into a cookie. A note belongs to a project
and not to a session: of two strangers with the same page each may get the same note, and each becomes a visitor of
his own with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping
from typing import Any

COOKIE = "trac_visit"
LARGEST = 3800
"""Bytes of a note; browsers keep cookies of up to 4096, name and value together (RFC 6265bis section 5.6)."""
SIGNATURE = 16
SAFE = ("GET", "HEAD")

NAMES = frozenset(
    (
        "query_constraints", "query_href", "query_tickets", "query_time", "search.filters", "timeline.authors",
        "timeline.daysback", "timeline.lastvisit", "timeline.nextlastvisit", "wiki_editrows", "wiki_sidebyside",
    )
)  # fmt: skip
FAMILIES = ("chrome.notices.", "chrome.warnings.", "diff_", "timeline.filter.")
"""What may be in a note, by name or by how the name begins (Note [What a note may hold])."""


class Notes:
    """Writes notes and reads them again; what somebody else has written is not read."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, project: str, attributes: Mapping[str, str]) -> str:
        """Give a note of these attributes of a session; empty if they cannot be in one."""
        if not all(name in NAMES or name.startswith(FAMILIES) for name in attributes):
            return ""
        packed = zlib.compress(json.dumps(dict(attributes), separators=(",", ":")).encode())
        note = base64.urlsafe_b64encode(self._sign(project, packed) + packed).rstrip(b"=").decode("ascii")
        return note if len(note) <= LARGEST else ""

    def read(self, project: str, note: str) -> dict[str, str] | None:
        """Give the attributes of a note, None if it is not ours, or another project's."""
        if len(note) > LARGEST:
            return None
        try:
            data = base64.b64decode(note.encode("ascii") + b"=" * (-len(note) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        signature, packed = data[:SIGNATURE], data[SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(project, packed)):
            return None
        attributes: dict[str, str] = json.loads(zlib.decompress(packed))
        return attributes

    def _sign(self, project: str, packed: bytes) -> bytes:
        message = project.encode() + b"\0" + packed
        return hmac.digest(self._secret, message, hashlib.sha256)[:SIGNATURE]


def hold_back(secret: bytes) -> None:
    """Give strangers notes in place of rows, from now on; Trac must have been imported."""
    from trac.web.session import Session

    if hasattr(Session.__init__, "__wrapped__"):
        return
    notes = Notes(secret)
    Session.__init__ = _storing_who_returns(Session.__init__, notes)
    Session.save = _sparing_strangers(notes)


def _storing_who_returns(begin: Any, notes: Notes) -> Any:
    """Wrap how a session begins so that a visitor with a note has been stored before it does."""
    from trac.util import hex_entropy
    from trac.web.session import COOKIE_KEY

    def begin_session(session: Any, env: Any, req: Any) -> None:
        attributes = None
        if COOKIE in req.incookie:
            attributes = notes.read(env.name, req.incookie[COOKIE].value)
            _set_cookie(req, env, "", -10000)  # as Trac takes cookies back
        if attributes is None:
            begin(session, env, req)
            return
        nameless = COOKIE_KEY not in req.incookie
        if nameless:
            req.incookie[COOKIE_KEY] = hex_entropy(24)
        _store(env, req.incookie[COOKIE_KEY].value, attributes)
        begin(session, env, req)
        if nameless and not req.is_authenticated:
            session.bake_cookie()

    begin_session.__wrapped__ = begin  # type: ignore[attr-defined]
    return begin_session


def _store(env: Any, sid: str, attributes: Mapping[str, str]) -> None:
    """Store a visitor unless he has been stored already, by Trac's own means."""
    from trac.web.session import DetachedSession, Session

    if not Session._valid_sid_re.match(sid):
        return
    visitor = DetachedSession(env, None)
    visitor.get_session(sid)
    if visitor._new:
        visitor.update(attributes)
        visitor.save()


def _sparing_strangers(notes: Notes) -> Any:
    """Make the method that saves a session, or gives its visitor a note."""
    from trac.web.session import COOKIE_KEY, PURGE_AGE, DetachedSession

    def save(session: Any) -> None:
        req = session.req
        stranger = session._new and not session.authenticated and COOKIE_KEY not in req.incookie
        note = notes.write(session.env.name, session) if stranger and session and req.method in SAFE else ""
        if note:
            _set_cookie(req, session.env, note, PURGE_AGE)
            return
        # Not what Session had: warming replaces this one for a while.
        DetachedSession.save(session)

    return save


def _set_cookie(req: Any, env: Any, note: str, expires: int) -> None:
    req.outcookie[COOKIE] = note
    cookie = req.outcookie[COOKIE]
    cookie["path"] = req.base_path or "/"
    cookie["expires"] = expires
    if env.secure_cookies:
        cookie["secure"] = True
    cookie["httponly"] = True
