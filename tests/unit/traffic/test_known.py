"""Whose a login cookie is: workers tell it, and it is forgotten."""

from __future__ import annotations

import pytest

from tracd_cluster.traffic.known import LASTING, NOBODIES, USERS, Known

LINE = b"Cookie: trac_session=1; trac_auth=5ec7e7; a=b\r\n"


@pytest.fixture
def known() -> Known:
    """What a worker has told one cookie of."""
    known = Known()
    known.told(LINE, b"", True, 0.0, 1.0)
    return known


def test_a_cookie_is_somebodys_for_a_minute(known: Known) -> None:
    """Each answer makes it another one."""
    assert known.is_user(LINE, b"", 1.0)
    assert known.is_user(LINE, b"", 1.0 + LASTING - 0.1)
    assert not known.is_user(LINE, b"", 1.0 + LASTING)
    known.told(LINE, b"", True, 30.0, 31.0)
    assert known.is_user(LINE, b"", 1.0 + LASTING)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Cookie: trac_session=5ec7e7\r\n",
        b"Cookie: trac_auth=5ec7e8\r\n",
        b"Cookie: xtrac_auth=5ec7e7\r\n",
        b"Cookie: trac_auth=\r\n",
        b"Cookie: trac_auth=5ec7e7; trac_auth=x\r\n",
    ],
)
def test_another_cookie_is_nobodys(known: Known, line: bytes) -> None:
    """However much it looks like that one."""
    assert not known.is_user(line, b"", 2.0)


def test_what_is_no_login_cookie_is_never_somebodys(known: Known) -> None:
    """Whoever has asked was known by something else."""
    for line in (b"", b"Cookie: xtrac_auth=1\r\n", b"Cookie: trac_auth=\r\n"):
        known.told(line, b"", True, 2.0, 3.0)
        assert not known.is_user(line, b"", 4.0)
    assert "<Known 1 users, 0 nobodies>" == repr(known)


def test_the_rest_of_the_cookies_makes_no_difference(known: Known) -> None:
    """Browsers send them in any order, and other ones on other pages."""
    assert known.is_user(b"cookie:trac_auth=5ec7e7\r\n", b"", 2.0)
    assert known.is_user(b"Cookie: x=1;trac_auth=5ec7e7;y=2\r\n", b"", 2.0)


def test_a_cookie_is_a_project_s(known: Known) -> None:
    """In another one it may be nobody's, and then it is still good where it was made."""
    assert not known.is_user(LINE, b"other", 2.0)
    known.told(LINE, b"other", False, 2.0, 3.0)
    assert known.is_user(LINE, b"", 4.0)


def test_who_has_signed_out_is_forgotten(known: Known) -> None:
    """And stays so when an answer ends that was begun before."""
    known.told(LINE, b"", False, 5.0, 6.0)
    assert not known.is_user(LINE, b"", 6.0)
    known.told(LINE, b"", True, 5.9, 7.0)
    assert not known.is_user(LINE, b"", 7.0)
    known.told(LINE, b"", True, 6.1, 8.0)
    assert known.is_user(LINE, b"", 8.0), "it was let in again"


def test_the_tables_are_bounded(known: Known) -> None:
    """Who was not there for longest goes first."""
    for number in range(USERS + 10):
        known.told(b"Cookie: trac_auth=%d\r\n" % number, b"", True, 2.0, 3.0)
        assert known.is_user(b"Cookie: trac_auth=0\r\n", b"", 3.0)
    assert not known.is_user(LINE, b"", 3.0)
    for number in range(NOBODIES + 10):
        known.told(b"Cookie: trac_auth=x%d\r\n" % number, b"", False, 2.0, 3.0)
    assert f"<Known {USERS} users, {NOBODIES} nobodies>" == repr(known)


def test_the_cookie_is_not_kept(known: Known) -> None:
    """Nobody finds it in a memory dump of what the front knows."""
    assert "5ec7e7" not in repr(vars(known))
