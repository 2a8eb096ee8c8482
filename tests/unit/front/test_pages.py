"""The front's own pages."""

from __future__ import annotations

from tracd_cluster.errors import ClientFault, SignInWanted
from tracd_cluster.front.head import Head
from tracd_cluster.front.pages import ErrorPages, of_ourselves
from tracd_cluster.front.record import Record

DATE = b"Date: x\r\n"
page = ErrorPages().page


def test_a_page_is_whole_and_escaped() -> None:
    """An error page has its length, names its reason, and nothing in it is taken for markup."""
    head, _, body = page(503, "a <b> & c", date_line=DATE, connection=b"").partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert b"a &lt;b&gt; &amp; c" in body
    assert b"Retry-After: 5" in head
    assert b"Retry-After" not in page(404, "x", date_line=DATE, connection=b"")


def test_a_page_for_head_has_no_body() -> None:
    """HEAD gets the fields only."""
    assert page(404, "x", date_line=DATE, connection=b"", no_body=True).endswith(b"\r\n\r\n")


def test_what_the_server_can_do() -> None:
    """OPTIONS * is answered without a page."""
    status, answer = of_ourselves(None, DATE, False)
    assert 204 == status
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\nAllow: GET")


def test_an_error_is_told_and_noted() -> None:
    """What a client is told stands in the record, however it came to it."""
    record = Record(0.0, "", Head(b"HEAD", "1.1", b"/", [(b"Host", b"x")]), b"7-1")
    record.by = "worker"
    out = ErrorPages().told(ClientFault(401, "Sign in.", b"WWW-Authenticate: Basic\r\n"), record, DATE, b"")
    assert out.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nWWW-Authenticate: Basic\r\n" in out
    assert b"\r\nX-Request-ID: 7-1\r\n" in out
    assert out.endswith(b"\r\n\r\n"), "HEAD has no body"
    assert (401, "front") == (record.status, record.by)


def test_who_is_to_sign_in_is_told_where() -> None:
    """In the operator's own look as well: the link is part of the advice."""
    record = Record(0.0, "", Head(b"GET", "1.1", b"/", [(b"Host", b"x")]), b"7-1")
    out = ErrorPages("<b>$phrase</b>: $advice").told(SignInWanted("/login?referer=/a%26b"), record, DATE, b"")
    assert out.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert out.endswith(b'<b>Please sign in</b>: <a href="/login?referer=/a%26b">Sign in</a> to see it.')
