"""Strangers write nothing, and people lose nothing: what they see and what is stored of them is as with tracd."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest
import requests

from tests.integration.dropin.accounts import basic, htpasswd
from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import OURS, PROGRAMS, Server

PASSWORD = "harbour"
TIMES = re.compile(
    r"127\.0\.0\.1:\d+|\b[0-9a-f]{24}\b|\b\d{10,16}\b|\d\d:\d\d:\d\d|\d+ (?:second|minute)s?|\d+\.\d+ s\b"
)
"""What differs from one moment to the next, and from one server to the other."""


@dataclass
class Place:
    """One of the two servers, with its environment."""

    server: Server
    env: Path

    def visitor(self) -> requests.Session:
        """Somebody with a browser's memory for cookies."""
        browser = requests.Session()
        browser.trust_env = False
        return browser

    def get(self, browser: requests.Session, path: str, **how: str) -> requests.Response:
        """Get a page, and let a redirect be followed."""
        return browser.get(self.server.url + "/tidewatch" + path, timeout=30, headers=how)

    def stored(self) -> list[tuple[int, dict[str, str]]]:
        """Give what is stored of each visitor, and whether he is a user; times are no concern here."""
        with closing(sqlite3.connect(self.env / "db" / "trac.db")) as db:
            found = []
            for sid, authenticated in db.execute("SELECT sid, authenticated FROM session").fetchall():
                attributes = "SELECT name, value FROM session_attribute WHERE sid=? AND authenticated=?"
                rows = dict(db.execute(attributes, (sid, authenticated)).fetchall())
                found.append((authenticated, {name: TIMES.sub("T", value) for name, value in rows.items()}))
            return sorted(found, key=str)


def shown(answer: requests.Response) -> str:
    """Give a page without what differs from one moment to the next."""
    return TIMES.sub("T", answer.text)


@pytest.fixture(scope="module")
def places(
    module_project: MakeProject, start_module: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> list[Place]:
    """Both servers, each with an environment of its own; the environments are alike."""
    users = htpasswd(tmp_path_factory.mktemp("passwords") / "users", {"ines": PASSWORD, "joe": PASSWORD})
    found = []
    for program in PROGRAMS:
        env = module_project(f"{program}/tidewatch")
        server = start_module(program, "--basic-auth", f"*,{users},harbour", str(env), path="/tidewatch/about")
        found.append(Place(server, env))
    return found


def both(places: list[Place], walk: Callable[[Place], str]) -> None:
    """Do the same at both servers; what is seen and what is stored of it must be the same."""
    results = []
    for place in places:
        before = place.stored()
        seen = walk(place)
        after = place.stored()
        for known in before:
            if known in after:
                after.remove(known)
        results.append((seen, after))
    (theirs, stored), (ours, kept) = results
    assert "" == "\n".join(unified_diff(theirs.splitlines(), ours.splitlines(), n=0, lineterm=""))
    assert stored == kept


@pytest.mark.parametrize(
    "pages",
    [
        ("/query?status=!closed&order=summary", "/ticket/13"),
        ("/query?milestone=nothing", "/query"),
        ("/report/1", "/ticket/3", "/ticket/4"),
        ("/timeline?from=2030-01-01&daysback=400", "/timeline?from=2030-01-01&daysback=400"),
        ("/timeline?wiki=on&update=1&daysback=14", "/timeline", "/timeline"),
        ("/search?q=tide&wiki=on&noquickjump=1", "/search"),
        ("/wiki/WikiStart?action=diff&version=1&update=1&style=sidebyside", "/wiki/WikiStart"),
        ("/prefs", "/about"),
    ],
    ids=lambda pages: pages[0],
)
def test_a_person_sees_and_leaves_the_same(places: list[Place], pages: tuple[str, ...]) -> None:
    """Two clicks, the second with the cookies of the first: the way back to the query, the filters, all is there."""

    def walk(place: Place) -> str:
        with place.visitor() as browser:
            seen = "\n".join(shown(place.get(browser, page)) for page in pages)
            assert "trac_visit" not in browser.cookies
            return seen

    both(places, walk)


def test_the_walk_of_the_query_is_one_that_matters(places: list[Place]) -> None:
    """With another visitor's cookies, or none, the ticket has no link back."""
    for place in places:
        with place.visitor() as browser:
            place.get(browser, "/query?status=!closed&order=summary")
            assert "Back to Query" in place.get(browser, "/ticket/13").text
        assert "Back to Query" not in place.server.get("/tidewatch/ticket/13").text


def test_preferences_are_kept(places: list[Place]) -> None:
    """A form that is sent stores its visitor at once, with all that his first page had left."""

    def walk(place: Place) -> str:
        with place.visitor() as browser:
            place.get(browser, "/query?status=new")
            place.get(browser, "/prefs")
            form = {"__FORM_TOKEN": browser.cookies["trac_form_token"], "name": "Ines", "email": "i@example.org"}
            page = browser.post(place.server.url + "/tidewatch/prefs", {**form, "action": "save"}, timeout=30)
            return shown(page) + shown(place.get(browser, "/prefs"))

    both(places, walk)


@pytest.mark.parametrize("user", ["ines", "joe"])
def test_who_signs_in_takes_his_visit_along(places: list[Place], user: str) -> None:
    """And who has been here before keeps what is his."""

    def walk(place: Place) -> str:
        login = basic(user, PASSWORD)
        with place.visitor() as browser:
            if user == "joe":
                place.get(browser, "/login", **login)
                place.get(browser, "/report/1")
                browser.cookies.clear()
            place.get(browser, "/query?status=!closed&order=summary")
            place.get(browser, "/login", **login)
            return shown(place.get(browser, "/ticket/13"))

    both(places, walk)


def test_a_hundred_strangers_leave_nothing(places: list[Place]) -> None:
    """Where tracd stores five rows for each."""
    [place] = [place for place in places if place.server.program == OURS]
    before = place.stored()

    def visit(number: int) -> int:
        page = f"/tidewatch/query?id={number}" if number % 2 else f"/tidewatch/timeline?daysback={number % 9}"
        return place.server.get(page).status

    with ThreadPoolExecutor(8) as crawlers:
        assert {200} == set(crawlers.map(visit, range(100)))
    assert before == place.stored()


def test_trac_s_own_behaviour_is_there_by_option(project: MakeProject, start: StartServer) -> None:
    """For whoever counts visitors in the database."""
    env = project("tidewatch")
    place = Place(start(OURS, "--store-visitors", str(env), path="/tidewatch/about"), env)
    before = place.stored()
    answer = place.server.get("/tidewatch/query")
    assert "" == answer.cookie("trac_visit")
    assert len(before) + 1 == len(place.stored())
