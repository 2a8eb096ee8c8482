"""An answer's framing: how its client knows where it ends, and whether the connection outlives it."""

from __future__ import annotations

import pytest

from tracd_cluster.front.head import Head
from tracd_cluster.front.ranges import Whole, conditions, select
from tracd_cluster.front.reply import CLOSE, KEEP_ALIVE, Reply, Standing
from tracd_cluster.upstream.framing import AnswerReader

DATE = b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
UNKNOWN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def reply_to(method: bytes = b"GET", version: str = "1.1", keep: bool = True) -> Reply:
    """Make the reply to a request."""
    return Reply(Head(method, version, b"/", [(b"Host", b"x")]), b"7-1", keep, harden=False, scheme=b"http")


def answer(data: bytes, no_body: bool = False) -> AnswerReader:
    """Read what a worker has sent so far."""
    reader = AnswerReader()
    reader.start(no_body)
    reader.feed(data)
    return reader


def begin(reply: Reply, data: bytes, no_body: bool = False, draining: bool = False) -> tuple[bytes, bytes]:
    """Make the start of an answer, and give head and body."""
    reader = answer(data, no_body)
    standing = Standing(b"Strict-Transport-Security: max-age=9\r\n")
    standing.tick(DATE)
    head, _, body = reply.begin(reader, reader.take(), standing, draining).partition(b"\r\n\r\n")
    return head + b"\r\n", body


def test_a_length_that_is_known_is_kept() -> None:
    """The worker's own length frames the body, which passes as it is."""
    head, body = begin(reply_to(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
    assert (1, b"hel") == (head.count(b"Content-Length: 5\r\n"), body)
    assert b"Transfer-Encoding" not in head
    assert b"lo" == reply_to().go_on([b"l", b"o"], True)


@pytest.mark.parametrize("date", [b"", b"Date: Tue, 02 Jan 2024 00:00:00 GMT\r\n"])
def test_what_stands_on_every_answer_stands_once(date: bytes) -> None:
    """A worker that writes its own Date does not make a browser forget that the site is encrypted."""
    head, _ = begin(reply_to(), b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % date)
    assert (1, 1) == (head.count(b"Date: "), head.count(b"Strict-Transport-Security: max-age=9\r\n"))
    assert (date or DATE) in head


def test_a_length_that_is_not_known_makes_chunks() -> None:
    """HTTP/1.1 sends pieces with their sizes, and an empty one at the end."""
    reply = reply_to()
    assert not reply.begun
    head, body = begin(reply, UNKNOWN + b"3\r\nabc\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in head
    assert b"3\r\nabc\r\n" == body
    assert b"12\r\n" + b"x" * 18 + b"\r\n" == reply.go_on([b"x" * 9, b"x" * 9], False)
    assert b"" == reply.go_on([], False)
    assert b"2\r\nyz\r\n0\r\n\r\n" == reply.go_on([b"yz"], True)
    assert (True, True) == (reply.begun, reply.keep)


def test_a_head_alone_ends_no_chunks() -> None:
    """A body that has not begun is not taken for an empty one."""
    reply = reply_to()
    assert b"" == begin(reply, UNKNOWN)[1]
    assert b"0\r\n\r\n" == reply.go_on([], True)


def test_what_is_there_as_a_whole_gets_its_length() -> None:
    """It is sent in one piece, without chunks, whatever the worker knew."""
    head, body = begin(reply_to(), UNKNOWN + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert b"Content-Length: 5\r\n" in head
    assert b"abcde" == body
    assert b"Content-Length: 0\r\n" in begin(reply_to(), UNKNOWN + b"0\r\n\r\n")[0]


def test_an_old_client_learns_the_end_from_the_end() -> None:
    """HTTP/1.0 has no chunks, so the connection closes; where the length is known, it may stay open."""
    reply = reply_to(version="1.0")
    head, body = begin(reply, UNKNOWN + b"3\r\nabc\r\n")
    assert (True, b"abc", False) == (CLOSE in head, body, reply.keep)
    assert b"de" == reply.go_on([b"de"], True)
    known = reply_to(version="1.0")
    assert KEEP_ALIVE in begin(known, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")[0]
    assert known.keep


@pytest.mark.parametrize(
    ("method", "data"),
    [
        (b"HEAD", UNKNOWN),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
    ],
)
def test_what_has_no_body_is_not_framed(method: bytes, data: bytes) -> None:
    """Answers to HEAD, 204 and 304 end with their heads (RFC 9110 section 6.4.1)."""
    reply = reply_to(method)
    head, body = begin(reply, data, no_body=method == b"HEAD")
    assert b"" == body
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head
    assert reply.keep


def test_draining_makes_it_the_last() -> None:
    """A connection that is to end says so with the answer that it ends with."""
    reply = reply_to()
    assert b"" == reply.connection_line(draining=False)
    assert CLOSE in begin(reply, UNKNOWN, draining=True)[0]
    assert not reply.keep
    assert CLOSE == reply_to(keep=False).connection_line(draining=False)


@pytest.mark.parametrize(("condition", "status", "length"), [
    (b"X: y", 200, 9),
    (b"Range: bytes=2-4", 206, 3),
    (b"Range: bytes=9-", 416, 0),
    (b"If-None-Match: *", 304, None),
    (b'If-Match: "b"', 412, 0),
])  # fmt: skip
def test_a_file_has_the_length_of_what_is_sent_of_it(condition: bytes, status: int, length: int | None) -> None:
    """The worker's own says that it has sent nothing; and the name of the file stays here."""
    fields = [(b"Content-Length", b"0"), (b"Tracd-Cluster-File", b"/etc/passwd"), (b"Set-Cookie", b"a=b")]
    selected = select(conditions([condition]), b"GET", Whole(9, b'"a"'), 0, b"boundary")
    reply, standing = reply_to(), Standing(b"Strict-Transport-Security: max-age=9\r\n")
    standing.tick(DATE)
    head = reply.begin_file(selected, fields, standing, False)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"Content-Length: ") == (length is not None)
    assert length is None or b"Content-Length: %d\r\n" % length in head
    assert b"Set-Cookie: a=b\r\n" in head
    assert DATE in head
    assert b"Strict-Transport-Security" in head
    assert b"passwd" not in head
    assert reply.begun
    assert CLOSE in reply_to().begin_file(selected, fields, standing, True)
