"""Trac says of a page that it is the same for every stranger only if it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from trac.test import EnvironmentStub
from trac.web import main
from trac.web.session import Session

from tracd_cluster.settings.cache import UNKEYED
from tracd_cluster.tracd.strangers import PERSONAL, Watched, is_strangers, made, tell_of_strangers
from tracd_cluster.tracd.wsgi import ASKED_BY, STRANGER

REQUEST = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/wiki",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "trac.example",
    "SERVER_PORT": "80",
    "REMOTE_ADDR": "192.0.2.1",
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "trac.example",
    "HTTP_USER_AGENT": "Mozilla/5.0",
    "HTTP_ACCEPT_LANGUAGE": "de",
}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"HTTP_COOKIE": ""}, False),
        ({"HTTP_COOKIE": "a=b"}, False),
        ({"HTTP_AUTHORIZATION": "Basic x"}, False),
        ({"REMOTE_USER": "ines"}, False),
        ({"REQUEST_METHOD": "POST"}, False),
        ({"REQUEST_METHOD": "HEAD"}, False),
    ],
)
def test_a_stranger_brings_neither_cookie_nor_login(more: dict[str, str], expected: bool) -> None:
    """Everybody else is somebody."""
    assert is_strangers(REQUEST | more) is expected


def test_every_field_that_is_not_in_the_key_is_watched() -> None:
    """What the front does not look at may not make a difference."""
    assert {f"HTTP_{name.upper().replace('-', '_')}" for name in UNKEYED} == {n for n in PERSONAL if "HTTP_" in n}
    assert "HTTP_ACCEPT_LANGUAGE" not in PERSONAL
    assert "HTTP_ACCEPT_ENCODING" not in PERSONAL


@pytest.mark.parametrize(
    "look",
    [lambda e: e["REMOTE_ADDR"], lambda e: e.get("HTTP_USER_AGENT"), lambda e: "HTTP_REFERER" in e],
    ids=["item", "get", "in"],
)
def test_whoever_asks_is_heard(look: Callable[[Any], Any]) -> None:
    """By whichever way, and whether or not there is an answer."""
    environ = Watched(REQUEST)
    environ["PATH_INFO"], environ.get("HTTP_HOST"), "HTTP_ACCEPT_LANGUAGE" in environ
    assert not environ.asked
    look(environ)
    assert environ.asked


# -- Trac's own requests


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Give what lets Trac's request answer, and tells whether its page is the same for every stranger."""
    kind = main.RequestWithSession
    for name in ("__init__", "get_header", "_send", "end_headers"):
        monkeypatch.setattr(kind, name, getattr(kind, name))
        monkeypatch.delattr(kind, name)
    tell_of_strangers()
    tell_of_strangers()  # which changes nothing
    env = EnvironmentStub(default_data=True)

    told: list[Any] = []

    def answered(
        say: Callable[[Any], None] = lambda req: req.send(b"<html></html>"),
        look: Callable[[Any], object] = lambda req: None,
        user: str = "anonymous",
        session: Any = None,
        **more: str,
    ) -> bool:
        environ = {**REQUEST, **more}
        req = kind(environ, lambda status, fields, exc_info=None: lambda data: None)
        req.callbacks |= {
            "authname": lambda req: user, "session": session or (lambda req: Session(env, req)),
            "form_token": lambda req: "token", "configurable_headers": lambda req: (), "perm": lambda req: None,
        }  # fmt: skip
        look(req)
        with pytest.raises(main.RequestDone):
            say(req)
        told.append(environ.get(ASKED_BY))
        return STRANGER in environ

    answered.told = told  # type: ignore[attr-defined]
    yield answered
    env.shutdown()


def test_a_page_for_nobody_is_for_everybody(answer: Callable[..., bool]) -> None:
    """Looking at what the front tells pages apart by is no harm, nor asking for what no stranger sends."""
    assert answer()
    assert answer(look=lambda req: (req.languages, req.get_header("Accept-Encoding"), req.is_xhr, str(req)))


@pytest.mark.parametrize(
    "how",
    [
        {"look": lambda req: req.remote_addr},
        {"look": lambda req: req.get_header("User-Agent")},
        {"look": lambda req: req.get_header("REFERER")},
        {"look": lambda req: req.environ["HTTP_USER_AGENT"]},
        {"user": "ines"},
        {"REMOTE_USER": "ines"},
        {"HTTP_COOKIE": "trac_session=abc"},
        {"HTTP_COOKIE": "trac_auth=abc"},
        {"session": lambda req: main.FakeSession()},
        {"say": lambda req: req.send(b"no", status=404)},
        {"say": lambda req: req.send(b"x" * 1000 for _ in range(1200))},
        {"say": lambda req: req.send(str(req.remote_addr).encode() for _ in range(2))},
        {"say": lambda req: req.redirect("/elsewhere")},
    ],
    ids=[
        "address", "browser", "referer", "environ", "user", "remote user", "session's cookie", "user's cookie",
        "no session", "not found", "long", "address in a piece", "redirect",
    ],
)  # fmt: skip
def test_a_page_for_somebody_is_not(answer: Callable[..., bool], how: dict[str, Any]) -> None:
    """Or for one who has been looked at, or a page that nobody can be sure of yet."""
    assert not answer(**how)


def test_a_page_that_is_made_while_it_is_sent_is_made_before(answer: Callable[..., bool]) -> None:
    """Most of Trac's are made so."""
    assert answer(say=lambda req: req.send(piece for piece in (b"<html>", b"</html>")))


def test_a_page_stays_the_same() -> None:
    """Long or short, in pieces or not."""
    pieces = [b"a" * 10, b"b" * 10, b"c" * 10]
    assert (b"x", True) == made(b"x")
    assert (b"".join(pieces), True) == made(iter(pieces), 30)
    content, whole = made(iter(pieces), 15)
    assert (pieces, False) == (list(content), whole)


def test_a_file_is_for_everybody(answer: Callable[..., bool]) -> None:
    """Its length is known before it is sent."""

    def say(req: Any) -> None:
        req.send_response(200)
        req.send_header("Content-Length", 5)
        req.end_headers()
        raise main.RequestDone

    assert answer(say=say)


def test_the_front_is_told_whose_a_login_cookie_is(answer: Any) -> None:
    """And of strangers nothing."""

    def ask(req: Any) -> None:
        assert req.authname

    answer(user="ines", look=ask, HTTP_COOKIE="trac_auth=abc")
    answer(look=ask, HTTP_COOKIE="trac_auth=abc")
    answer(user="ines", look=ask, HTTP_COOKIE="trac_session=abc")
    answer(look=ask)
    assert ["ines", "", None, None] == answer.told
