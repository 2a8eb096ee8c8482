"""Which hosts are ours, and what becomes of the others."""

from __future__ import annotations

import pytest

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.hosts import REMEMBERED, Hosts, hosts_of


@pytest.mark.parametrize(
    "host",
    [
        b"trac.example.org", b"TRAC.example.org:8080", b"trac.example.org.", b"a.wiki.example.org",
        b"a.b.wiki.example.org:1", b"localhost:8000", b"127.0.0.1", b"[::1]:80", b"[2001:DB8::1]",
    ],
)  # fmt: skip
def test_our_own(host: bytes) -> None:
    """Names count in any case, with any port; the loopback ones always do, for health checks use them."""
    hosts = Hosts(["Trac.Example.org", "*.wiki.example.org", "[2001:db8::1]"])
    for _ in range(2):
        hosts.check(host, b"http", b"/")


@pytest.mark.parametrize(
    "host",
    [b"example.org", b"evil.example", b"xtrac.example.org", b"wiki.example.org", b"xwiki.example.org", b"", None],
)
def test_others_are_misdirected(host: bytes | None) -> None:
    """They get 421, and no page with links to where the client says."""
    with pytest.raises(ClientFault) as refused:
        Hosts(["trac.example.org", "*.wiki.example.org"]).check(host, b"http", b"/")
    assert 421 == refused.value.status


def test_others_are_sent_to_the_canonical_host() -> None:
    """With the way and the query as they were."""
    hosts = Hosts([], "trac.example.org:8443")
    hosts.check(b"trac.example.org:8443", b"https", b"/")
    with pytest.raises(ClientFault) as refused:
        hosts.check(b"trac", b"https", b"/wiki?a=b%20c")
    assert (308, b"Location: https://trac.example.org:8443/wiki?a=b%20c\r\n") == (
        refused.value.status, refused.value.lines
    )  # fmt: skip


def test_what_is_remembered_is_bounded() -> None:
    """A client may write any port behind our name."""
    hosts = Hosts(["a"])
    for port in range(REMEMBERED + 10):
        hosts.check(b"a:%d" % port, b"http", b"/")
    assert REMEMBERED == len(hosts._known)


def test_environments_say_where_they_are() -> None:
    """If all do and no option says otherwise, only those hosts are served."""
    assert "a.example, b.example" == str(hosts_of((), None, ("https://a.example/x", "http://b.example:81/")))
    assert hosts_of((), None, ("https://a.example/x", "")) is None
    assert hosts_of((), None, ()) is None
    assert hosts_of(("*",), None, ("https://a.example/",)) is None
    assert "c" == str(hosts_of(("c",), None, ("https://a.example/",)))
    assert "a.example, c" == str(hosts_of((), "c:81", ("https://a.example/",)))
