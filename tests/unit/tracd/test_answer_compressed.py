"""Compressed answers are framed right, and are what they would be in clear."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tracd.test_answer import Lane, app, parse
from tracd_cluster.tracd.answer import FAILED_TRAILER, PIECE, Answer, Application
from tracd_cluster.tracd.wsgi import FileWrapper

BROWSER = "gzip, deflate, br, zstd"
PAGE = b"".join(b"<li>%d</li>\n" % number for number in range(500))


def answer(application: Application, method: str = "GET", accept: str = BROWSER, names: bool = False) -> Lane:
    """Let an application answer where pages are compressed."""
    lane = Lane()
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/x"}
    Answer(lane.sends.append, method == "HEAD", names, accept).run(application, environ, lane.drain)
    return lane


@pytest.mark.parametrize("fields", [[], [("Content-Length", str(len(PAGE)))]])
def test_a_page_leaves_in_one_send_with_its_new_length(fields: list[tuple[str, str]]) -> None:
    """Whether or not its length was known."""
    lane = answer(app([PAGE[:100], PAGE[100:]], [*fields, ("ETag", '"1"')]))
    status, headers, body = parse(lane)
    assert (1, 200, PAGE) == (len(lane.sends), status, gzip.decompress(body))
    assert (str(len(body)), "gzip") == (headers["content-length"], headers["content-encoding"])
    assert ("Accept-Encoding", 'W/"1"') == (headers["vary"], headers["etag"])
    assert len(body) < len(PAGE) / 3


@pytest.mark.parametrize(("page", "accept"), [(PAGE, "identity"), (PAGE, ""), (PAGE[:1023], BROWSER), (b"", BROWSER)])
def test_who_gets_it_in_clear_is_told_that_there_is_another_form(page: bytes, accept: str) -> None:
    """A cache would else give it to everybody."""
    _, headers, body = parse(answer(app([page], [("ETag", '"1"')]), accept=accept))
    assert page == body
    assert "content-encoding" not in headers
    assert ("Accept-Encoding", 'W/"1"', str(len(page))) == (
        headers["vary"], headers["etag"], headers["content-length"],
    )  # fmt: skip


def test_what_is_not_text_is_left_alone() -> None:
    """And nothing is said of it."""

    def picture(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "image/png"), ("ETag", '"1"')])
        return [PAGE]

    _, headers, body = parse(answer(picture))
    assert (PAGE, '"1"', False) == (body, headers["etag"], "vary" in headers)


def test_a_long_page_leaves_in_pieces_that_can_be_read() -> None:
    """As early as it would in clear; the pieces are one body in the end."""
    pieces = [b"%06d" % number * 1000 for number in range(40)]
    for fields in ([], [("Content-Length", "240000")]):
        lane = answer(app(iter(pieces), fields))
        status, headers, body = parse(lane)
        assert (200, "chunked", "gzip") == (status, headers["transfer-encoding"], headers["content-encoding"])
        assert "content-length" not in headers
        assert b"".join(pieces) == gzip.decompress(body)
        first = lane.sends[0].partition(b"\r\n\r\n")[2].partition(b"\r\n")[2]
        assert len(zlib.decompressobj(31).decompress(first)) == PIECE
        assert len(lane.sends) >= 4


def test_head_says_what_get_would() -> None:
    """But for the length, which would take a page to know."""
    long, short = [("Content-Length", str(len(PAGE)))], [("Content-Length", "9")]
    for fields, coded in ((long, True), ([], False), (short, False)):
        lane = answer(app([PAGE], [*fields, ("ETag", '"1"')]), "HEAD")
        status, headers, body = parse(lane, "HEAD")
        assert (200, b"", 'W/"1"', "Accept-Encoding") == (status, body, headers["etag"], headers["vary"])
        assert coded == (headers.get("content-encoding") == "gzip")
        assert ("9" if fields and not coded else None) == headers.get("content-length")


def test_what_has_not_changed_has_the_same_tag() -> None:
    """Or a cache would not know of which of its pages that is said."""
    status, headers, body = parse(answer(app([], [("ETag", '"1"')], "304 Not Modified")))
    assert (304, b"", 'W/"1"', "Accept-Encoding") == (status, body, headers["etag"], headers["vary"])
    assert not {"content-encoding", "content-length"} & headers.keys()


@pytest.mark.parametrize("before", [b"", b"x" * 100_000])
@pytest.mark.parametrize("fields", [[], [("Content-Length", "500000")]])
def test_a_page_that_fails_is_no_page(
    before: bytes, fields: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is seen as broken off, and the lane stays in step; a page about the failure comes in clear."""

    def pieces() -> Iterable[bytes]:
        yield before
        raise ZeroDivisionError

    lane = answer(app(pieces(), fields))
    if before:
        assert lane.data.endswith(FAILED_TRAILER)
    else:
        status, headers, body = parse(lane)
        assert (500, False) == (status, "content-encoding" in headers)
        assert b"failed" in body
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_page_that_is_shorter_than_it_said_is_broken_off(capsys: pytest.CaptureFixture[str]) -> None:
    """In a compressed one nobody else could see it."""
    lane = answer(app(iter([b"x" * 100_000]), [("Content-Length", "100001")]))
    assert lane.data.endswith(FAILED_TRAILER)
    assert "1 bytes shorter" in capsys.readouterr().err


def test_a_file_is_named_as_ever(tmp_path: Path) -> None:
    """The front sends it, and has forms of its own."""
    path = tmp_path / "file"
    path.write_bytes(PAGE)
    lane = answer(app(FileWrapper(path.open("rb")), [("Content-Length", str(len(PAGE))), ("ETag", '"1"')]), names=True)
    _, headers, _ = parse(lane)
    assert headers["tracd-cluster-file"].endswith(str(path))
    assert ('"1"', False) == (headers["etag"], "vary" in headers)


@given(st.lists(st.binary(max_size=40_000), max_size=6), st.booleans())
def test_any_page_comes_back(pieces: list[bytes], known: bool) -> None:
    """Whatever it is made of, in whatever pieces."""
    whole = b"".join(pieces)
    _, headers, body = parse(answer(app(iter(pieces), [("Content-Length", str(len(whole)))] if known else [])))
    assert whole == (gzip.decompress(body) if "content-encoding" in headers else body)
