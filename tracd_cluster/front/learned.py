"""Which file is behind an address of Trac's static files, learned from what workers answer: then no worker is asked.

Note [Who teaches]. What is remembered is shown to everybody, so it must be what a stranger gets: it comes from
requests that have nothing personal in them, no cookie, no password, no user, and no field that a plugin could take for
one. Nearly every browser has a cookie, so where one of those is answered with a file, the front asks itself, as a
stranger (asking.py), and learns from that. Of the answer's fields all are shared that are the same for all strangers;
cookies are not. Who has to sign in to see anything (``--require-login``) has done so before this is looked at.

Note [Queries]. Trac does not look at the query of such an address; browsers are given some (``?v=1``) so that they ask
anew. A path is learned without one, and does for queries once a worker has answered one with the same file.

Note [Generations]. A new generation may have other plugins, so it begins with an empty map; what workers of the one
before answer after that teaches nothing. Files in memory stay there: a file that is the same to the last byte of its
inode need not be compressed again.
"""

from __future__ import annotations

import os
import re
import stat as modes
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Protocol

from tracd_cluster.front import codings
from tracd_cluster.front.admission import Admission, Origin
from tracd_cluster.front.compressed import Identity, Loaded, Told, compressible, identity_of
from tracd_cluster.front.forms import Entry, Freshness, shared
from tracd_cluster.front.head import Head
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.static import StaticSettings

LOOK = 1.0
"""Seconds for which a file is taken to be as it was."""

LOAD_AGAIN = 60.0
"""Seconds after which a file that had to leave memory may come back: not to compress in circles what does not fit."""

FICKLE = 1000
"""Paths remembered for having other files with other queries."""

_IMPERSONAL = frozenset(
    (
        b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"cache-control", b"dnt", b"host",
        b"if-modified-since", b"if-none-match", b"if-range", b"origin", b"pragma", b"priority", b"range", b"referer",
        b"save-data", b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest", b"sec-fetch-mode",
        b"sec-fetch-site", b"sec-fetch-user", b"sec-gpc", b"upgrade-insecure-requests", b"user-agent",
    )
)  # fmt: skip
"""Fields that say nothing of who sends them."""


class Named(Protocol):
    """A file that a worker has named."""

    path: str
    size: int
    mtime_ns: int
    etag: bytes


Load = Callable[[str, Identity, bool, Told], None]
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
        stat: Callable[[str], os.stat_result] = os.stat,
    ) -> None:
        project = b"" if single else b"/[^/]+"
        self._place = re.compile(re.escape(base_path) + project + b"/chrome/[^/]")
        self._load = load
        self._stat = stat
        self.ask: Callable[[bytes, bytes | None, Origin], object] = lambda path, host, origin: None
        self._generation = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._files: OrderedDict[tuple[Identity, bool], Loaded] = OrderedDict()
        self._fickle: OrderedDict[bytes, None] = OrderedDict()
        self._orders: dict[bytes, tuple[bytes, ...]] = {}
        self.size = 0
        """Bytes in memory."""
        self.take(StaticSettings())

    def __repr__(self) -> str:
        return f"<Learned {len(self._entries)} addresses, {len(self._files)} files of {self.size} bytes>"

    def __len__(self) -> int:
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

    def begin(self, generation: int) -> None:
        """Learn from workers of this generation, and of no older one (Note [Generations])."""
        if generation > self._generation:
            self._generation = generation
            self.forget()

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

    def answer(self, entry: Entry, head: Head, standing: bytes, user: bytes, connection: bytes, now: float) -> bytes:
        """Make the whole answer of what is in memory: ``entry.forms`` has something.

        ``standing`` are the lines of every answer, ``connection`` is a whole line or empty.
        """
        selecting = head.selecting
        if not selecting:
            form = entry.forms[codings.IDENTITY]
        elif len(selecting) == 1 and selecting[0][0] == b"accept-encoding":
            form = entry.best(self._orders.get(selecting[0][1]) or self._order(selecting[0][1]))
        else:
            return self._selected(entry, head, standing, user, connection, now)
        lines = entry.private if user else entry.public
        body = b"" if head.method == b"HEAD" else form.body
        return b"".join((form.head, standing, lines, connection, b"\r\n", body))

    def _selected(
        self, entry: Entry, head: Head, standing: bytes, user: bytes, connection: bytes, now: float
    ) -> bytes:
        """Answer a request with conditions, or for a part of the file: parts are those of the plain form."""
        accept = b",".join([value for name, value in head.selecting if name == b"accept-encoding"])
        ranged = any(name == b"range" for name, _ in head.selecting)
        form = entry.best((codings.IDENTITY,) if ranged else self._order(accept))
        first, body = form.selected(head, now)
        lines = entry.private if user else entry.public
        return b"".join((first, standing, lines, connection, b"\r\n", b"" if head.method == b"HEAD" else body))

    def _order(self, accept: bytes) -> tuple[bytes, ...]:
        found = codings.order(accept) or (codings.IDENTITY,)
        if len(self._orders) < 1000 and len(accept) <= codings.LONGEST:
            self._orders[accept] = found
        return found

    def _look(self, path: bytes, entry: Entry, now: float) -> bool:
        """See whether a file is still what it was, and forget it otherwise."""
        if self._identity(entry.path) != entry.identity:
            self._drop(path)
            return False
        entry.look_at = now + LOOK
        self._entries.move_to_end(path)
        if entry.loaded is not None:
            self._files.move_to_end((entry.identity, entry.compress))
        elif now >= entry.load_at:
            entry.load_at = now + LOAD_AGAIN
            self._fetch(entry)
        return True

    def _identity(self, path: str) -> Identity | None:
        try:
            found = self._stat(path)
        except OSError:
            return None
        return identity_of(found) if modes.S_ISREG(found.st_mode) else None

    # -- the learning side

    def placed(self, path: bytes) -> bool:
        """Tell whether a path is one of Trac's static files'."""
        return self._place.match(path) is not None

    def learn(self, head: Head, admission: Admission, named: Named, fields: list[Field], generation: int = 0) -> None:
        """Learn from an answer of 200 to GET in which a worker has named a file (Note [Who teaches])."""
        path = head.path
        if head.method != b"GET" or not self.placed(path) or generation < self._generation or path in self._fickle:
            return
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
        if known.path == named.path:
            known.any_query = True
        else:
            self._drop(path)
            self._fickle[path] = None
            if len(self._fickle) > FICKLE:
                self._fickle.popitem(last=False)

    def _remember(self, path: bytes, named: Named, fields: list[Field]) -> None:
        kept = shared(fields)
        identity = self._identity(named.path)
        if kept is None or identity is None or identity[2:4] != (named.size, named.mtime_ns):
            return
        self._drop(path)
        entry = Entry(named.path, identity, named.etag, kept, self._freshness.lines(path, kept))
        self._entries[path] = entry
        if len(self._entries) > self._settings.entries:
            self._drop(next(iter(self._entries)))
        self._fetch(entry)

    def _drop(self, path: bytes) -> None:
        entry = self._entries.pop(path, None)
        if entry is not None:
            entry.leave()

    # -- memory

    def _fetch(self, entry: Entry) -> None:
        """Have a file in memory, if it is not too large."""
        key = entry.identity, entry.compress
        if key in self._files:
            entry.put(self._files[key])
        elif self._load is not None and entry.identity[2] <= min(self._settings.largest, self._settings.memory):
            self._load(entry.path, entry.identity, entry.compress, partial(self._loaded, entry))

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
    if admission.user or head.authorization is not None or admission.origin.certified_user:
        return False
    return all(line.partition(b":")[0].lower() in _IMPERSONAL for line in head.lines)
