"""Who stands where is read from the head of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.front.head import Head
from tracd_cluster.traffic.place import PEOPLE, QUICK, ROBOTS, SLOW, STRANGERS, VISITORS, WRITERS, Level, Place
from tracd_cluster.traffic.places import Places

FIREFOX = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SESSION = (b"Cookie", b"trac_session=5e55")


def head(*fields: tuple[bytes, bytes], method: bytes = b"GET", target: bytes = b"/wiki") -> Head:
    """Make the head of a request."""
    return Head(method, "1.1", target, [(b"Host", b"x"), *fields])


def place(*fields: tuple[bytes, bytes], user: bytes = b"", method: bytes = b"GET") -> Place:
    """Give the place of a request with these fields."""
    return Places().of(head(*fields, method=method), user, 0.0)


def test_who_has_signed_in_at_the_front_is_people() -> None:
    """Whatever else the request says, and whichever program sends it."""
    assert PEOPLE == place(user=b"ines")
    assert PEOPLE == place((b"User-Agent", b"buildbot"), user=b"ines")


@pytest.mark.parametrize("cookie", [b"trac_session=1", b"a=b; trac_auth=1", b"trac_form_token=1; x=y"])
def test_a_cookie_of_tracs_makes_a_visitor(cookie: bytes) -> None:
    """Who has been here before brings one."""
    assert VISITORS == place((b"User-Agent", FIREFOX), (b"cookie", cookie))


def test_a_form_of_a_visitors_is_peoples() -> None:
    """Somebody has written something, and waits for it to be kept."""
    assert WRITERS == place(SESSION, method=b"POST")
    assert Level.PEOPLE is WRITERS.level
    assert not WRITERS.known
    assert VISITORS == place(SESSION, method=b"HEAD")
    assert STRANGERS == place(method=b"POST")


@pytest.mark.parametrize("fields", [(), ((b"User-Agent", FIREFOX),), ((b"Cookie", b"ga=1; theme=dark"),)])
def test_who_brings_nothing_of_ours_is_a_stranger(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """A cookie of another site on this host says nothing."""
    assert STRANGERS == place(*fields)


def test_a_login_that_the_front_does_not_know_makes_a_visitor() -> None:
    """A plugin of Trac's may know it."""
    assert VISITORS == place((b"Authorization", b"Bearer abc"))


@pytest.mark.parametrize(
    "agent",
    [
        b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        b"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        b"Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)",
        b"meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        b"Scrapy/2.11 (+https://scrapy.org)",
        b"ia_archiver",
        b"CUBOT-Bot",
    ],
)
def test_declared_robots_are_known_by_what_they_call_themselves(agent: bytes) -> None:
    """Even those that keep cookies."""
    assert ROBOTS == place((b"User-Agent", agent))
    assert ROBOTS == place((b"user-agent", agent), SESSION)
    assert ROBOTS == place(SESSION, (b"User-Agent", agent), method=b"POST")


@pytest.mark.parametrize(
    "agent",
    [FIREFOX, b"curl/8.5.0", b"Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG) Chrome/120.0", b"", b"git/2.43"],
)
def test_other_programs_are_no_robots(agent: bytes) -> None:
    """Neither a make of telephone nor the team's own scripts."""
    assert STRANGERS == place((b"User-Agent", agent))


def test_what_is_slow_is_said_of_strangers_and_robots_only() -> None:
    """Nobody else is held back by it, so nobody asks."""
    asked: list[bytes] = []
    places = Places()

    def is_slow(asking: Head) -> bool:
        asked.append(asking.target)
        return b"changeset" in asking.target

    places.is_slow = is_slow  # type: ignore[assignment]
    target = b"/changeset/1"
    assert SLOW[Level.STRANGERS] == places.of(head(target=target), b"", 0.0)
    assert SLOW[Level.ROBOTS] == places.of(head((b"User-Agent", b"bot"), target=target), b"", 0.0)
    assert STRANGERS == places.of(head(), b"", 0.0)
    assert [target, target, b"/wiki"] == asked
    assert VISITORS == places.of(head(SESSION, target=target), b"", 0.0)
    assert PEOPLE == places.of(head(target=target), b"ines", 0.0)
    assert 3 == len(asked)


@given(st.lists(st.tuples(st.sampled_from([b"Cookie", b"User-Agent", b"Accept"]), st.binary(max_size=60)), max_size=5))
def test_whatever_a_client_says_it_has_a_place(fields: list[tuple[bytes, bytes]]) -> None:
    """And is among people only by a login or a form."""
    found = Places().of(head(*fields), b"", 0.0)
    assert found in QUICK[1:]


@pytest.mark.parametrize(
    ("places", "here", "elsewhere"),
    [
        (Places(), b"/wiki", None),
        (Places(b"/trac", single=False), b"/trac/one/wiki", b"/trac/two/wiki"),
        (Places(b"", single=False), b"/one", b"/two"),
    ],
)
def test_who_has_signed_in_with_trac_is_people_in_his_project(
    places: Places, here: bytes, elsewhere: bytes | None
) -> None:
    """As a worker says."""
    login = (b"Cookie", b"trac_auth=5ec7e7")
    assert VISITORS == places.of(head(login, target=here), b"", 1.0)
    places.told(head(login, target=here), b"ines", 1.0, 2.0)
    assert PEOPLE == places.of(head(login, target=here + b"/x?y"), b"", 3.0)
    assert PEOPLE == places.of(head(login, (b"User-Agent", b"buildbot"), target=here), b"", 3.0)
    if elsewhere is not None:
        assert VISITORS == places.of(head(login, target=elsewhere), b"", 3.0)
    places.told(head(login, target=here), b"", 4.0, 5.0)
    assert VISITORS == places.of(head(login, target=here), b"", 6.0)
