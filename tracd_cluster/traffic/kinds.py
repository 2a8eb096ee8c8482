"""What a request asks for, as far as that makes it slow in any Trac; and its route, for whatever else is slow.

Both go by the module, which is the first segment of the path below the project, and by a few arguments of the query.
Path and query are read as Trac reads them (web/api.py, web/main.py): a spelling that Trac understands is understood
here. Where the two differ, more is taken for slow than is.

Note [Cost]. Whoever wants to do harm chooses the target, so looking at it takes one pass over it, whatever is in it;
and nearly all requests are through after one search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

NO_KIND = ""
NO_ROUTE = ""

LONGEST_ROUTE = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """What a request of a kind can be known by; all that is said must fit."""

    kind: str
    modules: frozenset[bytes] = frozenset()
    """One of these; none for any."""
    argument: bytes = b""
    """One that has a value; empty for none."""
    values: frozenset[bytes] = frozenset()
    """It is one of these; none for any."""

    def fits(self, module: bytes, arguments: Mapping[bytes, set[bytes]]) -> bool:
        """Tell whether a request is of the kind."""
        if self.modules and module not in self.modules:
            return False
        if not self.argument:
            return True
        given = arguments.get(self.argument)
        return given is not None and (not self.values or not self.values.isdisjoint(given))


def _mark(kind: str, modules: bytes = b"", argument: bytes = b"", values: bytes = b"") -> Mark:
    return Mark(kind, frozenset(modules.split()), argument, frozenset(values.split()))


MARKS = (
    _mark("archive", b"", b"format", b"zip"),
    _mark("archive", b"zip-attachment"),
    _mark("feed", b"", b"format", b"rss"),
    _mark("annotate", b"browser file", b"annotate"),
    _mark("diff", b"diff"),
    _mark("diff", b"", b"action", b"diff"),
    _mark("diff", b"", b"format", b"diff"),
    _mark("diff", b"changeset", b"old"),
    _mark("diff", b"changeset", b"old_path"),
    _mark("export", b"export"),
    _mark("export", b"", b"format"),
    _mark("log", b"log"),
    _mark("revision", b"browser file", b"rev"),
    _mark("changeset", b"changeset"),
    _mark("timeline", b"timeline"),
    _mark("query", b"query"),
    _mark("report", b"report"),
    _mark("search", b"search"),
)
"""The first that fits counts; settings/kinds.py says what the kinds are."""

_TRACS = frozenset().union(*(mark.modules for mark in MARKS)) | frozenset(
    b"about admin attachment batchmodify chrome login logout milestone newticket notification prefs pygments "
    b"raw-attachment roadmap ticket wiki wiki_render".split()
)
"""The modules of Trac itself: what begins with one has no project before it."""

_ALONE = b"|".join(sorted(module for mark in MARKS if not mark.argument for module in mark.modules))
_ARGUMENTS = sorted({mark.argument for mark in MARKS if mark.argument})
_NAMES = b"|".join(_ARGUMENTS)
# Whatever is written otherwise than it is meant has an escape in it.
_MAY_BE = re.compile(rb"%%|/(?:%b)(?![^/?])|[?&](?:%b)=" % (_ALONE, _NAMES)).search


def _spelled(name: bytes) -> bytes:
    """Give a pattern of a name that takes each of its letters with or without an escape."""
    return b"".join(b"(?:%c|%%%02x|%%%02X)" % (letter, letter, letter) for letter in name)


# All spellings of the names, so that what a client makes up costs no call in Python.
_ARGUMENT = re.compile(rb"&(%b)=([^&]+)" % b"|".join(map(_spelled, _ARGUMENTS)))
_ROUTE = re.compile(rb"[A-Za-z0-9_.-]*")


class Kinds:
    """Tells kinds and routes of a site.

    ``single`` says that the one project is at ``base_path`` itself, else each is one segment below; None that nobody
    knows, because the pages come from servers elsewhere.
    """

    __slots__ = ("_begin", "_single")

    def __init__(self, base_path: bytes = b"", single: bool | None = True) -> None:
        self._begin = len(base_path)
        self._single = single

    def kind_of(self, target: bytes) -> str:
        """Give the kind of a request by its target, which lies inside the base path; empty for none."""
        if _MAY_BE(target) is None:
            return NO_KIND
        path, _, query = target.partition(b"?")
        module = self._split(path)[1]
        arguments = _arguments(query)
        for mark in MARKS:
            if mark.fits(module, arguments):
                return mark.kind
        return NO_KIND

    def route_of(self, target: bytes) -> str:
        """Give the route: the module, as ``/wiki``; empty for what is in no project, or has no name for a module."""
        project, module = self._split(target.partition(b"?")[0])
        if self._single is False and not project:
            return NO_ROUTE
        if len(module) > LONGEST_ROUTE or _ROUTE.fullmatch(module) is None:
            return NO_ROUTE
        return "/" + module.decode("ascii")

    def project_of(self, target: bytes) -> str:
        """Give the path of the project that a request is for, without a slash at its end."""
        path = target.partition(b"?")[0]
        project = self._split(path)[0]
        base = path[: self._begin].decode("ascii")
        return f"{base}/{quote_from_bytes(project)}" if project else base

    def _split(self, path: bytes) -> tuple[bytes, bytes]:
        """Give project and module of a path, both decoded; an empty project where there is none."""
        path = path[self._begin :]
        if b"%" in path:
            path = unquote_to_bytes(path)
        first, _, rest = path.lstrip(b"/").partition(b"/")
        # Trac's patterns have a $ at their ends, before which Python leaves a line break unseen.
        plain = first.removesuffix(b"\n")
        if self._single or (self._single is None and plain in _TRACS):
            return b"", plain
        return first, rest.lstrip(b"/").partition(b"/")[0].removesuffix(b"\n")


def _arguments(query: bytes) -> dict[bytes, set[bytes]]:
    """Give the arguments that make a difference, with all values they have that are not empty."""
    found: dict[bytes, set[bytes]] = {}
    for name, value in set(_ARGUMENT.findall(b"&" + query.lstrip(b"?"))):
        found.setdefault(unquote_to_bytes(name), set()).add(unquote_to_bytes(value))
    return found
