"""A worker serves its lane: request after request, until the front or a signal ends it."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import pytest

from tracd_cluster.tracd.answer import Application, LaneBroken
from tracd_cluster.tracd.tuning import WARM_AFTER, Freezer, thaw
from tracd_cluster.tracd.worker import PROBE_ANSWER, LaneEnd, Service
from tracd_cluster.tracd.wsgi import MalformedRequest, constant_environ

FRONT = b"Tracd-Cluster-Server: http localhost 80\r\nTracd-Cluster-Client: 127.0.0.1 1\r\n"
WAIT = 10


def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
    """Answer with the path, or fail, or use a part of the body."""
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ZeroDivisionError
    if path == "/break":
        start_response("200 OK", [("Content-Length", "100000")])
        return [b"x" * 70_000]
    start_response("200 OK", [])
    return [path.encode()]


class Served:
    """A lane with a thread behind it."""

    def __init__(self, application: Application = echo, freezer: Freezer | None = None) -> None:
        self.front, theirs = socket.socketpair()
        self.front.settimeout(WAIT)
        self.end = LaneEnd(theirs, Service(application, constant_environ(None, 1, ""), freezer))
        self.error: BaseException | None = None
        self.thread = Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            self.end.serve()
        except Exception as error:
            self.error = error

    def ask(self, path: str, body: bytes = b"") -> bytes:
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        self.front.sendall(b"POST " + path.encode() + b" HTTP/1.1\r\n" + FRONT + length + b"\r\n" + body)
        data = self.front.recv(100_000)
        head, _, answer = data.partition(b"\r\n\r\n")
        return head.split(b" ")[1] + b" " + answer

    def ended(self) -> bool:
        self.thread.join(WAIT)
        return not self.thread.is_alive()


class Serve(Protocol):
    """Puts an application behind a lane."""

    def __call__(self, application: Application = echo, freezer: Freezer | None = None) -> Served: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve on lanes that end with the test."""
    lanes: list[Served] = []

    def start(application: Application = echo, freezer: Freezer | None = None) -> Served:
        lanes.append(Served(application, freezer))
        return lanes[-1]

    yield start
    for lane in lanes:
        lane.front.close()
        assert lane.ended()


@pytest.fixture
def served(serve: Serve) -> Served:
    """A lane on which the application echoes."""
    return serve()


def test_one_request_after_the_other(served: Served) -> None:
    """A lane serves as long as the front wants."""
    assert [b"200 /1", b"200 /2"] == [served.ask("/1"), served.ask("/2")]
    served.front.close()
    assert served.ended()
    assert served.error is None


def test_a_file_is_named_unless_the_front_wants_its_bytes(serve: Serve, tmp_path: Path) -> None:
    """And never where asking a second time could do something twice."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        assert not any("no_files" in key.lower() for key in environ)
        start_response("200 OK", [("Content-Length", "5")])
        found: Iterable[bytes] = environ["wsgi.file_wrapper"](path.open("rb"))
        return found

    served = serve(application)
    for method, more, expected in (
        (b"GET", b"", False),
        (b"GET", b"Tracd-Cluster-No-Files: 1\r\n", True),
        (b"POST", b"", True),
    ):
        served.front.sendall(method + b" /x HTTP/1.1\r\n" + FRONT + more + b"\r\n")
        answer = served.front.recv(100_000)
        assert expected == answer.endswith(b"\r\n\r\nhello")
        assert expected == (b"Tracd-Cluster-File" not in answer)


def test_a_probe_is_answered_without_the_application(served: Served) -> None:
    """The front can ask whether a worker serves, and Trac does not count a visitor."""
    served.front.sendall(b"OPTIONS * HTTP/1.1\r\n\r\n")
    assert PROBE_ANSWER == served.front.recv(1000)
    assert b"200 /1" == served.ask("/1")


def test_a_failing_application_costs_one_answer(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker goes on after a page that fails."""
    assert served.ask("/fail").startswith(b"500 ")
    assert b"200 /1" == served.ask("/1")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_unread_upload_does_not_become_the_next_request(served: Served) -> None:
    """Nobody can hide a second request in a body that Trac does not read."""
    assert b"200 /1" == served.ask("/1", b"GET /evil HTTP/1.1\r\n\r\n" * 20_000)
    assert b"200 /2" == served.ask("/2")


def test_an_answer_that_cannot_be_completed_ends_the_lane(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """The front must see that the download is not whole."""
    lane = served
    lane.ask("/break")
    data = b"x"
    while data:
        data = lane.front.recv(100_000)
    assert lane.ended()
    assert isinstance(lane.error, LaneBroken)
    assert "shorter" in capsys.readouterr().err


def test_a_lane_out_of_step_is_not_served_on(served: Served) -> None:
    """Bytes that make no sense end the worker, and not with somebody else's page."""
    lane = served
    lane.front.sendall(b"DELETE * HTTP/1.1\r\n\r\n")
    assert lane.ended()
    assert isinstance(lane.error, MalformedRequest)


@pytest.mark.parametrize(
    "request_bytes", [b"GET / HTTP", b"POST / HTTP/1.1\r\n" + FRONT + b"Content-Length: 9\r\n\r\nabc"]
)
def test_a_front_that_goes_away_in_the_middle_ends_the_lane_quietly(served: Served, request_bytes: bytes) -> None:
    """A killed front leaves no traceback of ours behind."""
    lane = served
    lane.front.sendall(request_bytes)
    lane.front.close()
    assert lane.ended()
    assert lane.error is None


def test_an_idle_lane_ends_when_asked_to(served: Served) -> None:
    """A worker that has nothing to do ends at once; the front's next request fails before it is sent."""
    lane = served
    assert b"200 /1" == lane.ask("/1")
    lane.end.finish()
    assert lane.ended()
    with pytest.raises(OSError, match=r".+"):
        lane.front.sendall(b"GET")
    assert lane.error is None


def test_a_busy_lane_ends_after_its_answer_and_what_was_already_sent(serve: Serve) -> None:
    """Nothing that has reached the worker is lost when it ends."""
    begun, go_on = Event(), Event()

    def slow(environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            begun.set()
            go_on.wait(WAIT)
        return echo(environ, start_response)

    lane = serve(slow)
    lane.front.sendall(b"GET /slow HTTP/1.1\r\n" + FRONT + b"\r\n")
    assert begun.wait(WAIT)
    lane.front.sendall(b"GET /sent HTTP/1.1\r\n" + FRONT + b"\r\n")
    lane.end.finish()
    go_on.set()
    assert lane.ended()
    data = lane.front.recv(10_000) + lane.front.recv(10_000)
    assert (2, b"/sent") == (data.count(b"200 OK"), data[-5:])


def test_a_lane_counts_for_the_freezer(serve: Serve) -> None:
    """A worker freezes when it is warm, after an answer has left."""
    lane = serve(freezer=Freezer())
    thaw()
    for _ in range(WARM_AFTER + 1):
        lane.ask("/")
    frozen = gc.get_freeze_count() if hasattr(gc, "get_freeze_count") else 1
    thaw()
    assert frozen > 0


def test_a_lane_closes_its_descriptor() -> None:
    """The front sees the end of a lane as soon as its thread has ended."""
    front, theirs = socket.socketpair()
    number = theirs.fileno()
    front.close()
    LaneEnd(theirs, Service(echo, constant_environ(None, 1, ""))).serve()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
