"""Answers are framed right, whatever an application does."""

from __future__ import annotations

import http.client
import io
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.tracd.answer import FAILED_TRAILER, PIECE, Answer, Application, LaneBroken, head_of
from tracd_cluster.tracd.wsgi import ASKED_BY, NOT_SIGNED_IN, STRANGER, Environ, FileWrapper, LaneClosed

TEXT = [("Content-Type", "text/plain")]


class Lane:
    """What was sent, and in how many sends."""

    def __init__(self) -> None:
        self.sends: list[bytes] = []
        self.drained_at: int | None = None

    def drain(self) -> None:
        self.drained_at = len(self.sends)

    @property
    def data(self) -> bytes:
        return b"".join(self.sends)


def answer(application: Application, method: str = "GET") -> Lane:
    """Let an application answer, and give what was sent."""
    lane = Lane()
    Answer(lane.sends.append, method == "HEAD").run(
        application, {"REQUEST_METHOD": method, "PATH_INFO": "/x"}, lane.drain
    )
    return lane


class _Socket:
    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def makefile(self, mode: str) -> io.BytesIO:
        return self.file


def parse(lane: Lane, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Read the answer with another HTTP client; nothing may be left over."""
    source = _Socket(lane.data)
    response = http.client.HTTPResponse(source, method=method)  # type: ignore[arg-type]
    response.begin()
    file = response.fp
    body = response.read()
    # The client closes its file at the end; what a second one finds there is too much.
    assert file is not None
    consumed = len(lane.data) if source.file.closed else source.file.tell()
    assert len(lane.data) == consumed
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def app(body: Iterable[bytes], headers: list[tuple[str, str]] | None = None, status: str = "200 OK") -> Application:
    """Make an application that answers with this."""

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, TEXT + (headers or []))
        return body

    return application


def test_a_page_leaves_in_one_send_with_its_length() -> None:
    """The front can send a page on as it is, and no packet waits for another one."""
    lane = answer(app([b"one ", b"", b"two"]))
    assert [b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\none two"] == lane.sends
    assert 0 == lane.drained_at


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE])
def test_up_to_64_kib_are_collected(size: int) -> None:
    """All common pages take one send."""
    lane = answer(app([b"x" * 1000] * (size // 1000) + [b"y" * (size % 1000)]))
    assert 1 == len(lane.sends)
    assert (200, size) == (parse(lane)[0], len(parse(lane)[2]))


def test_a_long_page_of_unknown_length_streams_in_chunks() -> None:
    """A page of any size needs little memory, and its first part leaves early."""
    lane = answer(app(b"%4d" % number * 1000 for number in range(100)))
    _, headers, body = parse(lane)
    assert ("chunked", None) == (headers["transfer-encoding"], headers.get("content-length"))
    assert b"".join(b"%4d" % number * 1000 for number in range(100)) == body
    assert max(map(len, lane.sends)) < 2 * PIECE
    assert lane.drained_at == len(lane.sends) - 2


def test_a_long_answer_of_known_length_streams_plain() -> None:
    """A download shows how large it is."""
    lane = answer(app((b"x" * 50_000 for _ in range(10)), [("Content-Length", "500000")]))
    _, headers, body = parse(lane)
    assert ("500000", 500_000) == (headers["content-length"], len(body))
    assert "transfer-encoding" not in headers
    assert max(map(len, lane.sends)) < 2 * PIECE


def test_a_list_of_one_tells_its_length() -> None:
    """A long answer in one piece keeps its length, as PEP 3333 allows."""
    _, headers, body = parse(answer(app([b"x" * 300_000])))
    assert ("300000", 300_000) == (headers["content-length"], len(body))


def test_write_and_the_iterable_are_one_body() -> None:
    """Trac writes its pages with write()."""

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"a")
        write(b"")
        return [b"b", b"c"]

    assert b"abc" == parse(answer(application))[2]


def test_head_has_the_head_only() -> None:
    """The next answer on the lane is not mistaken for a body."""
    plain = answer(app([b"body"]), "HEAD")
    known = answer(app([b"body"], [("Content-Length", "4")]), "HEAD")
    assert b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" == plain.data
    assert b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n" == known.data


def test_head_does_not_render_what_nobody_sees() -> None:
    """A HEAD of a long download costs next to nothing."""
    taken = []

    def body() -> Iterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield b"x"

    answer(app(body()), "HEAD")
    assert [0] == taken


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_no_body(status: str) -> None:
    """Trac's `Content-Length: 0` of a 304 does not tell clients that the file is empty now."""
    lane = answer(app([b"not sent"], [("Content-Length", "0"), ("ETag", "x")], status))
    assert f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nETag: x\r\n\r\n".encode() == lane.data


def test_the_lane_s_own_fields_are_not_the_application_s() -> None:
    """An application cannot upset the framing; Date and Server pass."""
    lane = answer(
        app([b"x"], [("Connection", "close"), ("transfer-encoding", "gzip"), ("Date", "d"), ("Server", "s")])
    )
    assert {"content-type": "text/plain", "date": "d", "server": "s", "content-length": "1"} == parse(lane)[1]


def test_too_much_is_cut() -> None:
    """What exceeds the announced length does not become the next answer."""
    assert b"abc" == parse(answer(app([b"ab", b"cd"], [("Content-Length", "3")])))[2]
    assert b"" == parse(answer(app([b"x" * 200_000, b"y"], [("Content-Length", "0")])))[2]
    assert 100_000 == len(parse(answer(app([b"x" * 70_000] * 3, [("Content-Length", "100000")])))[2])


def test_too_little_is_an_error_while_there_is_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A client is told of a failure instead of waiting for bytes that never come."""
    status, _, _ = parse(answer(app([b"ab"], [("Content-Length", "3")])))
    assert 500 == status
    assert "1 bytes shorter than its Content-Length" in capsys.readouterr().err


def test_too_little_after_the_head_has_left_ends_the_lane() -> None:
    """The front sees that the answer is not whole."""
    with pytest.raises(LaneBroken):
        answer(app([b"x" * 70_000], [("Content-Length", "80000")]))


def _failing(environ: Any, start_response: Any) -> Iterable[bytes]:
    raise ZeroDivisionError("told in the log")


def _exiting(environ: Any, start_response: Any) -> Iterable[bytes]:
    sys.exit("a plugin ends itself")


def _failing_late(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Set-Cookie", "a=b")])
    yield b""
    raise ZeroDivisionError


def _failing_without_body(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("204 No Content", [("Set-Cookie", "a=b")])
    yield b""
    raise ZeroDivisionError


def _silent(environ: Any, start_response: Any) -> Iterable[bytes]:
    return []


def _early(environ: Any, start_response: Any) -> Iterable[bytes]:
    return [b"data before start_response"]


def _twice(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return []


@pytest.mark.parametrize(
    "failing", [_failing, _exiting, _failing_late, _failing_without_body, _silent, _early, _twice]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_failure_is_a_plain_500(failing: Application, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The client gets a clean page without a traceback, which the log has."""
    lane = answer(failing, method)
    status, headers, body = parse(lane, method)
    assert (500, "text/plain; charset=utf-8") == (status, headers["content-type"])
    assert "set-cookie" not in headers
    assert (method == "HEAD") == (body == b"")
    assert b"Traceback" not in lane.data
    told = capsys.readouterr().err
    assert f"{method} '/x' failed:" in told
    assert "Traceback" in told
    assert 0 == lane.drained_at


def test_text_is_not_sent_for_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in a plugin is an error page, not a dead worker."""
    body: Any = ["text", "no bytes"]
    assert 500 == parse(answer(app(body)))[0]
    assert "TypeError" in capsys.readouterr().err


def test_a_failure_in_a_chunked_answer_is_told_in_its_trailer() -> None:
    """The front can break the client's connection while the lane stays in step."""

    def body() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ZeroDivisionError

    lane = answer(app(body()))
    assert lane.data.endswith(FAILED_TRAILER)
    assert 100_000 == len(parse(lane)[2])


def test_a_failure_in_a_plain_stream_ends_the_lane() -> None:
    """A broken download is not completed with other bytes."""

    def body() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ZeroDivisionError

    with pytest.raises(LaneBroken):
        answer(app(body(), [("Content-Length", "200000")]))


def test_an_error_page_replaces_what_has_not_left() -> None:
    """An application that handles its own errors shows its own page."""

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"half a page")
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            start_response("503 Not Now", TEXT, sys.exc_info())
        return [b"sorry"]

    assert (503, b"sorry") == parse(answer(application))[::2]


def test_an_error_page_comes_too_late_for_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """Two pages are never mixed."""

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"x" * 70_000)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            start_response("500 Oh", TEXT, sys.exc_info())
        return [b"sorry"]

    lane = answer(application)
    assert lane.data.endswith(FAILED_TRAILER)
    assert "ZeroDivisionError" in capsys.readouterr().err


class Body:
    """An iterable that knows whether it was closed."""

    def __init__(self, *pieces: bytes, fail: bool = False) -> None:
        self.pieces = pieces
        self.fail = fail
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.fail:
            raise ZeroDivisionError

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("body", [Body(b"x"), Body(), Body(b"x", fail=True), Body(b"x" * 99_999, fail=True)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_called_once_in_any_case(body: Body, method: str) -> None:
    """No file or database connection of an application stays open."""
    body.closed = 0
    answer(app(body), method)
    assert 1 == body.closed


def test_a_failing_close_does_not_spoil_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """An answer that has left is not followed by a second one."""

    class Sticky(Body):
        def close(self) -> None:
            raise ZeroDivisionError

    assert (200, b"x") == parse(answer(app(Sticky(b"x"))))[::2]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_file_goes_out_whole() -> None:
    """Attachments arrive as they are."""
    file = io.BytesIO(bytes(range(256)) * 1000)
    lane = answer(app(FileWrapper(file, 4096), [("Content-Length", "256000")]))
    assert bytes(range(256)) * 1000 == parse(lane)[2]
    assert file.closed


def named(application: Application, method: str = "GET", names: bool = True) -> Lane:
    """Let an application answer to a front that takes names."""
    lane = Lane()
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/x"}
    Answer(lane.sends.append, method == "HEAD", names).run(application, environ, lane.drain)
    return lane


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_on_disk_is_named_and_does_not_go_out(tmp_path: Path, method: str) -> None:
    """The lane stays in step: to it, the answer has no body. The request was read before, and the file is closed."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    file = path.open("rb")
    lane = named(app(FileWrapper(file, 4096), [("Content-Length", "5"), ("ETag", '"own"')]), method)
    status, headers, body = parse(lane, method)
    assert (200, "0", '"own"', b"") == (status, headers["content-length"], headers["etag"], body)
    assert headers["tracd-cluster-file"].startswith("5 ")
    assert headers["tracd-cluster-file"].endswith(str(path))
    assert (1, 0) == (len(lane.sends), lane.drained_at)
    assert file.closed


def test_a_file_is_named_only_where_its_name_is_as_good(tmp_path: Path) -> None:
    """Not to who asks for bytes, not as a part of an answer, not of another length, not with another status."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")

    def begun(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "6")])(b">")
        return FileWrapper(path.open("rb"))

    length = [("Content-Length", "5")]
    for lane in (
        named(app(FileWrapper(path.open("rb")), length), names=False),
        named(app(FileWrapper(path.open("rb")), length, "206 Partial Content")),
        named(app(FileWrapper(path.open("rb")))),
        named(app([b"hello"], length)),
        named(begun),
    ):
        _, headers, body = parse(lane)
        assert "tracd-cluster-file" not in headers
        assert body.endswith(b"hello")


def test_an_application_cannot_speak_in_our_name() -> None:
    """Else it could have the front send any file, or a plugin that passes on what others say could."""
    names = ("Tracd-Cluster-File", "tracd_cluster-FILE", "TRACD-CLUSTER-X")
    forged = [(name, "1 1 1:1 /etc/passwd") for name in names]
    for _ in range(2):
        assert b"passwd" not in named(app([b"x"], forged)).data


def test_a_front_that_has_gone_ends_the_lane_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    """A lost connection is no fault of the application."""

    def send(data: bytes) -> None:
        raise BrokenPipeError

    with pytest.raises(LaneClosed):
        Answer(send).run(app([b"x"]), {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda: None)
    assert "" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nX: y", []),
        ("200 OK", [("X", "a\r\nSet-Cookie: b")]),
        ("200 OK", [("X", "a\nb")]),
        ("200 OK", [("X", "a\rb")]),
        ("200 OK", [("X", "a\0b")]),
        ("200 OK", [("X\r\nY", "a")]),
        ("200 OK", [("X Y", "a")]),
        ("200 OK", [("", "a")]),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Content-Length", "1"), ("content-length", "2")]),
        ("200 OK", [("Content-Length", "\u0661")]),
        ("100 Continue", []),
        ("101 Switching", []),
        ("20", []),
        ("OK", []),
        ("2000 OK", []),
    ],
)
def test_no_answer_breaks_out_of_its_head(status: str, headers: list[tuple[str, str]]) -> None:
    """Text from a wiki page that ends up in a header cannot forge another header or answer."""
    with pytest.raises(ValueError, match=r".+"):
        head_of(status, headers)

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, headers)
        return [b"x"]

    assert 500 == parse(answer(application))[0]


def test_a_head_reads_back() -> None:
    """A status without words and repeated cookies are in order."""
    head, length = head_of("404", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("content-length", "7")])
    assert (b"HTTP/1.1 404 \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2", 7) == (head, length)


PIECES = st.lists(st.binary(max_size=3).map(lambda seed: seed * 15_000), max_size=8)


@given(
    PIECES,
    PIECES,
    st.sampled_from([None, 0, 1, 5, 60_000, 200_000]),
    st.sampled_from(["200 OK", "204 No Content", "304 Not Modified", "404 Not Found"]),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.integers(0, 9),
)
def test_any_answer_frames_right(
    written: list[bytes], iterated: list[bytes], length: int | None, status: str, method: str, fail_at: int
) -> None:
    """Every answer either has an end that a client can find, or ends the lane."""
    headers = [] if length is None else [("Content-Length", str(length))]

    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response(status, headers)
        for piece in written:
            write(piece)
        for number, piece in enumerate(iterated):
            if number == fail_at:
                raise ZeroDivisionError
            yield piece

    try:
        lane = answer(application, method)
    except LaneBroken:
        return
    got, _, body = parse(lane, method)
    if got == 200 or got == 404:
        whole = b"".join(written + iterated)
        complete = whole if length is None else whole[:length]
        assert body == (b"" if method == "HEAD" else complete[: len(body)])
        if not lane.data.endswith(FAILED_TRAILER):
            assert method == "HEAD" or body == complete
    else:
        assert got == 500 or body == b""


def test_the_application_says_that_somebody_has_not_signed_in() -> None:
    """In the environment: what it says in a field of ours is dropped."""
    for known in (True, False):
        sent: list[bytes] = []

        def application(environ: Environ, start_response: Any, known: bool = known) -> list[bytes]:
            if known:
                environ[NOT_SIGNED_IN] = True
            start_response("403 Forbidden", [("tracd-cluster-sign-in", "1")])
            return [b"x"]

        Answer(sent.append).run(application, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda: None)
        assert (b"\r\nTracd-Cluster-Sign-In: 1\r\n" in b"".join(sent)) is known
        assert b"tracd-cluster-sign-in" not in b"".join(sent)


def test_the_application_says_that_its_answer_is_for_any_stranger() -> None:
    """In the environment: what it says in a field of ours is dropped."""
    for known, expected in ((True, True), (False, False)):
        sent: list[bytes] = []

        def application(environ: Environ, start_response: Any, known: bool = known) -> list[bytes]:
            if known:
                environ[STRANGER] = True
            start_response("200 OK", [("tracd-cluster-stranger", "1")])
            return [b"x"]

        Answer(sent.append).run(application, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda: None)
        assert (b"\r\nTracd-Cluster-Stranger: 1\r\n" in b"".join(sent)) is expected
        assert b"tracd-cluster-stranger" not in b"".join(sent)


@pytest.mark.parametrize(
    ("user", "expected"),
    [("ines", b"ines"), ("", b""), ("M\u00e4ren K: \r\nx", b"M%C3%A4ren%20K%3A%20%0D%0Ax"), (None, None)],
)
def test_the_application_says_who_has_asked(user: str | None, expected: bytes | None) -> None:
    """Encoded, so that no name breaks out of its line; what it says in a field of ours is dropped."""
    sent: list[bytes] = []

    def application(environ: Environ, start_response: Any) -> list[bytes]:
        if user is not None:
            environ[ASKED_BY] = user
        start_response("200 OK", [("Tracd-Cluster-User", "admin")])
        return [b"x"]

    Answer(sent.append).run(application, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda: None)
    found = re.findall(rb"\r\nTracd-Cluster-User: (.*?)\r\n", b"".join(sent))
    assert ([] if expected is None else [expected]) == found
