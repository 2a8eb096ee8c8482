"""Answers out of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.errors import MalformedAnswer
from tracd_cluster.upstream.framing import AnswerReader

ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello", 200, b"hello"),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        200,
        b"hello",
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b""),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 1\r\n\r\nx", 200, b"x"),
}


def read(pieces: list[bytes], no_body: bool = False) -> AnswerReader:
    """Feed pieces to a reader."""
    reader = AnswerReader()
    reader.start(no_body)
    for piece in pieces:
        reader.feed(piece)
    return reader


@given(st.sampled_from(sorted(ANSWERS)), st.lists(st.integers(1, 90), max_size=8))
def test_any_split_reads_the_same(name: str, cuts: list[int]) -> None:
    """How the bytes are cut makes no difference to the answer."""
    answer, status, body = ANSWERS[name]
    edges = [0, *sorted({cut for cut in cuts if cut < len(answer)}), len(answer)]
    reader = read([answer[a:b] for a, b in pairwise(edges)])
    assert (status, body, True) == (reader.status, b"".join(reader.take()), reader.ended)


def test_one_reader_reads_answer_after_answer() -> None:
    """A lane is used again and again, HEAD among the others."""
    reader = AnswerReader()
    for no_body, answer in (
        (False, ANSWERS["length"][0]),
        (True, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (True, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (False, ANSWERS["chunks"][0]),
    ):
        reader.start(no_body)
        reader.feed(answer)
        assert reader.ended
        assert (b"" if no_body else b"hello") == b"".join(reader.take())


def test_the_end_of_the_connection_may_end_an_answer() -> None:
    """An answer without a length ends with its connection, one with a length does not."""
    reader = read([b"HTTP/1.0 200 OK\r\n\r\nabc"])
    assert not reader.ended
    reader.finish()
    assert reader.ended
    reader = read([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    reader.finish()
    assert not reader.ended


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("no_body", [True, False])
def test_only_a_worker_of_ours_names_a_file(ours: bool, no_body: bool) -> None:
    """And what it has named goes with this answer only."""
    reader = AnswerReader(ours)
    for name in (b"Tracd-Cluster-File", b"tracd-cluster-FILE"):
        reader.start(no_body)
        reader.feed(b"HTTP/1.1 200 OK\r\n" + name + b": 1 2 3:4 /x\r\nContent-Length: 0\r\n\r\n")
        assert (True, b"1 2 3:4 /x" if ours else b"") == (reader.ended, reader.file)
    reader.start(False)
    assert b"" == reader.file


@pytest.mark.parametrize("ours", [True, False])
def test_only_a_worker_of_ours_says_whose_a_login_is(ours: bool) -> None:
    """Somebody's or nobody's, for this answer only."""
    reader = AnswerReader(ours)
    for user in (b"ines", b""):
        reader.start(False)
        assert reader.user is None
        reader.feed(b"HTTP/1.1 200 OK\r\nTRACD-cluster-user: " + user + b"\r\nContent-Length: 0\r\n\r\n")
        assert (user if ours else None) == reader.user


def test_an_answer_given_up_halfway_is_marked() -> None:
    """A worker that fails in the middle of a page says so in the trailer."""
    reader = read(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTracd-Cluster-Failed: 1\r\n\r\n"]
    )
    assert reader.ended
    assert reader.failed


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb",
    ],
)
def test_what_is_no_answer_is_refused(garbage: bytes) -> None:
    """Bytes that are no answer, or one too many, are never handed on."""
    with pytest.raises(MalformedAnswer):
        read([garbage])


def test_bytes_nobody_asked_for_are_refused() -> None:
    """An idle worker has nothing to say."""
    with pytest.raises(MalformedAnswer):
        AnswerReader().feed(ANSWERS["length"][0])
