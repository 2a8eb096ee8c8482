"""Strangers are given a note of what would be stored, and stored when they bring it back."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trac.core import TracValueError
from trac.test import EnvironmentStub, MockRequest
from trac.web.session import Session

from tracd_cluster.tracd.visitors import COOKIE, LARGEST, Notes, hold_back

NOTES = Notes(b"s" * 32)
QUERY = {"query_tickets": "1 2 3", "query_href": "/query?status=é", "timeline.filter.wiki": "1"}
MANY = " ".join(str(number * 7919 % 100_000) for number in range(3000))


def test_a_note_is_read_as_it_was_written() -> None:
    """In letters that may stand in a cookie."""
    note = NOTES.write("tidewatch", QUERY)
    assert note.isascii()
    assert note.replace("-", "").replace("_", "").isalnum()
    assert QUERY == NOTES.read("tidewatch", note)


@given(
    st.dictionaries(st.sampled_from(["query_href", "diff_style", "timeline.authors"]), st.text(max_size=300)),
    st.integers(0),
    st.integers(1, 255),
)
def test_a_note_that_was_changed_is_nobodys(attributes: dict[str, str], place: int, change: int) -> None:
    """A visitor cannot put anything into his session that Trac has not put there."""
    note = NOTES.write("tidewatch", attributes)
    letters = bytearray(note.encode())
    letters[place % len(letters)] ^= change
    changed = letters.decode("latin-1")
    # The last letter of base64 may have bits that mean nothing.
    assert NOTES.read("tidewatch", changed) in (None, attributes)
    assert NOTES.read("tidewatch", note[: place % len(note)]) is None


@pytest.mark.parametrize("note", ["", "x", "AAAA", "é" * 30, "A" * 60, "A" * (LARGEST + 1), "%", '"'])
def test_nonsense_is_no_note(note: str) -> None:
    """Whatever a client sends."""
    assert NOTES.read("tidewatch", note) is None


def test_a_note_is_for_one_project_and_one_secret() -> None:
    """What was looked for here is not carried over there."""
    note = NOTES.write("tidewatch", QUERY)
    assert NOTES.read("other", note) is None
    assert Notes(b"t" * 32).read("tidewatch", note) is None


def test_what_a_plugin_remembers_is_not_given_away() -> None:
    """It may be a secret of the server's, such as the answer to a captcha."""
    assert "" == NOTES.write("tidewatch", QUERY | {"captcha_key": "secret"})


def test_what_does_not_fit_into_a_cookie_is_no_note() -> None:
    """Browsers would throw it away."""
    hundred = " ".join(str(number * 7919 % 100_000) for number in range(100))
    assert "" != NOTES.write("tidewatch", {"query_tickets": hundred})
    assert "" == NOTES.write("tidewatch", {"query_tickets": MANY})


# -- Trac's own sessions, over a database in memory


class Project:
    """An environment of Trac's without a place, and requests to it."""

    def __init__(self) -> None:
        self.env = EnvironmentStub(default_data=True)

    def visit(self, method: str = "GET", cookies: Any = MappingProxyType({}), **remembered: str) -> Any:
        """Let a visitor in, remember something of the visit, and give the request."""
        req = MockRequest(self.env, method=method, authname=cookies.get("user", "anonymous"))
        for name, value in cookies.items():
            req.incookie[name] = value
        req.session = Session(self.env, req)
        req.session.update(remembered)
        req.session.save()
        return req

    def stored(self) -> dict[str, dict[str, str]]:
        """Give all visitors that are in the database."""
        found: dict[str, dict[str, str]] = {}
        for sid, authenticated in self.env.db_query("SELECT sid, authenticated FROM session"):
            rows = "SELECT name, value FROM session_attribute WHERE sid=%s AND authenticated=%s"
            found[sid] = dict(self.env.db_query(rows, (sid, authenticated)))
        return found


def cookies_of(req: Any) -> dict[str, str]:
    """Give what a browser would keep of an answer."""
    return {name: morsel.value for name, morsel in req.outcookie.items() if morsel.value}


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project where strangers are not stored, in this test only."""
    monkeypatch.setattr(Session, "__init__", Session.__init__)
    monkeypatch.setattr(Session, "save", Session.save)
    hold_back(b"s" * 32)
    hold_back(b"t" * 32)  # which changes nothing
    return Project()


def test_a_stranger_is_stored_when_he_comes_back(project: Project) -> None:
    """Under the name he was given, with all of it, even if he only looks."""
    first = project.visit(**QUERY)
    assert {} == project.stored()
    cookies = cookies_of(first)
    assert {"trac_session", COOKIE} == set(cookies)
    second = project.visit(cookies=cookies)
    assert {cookies["trac_session"]: QUERY} == project.stored()
    assert dict(second.session) == QUERY
    assert "" == second.outcookie[COOKIE].value
    third = project.visit(cookies={"trac_session": cookies["trac_session"]}, query_tickets="4")
    assert {cookies["trac_session"]: QUERY | {"query_tickets": "4"}} == project.stored()
    assert COOKIE not in third.outcookie


def test_a_note_without_a_session_makes_a_visitor(project: Project) -> None:
    """As it is with a page that was made for another stranger: his own session begins with it."""
    note = cookies_of(project.visit(**QUERY))[COOKIE]
    req = project.visit(cookies={COOKIE: note})
    sid = cookies_of(req)["trac_session"]
    assert {sid: QUERY} == project.stored()
    assert sid != cookies_of(project.visit(cookies={COOKIE: note}))["trac_session"]


def test_a_note_does_not_replace_what_is_stored(project: Project) -> None:
    """A visitor's own session is worth more than what a page left once."""
    note = cookies_of(project.visit(**QUERY))[COOKIE]
    project.visit(cookies={"trac_session": "abc"}, query_tickets="9")
    project.visit(cookies={"trac_session": "abc", COOKIE: note})
    assert {"abc": {"query_tickets": "9"}} == project.stored()


def test_a_note_that_is_not_ours_makes_a_stranger(project: Project) -> None:
    """He is given a good one."""
    req = project.visit(cookies={COOKIE: "AAAA"}, **QUERY)
    assert {} == project.stored()
    assert QUERY == NOTES.read(project.env.name, cookies_of(req)[COOKIE])


def test_a_name_that_trac_refuses_is_still_refused(project: Project) -> None:
    """The name of a session is a client's word."""
    note = cookies_of(project.visit(**QUERY))[COOKIE]
    with pytest.raises(TracValueError):
        project.visit(cookies={"trac_session": "a'b", COOKIE: note})
    assert {} == project.stored()


@pytest.mark.parametrize("remembered", [{"captcha_key": "secret"}, {"query_tickets": MANY}])
def test_what_cannot_be_in_a_note_is_stored_at_once(project: Project, remembered: dict[str, str]) -> None:
    """As in Trac."""
    req = project.visit(**remembered)
    assert {cookies_of(req)["trac_session"]: remembered} == project.stored()


def test_who_posts_is_stored_at_once(project: Project) -> None:
    """Preferences are meant to stay."""
    req = project.visit("POST", name="Ines")
    assert {cookies_of(req)["trac_session"]: {"name": "Ines"}} == project.stored()


def test_a_stranger_without_anything_to_remember_is_nobody(project: Project) -> None:
    """As in Trac."""
    assert {"trac_session"} == set(cookies_of(project.visit()))
    assert {} == project.stored()


def test_who_signs_in_takes_his_visit_along(project: Project) -> None:
    """As in Trac: the visitor's rows become the user's, whether or not he has a session's name yet."""
    cookies = cookies_of(project.visit(**QUERY))
    project.visit(cookies={**cookies, "user": "ines"})
    project.visit(cookies={COOKIE: cookies[COOKIE], "user": "joe"})
    assert {"ines": QUERY, "joe": QUERY} == project.stored()


def test_users_are_stored_as_ever(project: Project) -> None:
    """They are no strangers."""
    project.visit(cookies={"user": "ines"}, **QUERY)
    assert {"ines": QUERY} == project.stored()
