"""Heads: what is refused, and what a worker gets."""

from __future__ import annotations

import pytest

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.head import Head

HOST = (b"Host", b"trac.example.org")


def test_a_worker_gets_the_host_first_and_no_forged_identity() -> None:
    """Fields that would tell a worker who somebody is never come from a client."""
    fields = [
        (b"Accept", b"*/*"),
        HOST,
        (b"Remote-User", b"admin"),
        (b"REMOTE_USER", b"admin"),
        (b"X_Forwarded_Proto", b"https"),
        (b"X-Forwarded-For", b"6.6.6.6"),
        (b"Forwarded", b"for=6.6.6.6"),
        (b"Script-Url", b"/x"),
        (b"Tracd-Cluster-User", b"admin"),
        (b"Keep-Alive", b"5"),
        (b"Connection", b"close, X-Secret"),
        (b"X-Secret", b"1"),
        (b"Cookie", b"a=b"),
    ]
    head = Head(b"GET", "1.1", b"/wiki?a=b", fields)
    assert b"GET /wiki?a=b HTTP/1.1\r\nI: j\r\nHost: trac.example.org\r\nAccept: */*\r\nCookie: a=b\r\n\r\n" == (
        head.for_worker(b"I: j\r\n", 0)
    )
    assert not head.keep_alive


def test_nobody_can_name_the_fields_that_matter() -> None:
    """A client cannot have its own Cookie or the Host dropped on the way by naming it in Connection."""
    head = Head(b"GET", "1.1", b"/", [HOST, (b"Cookie", b"a=b"), (b"Connection", b"cookie, host")])
    assert [b"Host: trac.example.org\r\n", b"Cookie: a=b\r\n"] == head.lines


def test_an_absolute_target_decides_the_host() -> None:
    """A request as to a proxy is understood; its target says which host is meant."""
    head = Head(b"GET", "1.1", b"HTTP://other:81?x=/y", [HOST])
    assert b"/?x=/y" == head.target
    assert b"Host: other:81\r\n" == head.lines[0]


def test_a_body_always_has_a_length() -> None:
    """A worker is told how long the body is, however it came."""
    for fields in ([(b"Transfer-Encoding", b"Chunked ")], [(b"Content-Length", b"7")]):
        head = Head(b"POST", "1.1", b"/", [HOST, *fields])
        assert head.for_worker(b"", 7).endswith(b"\r\nContent-Length: 7\r\n\r\n")
    assert b"Content-Length: 0" in Head(b"POST", "1.1", b"/", [HOST, (b"Transfer-Encoding", b"chunked")]).for_worker(
        b"", 0
    )


@pytest.mark.parametrize(
    ("method", "version", "target", "fields", "status"),
    [
        (b"GET", "2.0", b"/", [HOST], 505),
        (b"GET", "0.9", b"/", [HOST], 505),
        (b"CONNECT", "1.1", b"a:1", [HOST], 501),
        (b"TRACE", "1.1", b"/", [HOST], 501),
        (b"SOURCE", "1.0", b"/", [HOST], 501),
        (b"GET", "1.1", b"/", [], 400),
        (b"GET", "1.1", b"/", [HOST, HOST], 400),
        (b"GET", "1.0", b"/", [HOST, HOST], 400),
        (b"GET", "1.1", b"/", [(b"Host", b"")], 400),
        (b"GET", "1.1", b"/", [(b"Host", b"a b")], 400),
        (b"GET", "1.1", b"/", [(b"Host", b"a/b")], 400),
        (b"GET", "1.1", b"/", [(b"Host", b"user@a")], 400),
        (b"GET", "1.1", b"/", [(b"Host", b"a:port")], 400),
        (b"GET", "1.1", b"*", [HOST], 400),
        (b"GET", "1.1", b"ftp://a/b", [HOST], 400),
        (b"GET", "1.1", b"http:///b", [HOST], 400),
        (b"GET", "1.1", b"/a#b", [HOST], 400),
        (b"GET", "1.1", b"/a/../b", [HOST], 400),
        (b"GET", "1.1", b"/a/%2E%2e/b", [HOST], 400),
        (b"GET", "1.1", b"/a%2f..%2fb", [HOST], 400),
        (b"GET", "1.1", b"/.", [HOST], 400),
        (b"GET", "1.1", b"/a%00", [HOST], 400),
        (b"GET", "1.1", b"/a%", [HOST], 400),
        (b"GET", "1.1", b"/a%2", [HOST], 400),
        (b"POST", "1.1", b"/", [HOST, (b"Transfer-Encoding", b"gzip, chunked")], 501),
        (b"POST", "1.0", b"/", [HOST, (b"Transfer-Encoding", b"chunked")], 400),
        (b"POST", "1.1", b"/", [HOST, (b"Expect", b"miracles")], 417),
    ],
)
def test_what_is_refused(
    method: bytes, version: str, target: bytes, fields: list[tuple[bytes, bytes]], status: int
) -> None:
    """A head that could be read in two ways, or that nobody here can obey, is refused with its status."""
    with pytest.raises(ClientFault) as refused:
        Head(method, version, target, fields)
    assert status == refused.value.status


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"/wiki/a.b/..c/d..", b"[::1]:8080"),
        (b"/wiki/...", b"10.0.0.1"),
        (b"/a%2Fb//c;d=e", b"trac.example.org:80"),
        (b"/x?../y=%zz", b"xn--bcher-kva.example"),
        (b"//double", b"localhost"),
    ],
)
def test_what_is_passed_as_it_is(target: bytes, host: bytes) -> None:
    """Odd but clear targets and hosts reach Trac byte for byte."""
    head = Head(b"GET", "1.1", target, [(b"Host", host)])
    assert target == head.target
    assert [b"Host: %b\r\n" % host] == head.lines


def test_old_clients_need_no_host_and_may_stay() -> None:
    """HTTP/1.0 closes after each request unless the client asks otherwise."""
    assert not Head(b"GET", "1.0", b"/", []).keep_alive
    assert Head(b"GET", "1.0", b"/", [(b"Connection", b"Keep-Alive")]).keep_alive
    assert Head(b"GET", "1.1", b"/", [HOST]).keep_alive
