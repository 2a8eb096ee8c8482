"""Which file is behind an address of Trac's static files, learned from what workers answer: then no worker is asked.

Note [Who teaches]. What is remembered is shown to everybody, so it must be what a stranger gets: it comes from
requests that have nothing personal in them, no cookie, no password, no user, and no field that a plugin could take for
one. Nearly every browser has a cookie, so where one of those is answered with a file, the front asks itself, as a
stranger (asking.py), and learns from that. Of the answer's fields all are shared that are the same for all strangers;
cookies are not. Who has to sign in to see anything (``--require-login``) has done so before this is looked at.

Note [Queries]. Trac does not look at the query of such an address; browsers are given some (``?v=1``) so that they ask
anew. A path is learned without one, and does for queries once a worker has answered one with the same file.

Note [Generations]. A new generation may have other plugins, so all is forgotten when its first worker is ready, and
once more when the last of the old one has gone, which may have taught something in between. Files in memory stay
there: what is the same file still, in the same state, need not be read and compressed again.
"""

from __future__ import annotations

import os
import re
import stat as modes
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from tracd_cluster import codings
from tracd_cluster.front.admission import Admission, Origin
from tracd_cluster.front.compressed import Identity, Loaded, Told, identity_of
from tracd_cluster.front.forms import Entry, Form, Freshness, shared
from tracd_cluster.front.head import Head
from tracd_cluster.front.named import Named
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.static import StaticSettings

LOOK = 1.0
"""Seconds for which a file is taken to be as it was."""

LOAD_AGAIN = 60.0
"""Seconds between two times that a file comes back into memory: not to compress in circles what does not fit."""

FICKLE = 1000
"""Paths remembered for having other files with other queries."""

_IMPERSONAL = frozenset(
    (
        b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"cache-control", b"dnt", b"host",
        b"if-modified-since", b"if-none-match", b"if-range", b"origin", b"pragma", b"priority", b"range", b"referer",
        b"save-data", b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest", b"sec-fetch-mode",
        b"sec-fetch-site", b"sec-fetch-user", b"sec-gpc", b"upgrade-insecure-requests", b"user-agent", b"x-request-id",
    )
)  # fmt: skip
"""Fields that say nothing of who sends them."""


Load = Callable[[bytes, Identity, bool, Told], None]
"""Reads a file of this path and state and compresses it if it is worth it; see compressed.py."""


class Learned:
    """The map from paths to files, and the files in memory.

    Both are in the order of their use, to the second, the one used longest ago first. ``single`` says that the one
    project is at ``base_path`` itself. ``ask`` is called with a path, a host and an origin, for a stranger to be
    asked for; without ``load`` nothing comes into memory.
    """

    def __init__(
        self,
        base_path: bytes = b"",
        single: bool = True,
        load: Load | None = None,
        stat: Callable[[bytes], os.stat_result] = os.stat,
    ) -> None:
        project = b"" if single else b"/[^/]+"
        self._place = re.compile(re.escape(base_path) + project + b"/chrome/[^/]")
        self._load = load
        self._stat = stat
        self.ask: Callable[[bytes, bytes | None, Origin], object] = lambda path, host, origin: None
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._files: OrderedDict[tuple[Identity, bool], Loaded] = OrderedDict()
        self._fickle: OrderedDict[bytes, None] = OrderedDict()
        self._orders: dict[bytes, tuple[bytes, ...]] = {}
        self.size = 0
        """Bytes in memory."""
        self.take(StaticSettings())

    def __repr__(self) -> str:
        return f"<Learned {len(self._entries)} addresses, {len(self._files)} files of {self.size} bytes>"

    def knows(self, path: bytes) -> bool:
        """Tell whether an address is known."""
        return path in self._entries

    @property
    def addresses(self) -> int:
        """How many addresses are known."""
        return len(self._entries)

    # -- the operator's side

    def take(self, settings: StaticSettings) -> None:
        """Go by these settings from now on."""
        self._settings = settings
        self._freshness = Freshness(settings.max_age)
        self.forget()
        self._make_room()

    def forget(self) -> None:
        """Learn everything anew."""
        for entry in self._entries.values():
            entry.leave()
        self._entries.clear()
        self._fickle.clear()

    def drop(self, path: bytes) -> None:
        """Forget one address."""
        entry = self._entries.pop(path, None)
        if entry is not None:
            entry.leave()

    # -- the answering side

    def find(self, head: Head, now: float) -> Entry | None:
        """Give what is known of the file that a request asks for, if that is still what it was."""
        entry = self._entries.get(head.path)
        if entry is None or (head.method != b"GET" and head.method != b"HEAD"):
            return None
        if not entry.any_query and len(head.target) != len(head.path):
            return None
        if now >= entry.look_at and not self._look(head.path, entry, now):
            return None
        return entry

    def answer(self, entry: Entry, head: Head, user: bytes, lines: bytes, now: float) -> bytes:
        """Make the whole answer of what is in memory: ``entry.forms`` has something.

        ``lines`` are whole lines that every answer has.
        """
        selecting = head.selecting
        if not selecting:
            form = entry.plain
        elif len(selecting) == 1 and selecting[0][0] == b"accept-encoding":
            form = entry.plain
            for coding in self._orders.get(selecting[0][1]) or self._order(selecting[0][1]):
                if coding in entry.forms:
                    form = entry.forms[coding]
                    break
        else:
            return self._selected(entry, head, user, lines, now)
        body = b"" if head.method == b"HEAD" else form.body
        return b"".join((form.head, entry.private if user else entry.public, lines, b"\r\n", body))

    def _selected(self, entry: Entry, head: Head, user: bytes, lines: bytes, now: float) -> bytes:
        """Answer a request with conditions, or for a part of the file: parts are those of the plain form."""
        ranged = any(name == b"range" for name, _ in head.selecting)
        form = entry.plain if ranged else self._best(entry, head)
        first, body = form.selected(head, now)
        caching = entry.private if user else entry.public
        return b"".join((first, caching, lines, b"\r\n", b"" if head.method == b"HEAD" else body))

    def _best(self, entry: Entry, head: Head) -> Form:
        accept = b",".join([value for name, value in head.selecting if name == b"accept-encoding"])
        order = self._orders.get(accept) or self._order(accept)
        return next((entry.forms[coding] for coding in order if coding in entry.forms), entry.plain)

    def _order(self, accept: bytes) -> tuple[bytes, ...]:
        found = codings.order(accept) or (codings.IDENTITY,)
        if len(self._orders) < 1000 and len(accept) <= codings.LONGEST:
            self._orders[accept] = found
        return found

    def _look(self, path: bytes, entry: Entry, now: float) -> bool:
        """See whether a file is still what it was, and forget it otherwise."""
        if self._identity(entry.named.path) != entry.identity:
            self.drop(path)
            return False
        entry.look_at = now + LOOK
        self._entries.move_to_end(path)
        if entry.loaded is not None:
            self._files.move_to_end((entry.identity, entry.compress))
        elif now >= entry.load_at:
            again, entry.load_at = entry.load_at, now + LOAD_AGAIN
            if again:
                self._fetch(entry)
        return True

    def _identity(self, path: bytes) -> Identity | None:
        try:
            found = self._stat(path)
        except OSError:
            return None
        return identity_of(found) if modes.S_ISREG(found.st_mode) else None

    # -- the learning side

    def learn(self, head: Head, admission: Admission, file: bytes, fields: list[Field]) -> None:
        """Learn from an answer of 200 in which a worker has named a file (Note [Who teaches])."""
        path = head.path
        if head.method != b"GET" or self._place.match(path) is None or path in self._fickle:
            return
        named = Named.read(file)
        if len(head.target) != len(path):
            known = self._entries.get(path)
            if known is not None:
                self._compare(path, known, named)
                return
        elif impersonal(head, admission):
            self._remember(path, named, fields)
            return
        self.ask(path, head.host, admission.origin)

    def _compare(self, path: bytes, known: Entry, named: Named) -> None:
        """See whether a query makes a difference (Note [Queries])."""
        if known.named.path == named.path:
            known.any_query = True
        else:
            self.drop(path)
            self._fickle[path] = None
            if len(self._fickle) > FICKLE:
                self._fickle.popitem(last=False)

    def _remember(self, path: bytes, named: Named, fields: list[Field]) -> None:
        kept = shared(fields)
        identity = self._identity(named.path)
        if kept is None or identity is None:
            return
        if identity[:4] != (named.device, named.inode, named.size, named.changed):
            return
        self.drop(path)
        entry = Entry(named, identity, kept, self._freshness.lines(path, kept))
        self._entries[path] = entry
        if len(self._entries) > self._settings.entries:
            self.drop(next(iter(self._entries)))
        self._fetch(entry)

    # -- memory

    def _fetch(self, entry: Entry) -> None:
        """Have a file in memory, if it is not too large."""
        key = entry.identity, entry.compress
        if key in self._files:
            entry.put(self._files[key])
        elif self._load is not None and entry.identity[2] <= min(self._settings.largest, self._settings.memory):
            self._load(entry.named.path, entry.identity, entry.compress, partial(self._loaded, entry))

    def _loaded(self, entry: Entry, loaded: Loaded | None) -> None:
        key = entry.identity, entry.compress
        if loaded is None or loaded.size > self._settings.memory:
            return
        if key not in self._files:
            self._files[key] = loaded
            self.size += loaded.size
        if entry.current:
            entry.put(self._files[key])
        self._make_room()

    def _make_room(self) -> None:
        while self.size > self._settings.memory:
            _, loaded = self._files.popitem(last=False)
            self.size -= loaded.size
            for entry in list(loaded.entries):
                entry.unload()


def impersonal(head: Head, admission: Admission) -> bool:
    """Tell whether a request could be anybody's."""
    if admission.user or head.authorization is not None:
        return False
    return all(line.partition(b":")[0].lower() in _IMPERSONAL for line in head.lines)
