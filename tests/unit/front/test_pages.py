"""The front's own pages."""

from __future__ import annotations

from tracd_cluster.front.pages import ErrorPages, options

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
    assert options(date_line=DATE, connection=b"").startswith(b"HTTP/1.1 204 No Content\r\nAllow: GET")
