"""Heads on their way out."""

from __future__ import annotations

from tracd_cluster.rewrite.headers import answer_head

DATE = b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"


def test_an_answer_loses_what_was_between_worker_and_front() -> None:
    """Clients see neither the worker's connection fields nor the internal ones."""
    fields = [
        (b"Content-Type", b"text/plain"),
        (b"Connection", b"keep-alive"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Tracd-Cluster-File", b"/etc/passwd"),
        (b"Set-Cookie", b"a=b"),
        (b"Set-Cookie", b"c=d"),
    ]
    assert (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 3\r\n"
        + DATE
        + b"Server: tracd-cluster\r\nConnection: close\r\n\r\n"
    ) == answer_head(200, b"OK", fields, b"Content-Length: 3\r\n", DATE, b"Connection: close\r\n")


def test_an_answer_keeps_its_own_date_server_and_length() -> None:
    """What the application has said is not said again."""
    fields = [(b"date", b"x"), (b"SERVER", b"y"), (b"content-length", b"3")]
    assert b"HTTP/1.1 404 Not Found\r\ndate: x\r\nSERVER: y\r\ncontent-length: 3\r\n\r\n" == (
        answer_head(404, b"Not Found", fields, b"", DATE, b"")
    )
