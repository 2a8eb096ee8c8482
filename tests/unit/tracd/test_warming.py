"""Warming keeps to its time, and says what did not work."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.environments import CannotServe, Project, SettingsUnreadable
from tracd_cluster.tracd.faults import Fault
from tracd_cluster.tracd.warming import BUDGET, Warming, WriteRefused, _only_queries
from tracd_cluster.tracd.wsgi import constant_environ


class Timed(Warming):
    """Opening and warming each take one second by a clock of our own; no Trac is needed."""

    def __init__(self, broken: frozenset[str] = frozenset()) -> None:
        super().__init__(lambda *_: [], constant_environ(ProjectSettings(), 1, ""), lambda: self.now)
        self.now = 0.0
        self.did: list[str] = []
        self.broken = broken

    def open(self, project: Project) -> list[Fault]:
        self.now += 1
        if project.name in self.broken:
            raise CannotServe(f"open {project}", f"{project}: broken", "trace")
        self.did.append(f"open {project.name}")
        return []

    def warm(self, project: Project) -> None:
        self.now += 1
        self.did.append(f"warm {project.name}")


def projects(names: str) -> list[Project]:
    """Name a project by each letter."""
    return [Project(name, f"/srv/{name}") for name in names]


def test_all_are_opened_before_a_second_one_is_warmed() -> None:
    """A broken environment is known at the start, however many there are."""
    warming = Timed()
    warming.open_and_warm(projects("abc"))
    assert ["open a", "warm a", "open b", "open c", "warm b", "warm c"] == warming.did
    assert [] == warming.warnings


def test_many_environments_do_not_delay_the_start_for_ever() -> None:
    """What takes too long is left for the first visit, as with tracd, and that is told."""
    warming = Timed()
    warming.open_and_warm(projects("abcdefghijkl"))
    assert ["open a", "warm a", *(f"open {name}" for name in "bcdefg")] == warming.did
    assert ["5 of 12 environments will be opened when they are visited"] == warming.warnings
    assert warming.now <= 2 + BUDGET + 1


def test_the_first_that_opens_is_warmed_in_any_case() -> None:
    """One broken environment at the front of the list does not make all workers cold."""
    warming = Timed(frozenset("a"))
    warming.open_and_warm(projects("ab"))
    assert ["open b", "warm b"] == warming.did
    assert ["environment /srv/a: broken"] == warming.warnings


def test_a_failure_of_warming_is_a_warning() -> None:
    """An unusual Trac starts cold instead of not at all."""

    class Unusual(Timed):
        def warm(self, project: Project) -> None:
            raise AttributeError("no such hook")

    warming = Unusual()
    warming.open_and_warm(projects("a"))
    assert ["environment /srv/a: not warmed, AttributeError: no such hook"] == warming.warnings


def test_nothing_that_opens_is_a_failure_that_names_all() -> None:
    """The operator learns of every environment, not of the first."""
    with pytest.raises(CannotServe) as told:
        Timed(frozenset("ab")).open_and_warm(projects("ab"))
    assert "environment /srv/a: broken; environment /srv/b: broken" == told.value.error
    assert ("open environment /srv/a", "trace") == (told.value.step, told.value.trace)


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "\n  select x", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT 1", "PRAGMA x"]
)
def test_queries_pass(sql: str) -> None:
    """Pages can be rendered."""
    execute = _only_queries(lambda cursor, sql, *args: (cursor, sql, args))
    assert (None, sql, ((1,),)) == execute(None, sql, (1,))


@pytest.mark.parametrize("sql", ["INSERT INTO x", "\n update x", "DELETE FROM x", "CREATE TABLE x", "SELECTED", ""])
def test_nothing_is_written(sql: str) -> None:
    """Warming cannot change a database, whatever a plugin tries."""
    done: list[Any] = []
    with pytest.raises(WriteRefused):
        _only_queries(lambda *args: done.append(args))(None, sql)
    assert [] == done


def test_a_visit_is_an_ordinary_request() -> None:
    """Pages are warmed through the same code that serves them later, and failures are seen by their status."""
    seen: list[dict[str, Any]] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("404 Not Found", [])
        return []

    warming = Warming(application, constant_environ(ProjectSettings(env_paths=("/x",)), 1, "/b\u00e4"), lambda: 0.0)
    assert 404 == warming._visit("/x/wiki?a=%20")
    (environ,) = seen
    assert ("/x/wiki", "a=%20") == (environ["PATH_INFO"], environ["QUERY_STRING"])
    assert not {"HTTP_COOKIE", "REMOTE_USER"} & set(environ)


def test_a_page_without_an_answer_has_no_status(capsys: pytest.CaptureFixture[str]) -> None:
    """A page that fails altogether is told from one that answers."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        raise ZeroDivisionError

    warming = Warming(application, constant_environ(ProjectSettings(env_paths=("/x",)), 1, ""), lambda: 0.0)
    assert 500 == warming._visit("/x")
    assert "ZeroDivisionError" in capsys.readouterr().err


class Pages(Warming):
    """Pages that fail as often as they are told to."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(lambda *_: [], constant_environ(ProjectSettings(), 1, ""), lambda: 0.0)
        self.statuses = list(statuses)

    def _visit(self, page: str) -> int:
        return self.statuses.pop(0)


def test_a_page_is_broken_when_it_fails_twice() -> None:
    """A database that was busy for a moment keeps no good change from being taken up."""
    project = projects("a")[0]
    for statuses, faults in (((500, 200), 0), ((404,), 0), ((500, 0), 1)):
        pages = Pages(*statuses)
        pages.visit(project, "/report/{report}", "/report/1")
        text = "/report/1 failed while warming, see its trac.log"
        assert faults * [Fault("page", "/srv/a", "/report/{report}", text)] == pages.faults
        assert faults == len(pages.warnings)


def test_settings_that_cannot_be_parsed_are_a_fault() -> None:
    """One that was served before must not be lost for a typing error."""

    class Unreadable(Timed):
        def open(self, project: Project) -> list[Fault]:
            if project.name == "b":
                raise SettingsUnreadable("open", "it cannot be parsed", "", "/srv/b/conf/trac.ini")
            return super().open(project)

    warming = Unreadable()
    warming.open_and_warm(projects("abc"))
    assert [("settings", "/srv/b", "/srv/b/conf/trac.ini")] == [
        (fault.kind, fault.environment, fault.file) for fault in warming.faults
    ]
    assert (["/srv/a", "/srv/c"], ["/srv/a", "/srv/c"]) == (warming.opened, warming.warmed)
