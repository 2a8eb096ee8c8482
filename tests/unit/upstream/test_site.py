"""Heads of requests for foreign servers."""

from __future__ import annotations

from typing import Any

from tests.unit.upstream.test_foreign import Origin
from tracd_cluster.front.head import Head
from tracd_cluster.upstream.site import Site

FIELDS = [
    (b"Host", b"trac.example.org"),
    (b"X-Forwarded-For", b"6.6.6.6"),
    (b"Forwarded", b"for=6.6.6.6"),
    (b"Remote-User", b"admin"),
    (b"Tracd-Cluster-User", b"admin"),
    (b"Authorization", b"Basic aW5lczpzZWNyZXQ="),
    (b"Referer", b"https://trac.example.org/site/wiki"),
    (b"Connection", b"keep-alive"),
]


def made(user: bytes = b"", keep: bool = True, method: bytes = b"GET", **site: Any) -> list[bytes]:
    """Give the lines of the head that a server gets."""
    head = Head(method, "1.1", b"/site/wiki?a=%2f", FIELDS)
    text, _ = Site(authority=b"10.0.0.5:8000", **site).request_head(head, Origin(), user, 0, keep)
    assert text.endswith(b"\r\n\r\n")
    return text.split(b"\r\n")[:-2]


def test_a_server_is_told_by_which_address_the_client_came() -> None:
    """It gets the client's Host, address and scheme from us, and nothing that the client says of them."""
    assert [
        b"GET /site/wiki?a=%2f HTTP/1.1",
        b"Host: trac.example.org",
        b"X-Forwarded-For: 192.0.2.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: trac.example.org",
        b"Referer: https://trac.example.org/site/wiki",
    ] == made(outer=b"/site", inner=b"/site")


def test_another_base_path_and_the_servers_own_name() -> None:
    """Target and Referer become the server's; it may have a name of its own."""
    lines = made(outer=b"/site", inner=b"/trac", own_host=True)
    assert b"GET /trac/wiki?a=%2f HTTP/1.1" == lines[0]
    assert b"Host: 10.0.0.5:8000" == lines[1]
    assert b"X-Forwarded-Host: trac.example.org" in lines
    assert b"Referer: https://10.0.0.5:8000/trac/wiki" in lines


def test_only_a_trusted_server_hears_who_has_signed_in() -> None:
    """The name is plain UTF-8, and never carries what could end the line."""
    assert b"Remote-User: in\xc3\xa9s" in made(b"in%C3%A9s", trusted=True)
    assert not any(line.startswith(b"Remote-User") for line in made(b"ines"))
    assert not any(line.startswith(b"Remote-User") for line in made(b"a%0d%0aX: y", trusted=True))


def test_passwords_stay_here_where_the_front_checks_them() -> None:
    """A browser sends its password with every page; a server that has no use for it must not see it."""
    assert not any(line.startswith(b"Authorization") for line in made())
    assert b"Authorization: Basic aW5lczpzZWNyZXQ=" in made(passwords=True)


def test_a_connection_that_is_not_kept_says_so() -> None:
    """The server need not wait for more."""
    assert b"Connection: close" == made(keep=False)[-1]


def test_a_client_without_a_host_has_come_to_our_address() -> None:
    """HTTP/1.0 may name none; the server still has something to make links of."""
    head = Head(b"GET", "1.0", b"/", [])
    text, _ = Site(authority=b"x").request_head(head, Origin(), b"", 0, True)
    assert b"\r\nHost: 127.0.0.1:8000\r\n" in text


def test_the_probe_asks_for_the_health_path() -> None:
    """Trac makes links in mails of the first Host it sees, so that is the site's."""
    probe = Site(authority=b"10.0.0.5:8000", health_path=b"/a", health_host=b"trac.example.org").probe()
    assert probe.startswith(b"GET /a HTTP/1.1\r\nHost: trac.example.org\r\n")
