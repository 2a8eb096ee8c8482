"""Whose a login cookie of Trac's is, as far as workers have told it lately.

Only Trac knows whom ``trac_auth`` belongs to, and whether it is still good. So a worker of ours says with its answer
who has asked (tracd/users.py), and for a minute the same cookie is taken to be that of somebody who has signed in.
Nothing follows from it but a place in line: who may see what, Trac decides for each request.

The cookie itself is not kept, only a keyed digest. The tables are bounded: what was not used for longest goes first.

Note [Signed out]. An answer that was begun before somebody signed out may end after that. So it is remembered when a
cookie was last said to be nobody's, and what workers were asked before that does not count.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from hashlib import blake2b

COOKIE = b"trac_auth="
LASTING = 60.0
"""Seconds for which a worker's word is good."""
USERS = 10_000
NOBODIES = 1000
"""Cookies that are remembered, somebody's and nobody's."""

_VALUES = re.compile(rb"[:;,\s]trac_auth=([^;\r]*)")


class Known:
    """Remembers which login cookies are somebody's; ``project`` is the one that the cookie was sent to."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._users: OrderedDict[bytes, float] = OrderedDict()
        self._nobodies: OrderedDict[bytes, float] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Known {len(self._users)} users, {len(self._nobodies)} nobodies>"

    def is_user(self, cookie: bytes, project: bytes, now: float) -> bool:
        """Tell whether a Cookie line has the login of somebody."""
        key = self._key(cookie, project)
        until = self._users.get(key) if key is not None else None
        if key is None or until is None:
            return False
        self._users.move_to_end(key)
        return until > now

    def told(self, cookie: bytes, project: bytes, somebody: bool, asked: float, now: float) -> None:
        """Take a worker's word for whether it is somebody's; ``asked`` is when the worker was (Note [Signed out])."""
        key = self._key(cookie, project)
        if key is None:
            return
        if not somebody:
            self._users.pop(key, None)
            _keep(self._nobodies, key, now, NOBODIES)
        elif asked > self._nobodies.get(key, -1.0):
            _keep(self._users, key, now + LASTING, USERS)

    def _key(self, cookie: bytes, project: bytes) -> bytes | None:
        # A browser may have one for the project and one for the whole site, and sends both.
        values = b";".join(_VALUES.findall(cookie))
        if not values:
            return None
        return blake2b(b"%b\n%b" % (project, values), digest_size=16, key=self._secret).digest()


def _keep(table: OrderedDict[bytes, float], key: bytes, time: float, most: int) -> None:
    table[key] = time
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
