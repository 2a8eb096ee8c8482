"""What is watched, what it looks like, and when a change of it has come to rest.

Editors write a file in several steps and leave others beside it, a checkout writes many, and a new environment takes a
second to be made. So names that no code has do not count, and a change counts once it has stayed the same for a while.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

Look = dict[str, tuple[int, int, int]]
"""For each path that is there its time of modification (nanoseconds), size and inode."""

CODE = (".py", ".egg", ".egg-link", ".html", ".txt", ".rss", ".xml")
"""Ends of the names that count in a folder of plugins or templates."""

SETTLE = 0.4
"""Seconds for which changed code stays the same before it counts: an editor's saves come closer together."""
SETTLE_SETTINGS = 1.5
"""The same for settings: nobody waits for these, since Trac reads them again by itself at the next request."""
LONGEST = 10.0
"""Seconds after which a change counts though it goes on and on."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What one generation consists of: its code, empty where that is not watched, and its settings.

    ``folders`` are those of plugins and templates, ``parent`` is the one in which every folder is an environment.
    ``generation`` tells one from the next, since folders that are watched may have been made anew.
    """

    generation: int = 0
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    parent: str | None = None
    since: float = float("inf")
    """When it began to load, by the clock of files: what has changed since then it may have read before."""

    def places(self) -> set[str]:
        """Give the folders that are there and in which all of it lies, also where it is reached by links."""
        paths = (*self.files, *self.settings)
        found = {os.path.dirname(path) for path in paths}
        found |= {os.path.dirname(os.path.realpath(path)) for path in paths}
        found |= {*self.folders, *([self.parent] if self.parent else [])}
        return {place for place in found if os.path.isdir(place)}


class Matter:
    """Tells whether something that has happened to a path is of interest."""

    def __init__(self, sources: Sources) -> None:
        self._files = {*sources.files, *sources.settings}
        self._real = {os.path.realpath(path) for path in self._files}
        self._folders = {*sources.folders, *map(os.path.realpath, sources.folders)}
        self._parent = sources.parent

    def __contains__(self, path: str) -> bool:
        folder, name = os.path.split(path)
        return (
            path in self._files
            or path in self._real
            or (folder in self._folders and is_code(name))
            or (self._parent is not None and (folder == self._parent or _is_settings_in(self._parent, path)))
        )


def is_code(name: str) -> bool:
    """Tell whether a file of this name in a folder of plugins or templates would be used; no editor's would."""
    return name.endswith(CODE) and not name.startswith((".", "#"))


def _is_settings_in(parent: str, path: str) -> bool:
    return path.endswith("/conf/trac.ini") and os.path.dirname(path[: -len("/conf/trac.ini")]) == parent


def look_at(sources: Sources) -> Look:
    """Look at everything that is watched; it may be thousands of files."""
    found: Look = {}
    for path in _paths_of(sources):
        try:
            status = os.stat(path)
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def _paths_of(sources: Sources) -> Iterator[str]:
    yield from sources.files
    yield from sources.settings
    for folder in sources.folders:
        for name in _names_in(folder):
            if is_code(name):
                yield os.path.join(folder, name)
    if sources.parent is not None:
        for name in _names_in(sources.parent):
            if not name.startswith("."):
                yield os.path.join(sources.parent, name, "conf", "trac.ini")


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def changed(before: Look, after: Look) -> list[str]:
    """Name what has come, gone or is not as it was."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


@dataclass(slots=True)
class Settling:
    """Waits for a change to come to rest. ``pending`` is the look that has to be seen again."""

    known: Look = field(default_factory=dict)
    pending: Look | None = None
    _sources: Sources = field(default_factory=Sources)
    _known_matter: Matter = field(default_factory=lambda: Matter(Sources()))
    _since: float = 0.0
    _first: float = 0.0

    def see(self, sources: Sources, found: Look, now: float) -> list[str]:
        """Take a look at ``sources``, and name what has changed and is at rest; it is known from then on."""
        if sources != self._sources:
            self._adopt(sources, found, now)
        different = changed(self.known, found)
        if not different:
            self.pending = None
            return []
        if self.pending is None:
            self._first = now
        if self.pending != found:
            self.pending, self._since = found, now
        code = {*sources.files}
        settle = SETTLE if any(path in code or is_code(path) for path in different) else SETTLE_SETTINGS
        if now - self._since < settle and now - self._first < LONGEST:
            return []
        self.known, self.pending = found, None
        return different

    def _adopt(self, sources: Sources, found: Look, now: float) -> None:
        """Know what a new generation has loaded, and forget what it has not; neither is a change.

        Unless it was written meanwhile (a time that is yet to come says nothing, but of somebody's clock), or is of an
        environment that was not there yet.
        """
        matter, before = Matter(sources), self._known_matter
        self.known = {path: seen for path, seen in self.known.items() if path in matter}
        for path, seen in found.items():
            written = sources.since < seen[0] / 1e9 <= now
            appeared = sources.parent is not None and _is_settings_in(sources.parent, path)
            if path not in before and not written and not (appeared and path not in sources.settings):
                self.known[path] = seen
        self._sources, self._known_matter, self.pending = sources, matter, None
