"""The address of a page by HTTPS."""

from __future__ import annotations

import pytest

from tracd_cluster.front.https_url import moved, plain_request_url


@pytest.mark.parametrize(
    ("host", "port", "target", "location"),
    [
        (b"trac.example.org", 443, b"/wiki?a=%20&b", b"https://trac.example.org/wiki?a=%20&b"),
        (b"trac.example.org:80", 443, b"/", b"https://trac.example.org/"),
        (b"trac.example.org:8000", 8443, b"//x//%2F?", b"https://trac.example.org:8443//x//%2F?"),
        (b"[::1]:8000", 8443, b"/", b"https://[::1]:8443/"),
        (b"[::1]", 443, b"/", b"https://[::1]/"),
        (b"h:", 443, b"/", b"https://h/"),
    ],
)
def test_where_a_plain_request_is_sent(host: bytes, port: int, target: bytes, location: bytes) -> None:
    """The host without its port, the HTTPS port unless browsers take it anyway, path and query byte for byte."""
    fault = moved(host, port, target)
    assert (308, b"Location: %b\r\n" % location) == (fault.status, fault.lines)


def test_without_a_host_there_is_nowhere_to_send_it() -> None:
    """HTTP/1.0 may leave it out."""
    assert (400, b"") == (moved(None, 443, b"/").status, moved(None, 443, b"/").lines)


@pytest.mark.parametrize(
    ("data", "url"),
    [
        (b"GET /wiki?<x> HTTP/1.1\r\nA: b\r\nHost: h.example:8443\r\n\r\n", "https://h.example:8443/wiki?<x>"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\nx\nHost: b\n", "https://a/"),
        (b"GET / HTTP/1.0\nHOST:[::1]:1\n\n", "https://[::1]:1/"),
        (b"GET / HTTP/1.1\r\n\r\n", ""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ""),
        (b'GET / HTTP/1.1\r\nHost: "><script>\r\n\r\n', ""),
        (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        (b"HELO there\r\n\r\n", ""),
    ],
)
def test_what_was_meant_by_a_plain_request(data: bytes, url: str) -> None:
    """An address is told only if the request is clear."""
    assert url == plain_request_url(data)
