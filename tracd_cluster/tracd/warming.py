"""Visiting a few pages before anyone else does, so that workers are forked warm; nothing must show that it was done.

A page asked for the first time compiles templates, imports modules, reads option values and fills caches: 20 to 90 ms
that every worker would spend, in memory of its own. Pages are visited through the same code as real requests.

Note [No trace]. Four things keep warming from changing an environment. Visitor sessions are not saved: ``/query`` and
``/timeline`` would store a row for each visitor without a cookie. Repositories are hidden (see below). Any other SQL
statement than a query is refused, whatever page or plugin issues it. And the address of the visit is forgotten:
without ``[trac] base_url``, Trac takes the first request's host for the links it sends by mail. What remains is what
Trac writes to its log, and of that only errors.

Note [No repositories]. While warming, an environment seems to have no repository, even where a wiki page links to a
changeset. With ``sync_per_request`` one would be synchronised, which writes; a new one in trac.ini would be given a
number, which writes; a large one takes seconds to list; with ``[git] persistent_cache`` a ``git cat-file`` would
stay behind, shared by all workers; and Subversion's library keeps handles of its own. The templates of the source
browser are compiled without visiting it, which is most of what a visit would give.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import quote

from tracd_cluster.tracd.answer import Answer, Application
from tracd_cluster.tracd.environments import CannotServe, Project, SettingsUnreadable, open_project
from tracd_cluster.tracd.faults import Fault, Heard, listening
from tracd_cluster.tracd.tuning import hide
from tracd_cluster.tracd.wsgi import Environ, RequestReader

BUDGET = 5.0
"""Seconds for all environments after the first. What is left is opened when it is first visited, as in tracd."""

VISITOR = "tracd-cluster"
"""Who visits pages that anonymous visitors may not see."""

WIKI_TEXT = """= Heading =
[[PageOutline]]
 * '''bold''' ''italic'' `code` [wiki:WikiStart start] #1 {1} CamelCase http://example.org/
||= a =||= b =||
|| 1 || 2 ||
 1. one
> quoted
{{{#!python
def f(x):
    return "text", x + 1  # comment
}}}
{{{
plain
}}}
"""

PAGES = (
    "/wiki/WikiStart",
    "/ticket/{ticket}",
    "/query",
    "/report/{report}",
    "/timeline?ticket=on&wiki=on&milestone=on",
    "/newticket",
    "/wiki_render?realm=wiki&id=WikiStart&text=" + quote(WIKI_TEXT),
    "/report",
    "/search?q=warm",
    "/roadmap",
    "/wiki/TitleIndex",
    "/about",
    "/prefs",
    "/chrome/common/css/trac.css",
)
"""By value: what most people see most, first. A page that needs a ticket or report is left out if there is none.

Every page delays the start: by 4 to 20 ms, and by 10 to 90 ms when its templates have to be compiled.
"""

TEMPLATES = ("error.html", "browser.html", "dir_entries.html")

_QUERY = re.compile(r"[\s(]*(?:SELECT|WITH|PRAGMA|SHOW|EXPLAIN|VALUES|DESCRIBE)\b", re.IGNORECASE)


class WriteRefused(Exception):
    """A page wanted to change the database while it was being warmed."""


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def no_trace() -> Iterator[None]:
    """Let pages be visited without changing anything (Note [No trace], Note [No repositories])."""
    from trac.db.util import IterableCursor
    from trac.versioncontrol.api import RepositoryManager
    from trac.web.session import DetachedSession

    with ExitStack() as replaced:
        for owner, name, value in (
            (DetachedSession, "save", lambda session: None),
            (RepositoryManager, "get_all_repositories", lambda component: {}),
            (IterableCursor, "execute", _only_queries(IterableCursor.execute)),
            (IterableCursor, "executemany", _only_queries(IterableCursor.executemany)),
        ):
            replaced.enter_context(_replaced(owner, name, value))
        yield


def _only_queries(execute: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(cursor: Any, sql: str, *args: Any) -> Any:
        if not _QUERY.match(sql):
            raise WriteRefused(f"not while warming: {' '.join(sql.split())[:200]}")
        return execute(cursor, sql, *args)

    return guarded


@contextmanager
def _everything_permitted() -> Iterator[None]:
    from trac.perm import PermissionSystem

    with _replaced(PermissionSystem, "check_permission", lambda *args, **named: True):
        yield


class Warming:
    """Opens and warms environments, within a time; ``constant`` is what real requests begin with, too."""

    def __init__(self, application: Application, constant: Environ, clock: Callable[[], float]) -> None:
        self._application = application
        self._constant = constant
        self._clock = clock
        self.warnings: list[str] = []
        self.faults: list[Fault] = []
        """What does not work, where that may be the doing of a change; each is among the warnings too."""
        self.opened: list[str] = []
        """Paths of the environments that could be opened."""
        self.warmed: list[str] = []
        """Paths of those whose pages have been visited."""

    def open_and_warm(self, projects: list[Project]) -> None:
        """Open the environments and warm them, the first in any case.

        The others are all opened before a second one is warmed: only opening tells whether one works. Raises
        CannotServe if none can be opened.
        """
        faults: list[CannotServe] = []
        good: list[Project] = []
        deadline = None
        for number, project in enumerate(projects):
            if deadline is not None and self._clock() > deadline:
                late = len(projects) - number
                self.warnings.append(f"{late} of {len(projects)} environments will be opened when they are visited")
                break
            try:
                self._note(*self.open(project))
            except CannotServe as fault:
                faults.append(fault)
                self.warnings.append(fault.error)
                if isinstance(fault, SettingsUnreadable):
                    self.faults.append(Fault("settings", project.path, "trac.ini", fault.error, fault.file))
                continue
            good.append(project)
            self.opened.append(project.path)
            hide()  # else the collection at the end of each page would walk all of this
            if deadline is None:
                self._warm_or_warn(project)
                deadline = self._clock() + BUDGET
        if faults and not good:
            first = faults[0]
            raise CannotServe(first.step, "; ".join(fault.error for fault in faults), first.trace, first.file)
        for project in good[1:]:
            if deadline is not None and self._clock() > deadline:
                break
            self._warm_or_warn(project)

    def _note(self, *faults: Fault) -> None:
        self.faults += faults
        self.warnings += map(str, faults)

    def _warm_or_warn(self, project: Project) -> None:
        try:
            self.warm(project)
            self.warmed.append(project.path)
        except Exception as error:  # the Trac of this site is not as we know it; it will serve all the same
            self.warnings.append(f"{project}: not warmed, {type(error).__name__}: {error}")

    def open(self, project: Project) -> list[Fault]:
        """Open an environment, and give the plugins that it lacks. Raises CannotServe."""
        return open_project(project)

    def warm(self, project: Project) -> None:
        """Visit the pages of an environment; what fails is a warning."""
        from trac.env import env_cache

        env = env_cache[project.path]
        with no_trace(), _addresses_forgotten(env), _errors_only(env.log):
            base = "" if project.single else "/" + quote(project.name)
            for name, page in _pages_of(env):
                self.visit(project, name, base + page)
                hide()  # what the page's own collection has left is there to stay
            _compile_templates(env)

    def visit(self, project: Project, name: str, page: str) -> None:
        """Visit a page, known as ``name``; it is broken if it fails twice: a database may have been busy."""
        if self._errors_of(page) is None or (errors := self._errors_of(page)) is None:
            return
        cause = errors[-1] if errors else Heard("", None)
        text = f"{page[:60]} failed while warming, see its trac.log"
        if isinstance(cause.error, WriteRefused):
            self.warnings.append(f"{project}: {text}")  # it is we who refuse that, and not its code that is wrong
        else:
            why = f": {cause.reason}" if cause.reason else ""
            self._note(Fault("page", project.path, name, text + why, cause.file, cause.traceback))

    def _errors_of(self, page: str) -> list[Heard] | None:
        """Visit a page; None if it works, and what Trac has logged of it otherwise."""
        with listening() as listener:
            status = self._visit(page)
        return None if 0 < status < 500 else listener.errors

    def _visit(self, page: str) -> int:
        """Visit as anybody, and once more with all permissions if that is forbidden: most users will have them."""
        status = self._request(page, "")
        if status == 403:
            with _everything_permitted():
                status = self._request(page, f"Tracd-Cluster-User: {VISITOR}\r\n")
        return status

    def _request(self, page: str, user: str) -> int:
        base = quote(self._constant["SCRIPT_NAME"].encode("latin-1"))
        head = (
            f"GET {base}{page} HTTP/1.1\r\nTracd-Cluster-Server: http localhost 80\r\n"
            f"Tracd-Cluster-Client: 127.0.0.1 1\r\n{user}Host: localhost\r\n\r\n"
        )
        reader = RequestReader(lambda size: head.encode(), self._constant)
        environ = reader.read()
        assert environ is not None
        answer = Answer(len)
        with suppress(Exception):
            answer.run(self._application, environ, reader.drain)
        return answer.status


@contextmanager
def _errors_only(logger: logging.Logger) -> Iterator[None]:
    """Keep Trac from noting each page that an anonymous visitor may not see."""
    level = logger.level
    logger.setLevel(max(level, logging.ERROR))
    try:
        yield
    finally:
        logger.setLevel(level)


def _pages_of(env: Any) -> list[tuple[str, str]]:
    """Give each page as it stands in the list, and with a ticket and a report filled in that are there."""
    known: dict[str, int] = {}
    for kind, query in (("ticket", "SELECT MIN(id) FROM ticket"), ("report", "SELECT MIN(id) FROM report")):
        with suppress(Exception):  # the page that shows it will fail as well, and be reported
            known[kind] = env.db_query(query)[0][0]
    missing = [f"{{{kind}}}" for kind in ("ticket", "report") if not known.get(kind)]
    return [(page, page.format_map(known)) for page in PAGES if not any(kind in page for kind in missing)]


def _compile_templates(env: Any) -> None:
    from trac.web.chrome import Chrome

    for template in TEMPLATES:
        with suppress(Exception):  # a theme plugin may have none of that name
            Chrome(env).load_template(template)


@contextmanager
def _addresses_forgotten(env: Any) -> Iterator[None]:
    """Leave the addresses of an environment without ``base_url`` open for the first real request to fill."""
    from trac.web.href import Href

    yield
    if not env.base_url:
        # Filled with nothing instead of deleted: asking for it anew would write a warning to trac.log.
        env.abs_href = Href("")
        del env.href
