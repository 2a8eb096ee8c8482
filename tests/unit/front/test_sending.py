"""A file leaves as its client takes it, is the same from end to end, and is closed in every case."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.interfaces import IPullProducer
from zope.interface.verify import verifyObject

from tests.unit.front.wire import make_front
from tracd_cluster.errors import MalformedAnswer
from tracd_cluster.front.head import Head
from tracd_cluster.front.named import NO_FILES, FileChanged, Named
from tracd_cluster.front.record import Record
from tracd_cluster.front.sending import READ_SIZE, SENDFILE_SIZE, TAIL, Sending, sending_of
from tracd_cluster.tracd.naming import line_of
from tracd_cluster.upstream.framing import AnswerReader

SIZE = 3_000_000


class Taker:
    """A client with its transport: what is written goes through a real socket, turn by turn as Twisted's does."""

    def __init__(self, plain: bool) -> None:
        self.transport: Any = self
        self.paused = False
        self.standing = None
        self.deadline = 0.0
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._unsent = b""
        self._writing = False
        self.producer: Any = self
        self.streaming = True
        self.got = b""
        self.turns = 0
        if plain:
            self.getHandle = lambda: self._ours

    def write(self, data: bytes) -> None:
        self._unsent += data
        self._writing = True

    def unregisterProducer(self) -> None:  # noqa: N802
        self.producer = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        assert self.producer is None
        self.producer, self.streaming = producer, streaming
        if not streaming:
            producer.resumeProducing()

    def startWriting(self) -> None:  # noqa: N802
        self._writing = True

    def turn(self) -> bool:
        """Let the reactor turn once, and say whether there is more to do."""
        self.turns += 1
        if self._unsent:
            try:
                self._unsent = self._unsent[self._ours.send(self._unsent) :]
            except BlockingIOError:
                return True
        if not self._unsent:
            self._writing = False
            if not self.streaming:
                self.producer.resumeProducing()
        return self._writing

    def take(self) -> None:
        """Read what has arrived."""
        try:
            while data := self._theirs.recv(1 << 20):
                self.got += data
        except BlockingIOError:
            pass

    def take_all(self) -> bytes:
        """Let it all come."""
        while self.turn():
            self.take()
        self.take()
        return self.got

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class Prefix:
    """What makes a head, which is not looked at here."""

    def begin_file(self, *_: object) -> bytes:
        return b"head "


class Case:
    """A file and a client that gets it."""

    def __init__(self, path: Path, plain: bool) -> None:
        self.path = path
        self.plain = plain
        self.data = os.urandom(SIZE)
        path.write_bytes(self.data)
        self.taker = Taker(plain)
        self.done: list[bool] = []

    def reader(self, named: bytes = b"") -> AnswerReader:
        """Make the answer that names the file."""
        with self.path.open("rb") as file:
            line = named or line_of(file, self.path.stat().st_size)
        reader = AnswerReader(True)
        reader.start(False)
        reader.feed(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n" + line + b"Content-Length: 0\r\n\r\n")
        assert reader.ended
        return reader

    def begin(self, *lines: bytes, method: bytes = b"GET") -> Sending:
        """Begin to send."""
        fields = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        self.record = Record(0.0, "", Head(method, "1.1", b"/x", [(b"Host", b"x"), *fields]))
        sending = sending_of(make_front()[0], self.taker, self.record, self.reader(), self.done.append)  # type: ignore[arg-type]
        assert sending is not None
        sending.begin(Prefix())  # type: ignore[arg-type]
        return sending

    def open(self) -> bool:
        """Tell whether anybody here has the file open."""
        found = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        return str(self.path) in [
            os.readlink(each).removesuffix(" (deleted)") for each in found if os.path.lexists(each)
        ]


@pytest.fixture(params=[True, False], ids=["plain", "encrypted"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A file that goes by sendfile, or by reads; in the end it must be closed."""
    case = Case(tmp_path / "file", request.param)
    yield case
    case.taker.close()
    assert not case.open()


def test_a_large_file_leaves_piece_by_piece(case: Case) -> None:
    """Whole, behind its head; and then the transport is the connection's again."""
    sending = case.begin()
    assert verifyObject(IPullProducer, sending)
    assert case.taker.producer is sending
    assert case.taker.paused
    assert case.taker.deadline > 0
    assert case.open()
    assert b"head " + case.data == case.taker.take_all()
    assert [True] == case.done
    assert case.taker.streaming
    assert case.taker.producer != sending
    assert not case.taker.paused
    assert ("file", len(b"head ") + SIZE) == (case.record.by, case.record.sent)
    assert case.taker.turns >= SIZE / max(READ_SIZE, SENDFILE_SIZE)


def test_a_small_file_leaves_with_its_head(case: Case) -> None:
    """In one write, without a turn of the reactor."""
    case.data = case.data[:TAIL]
    case.path.write_bytes(case.data)
    case.begin()
    assert [True] == case.done
    assert case.taker.producer is case.taker
    assert b"head " + case.data == case.taker.take_all()


def test_a_client_that_does_not_read_gets_no_more_than_one_small_file(case: Case) -> None:
    """The next one waits until this has left."""
    case.path.write_bytes(b"small")
    case.taker.paused = True
    case.begin()
    assert not case.done
    assert b"head small" == case.taker.take_all()
    assert [True] == case.done


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_answer_without_a_body_opens_nothing(case: Case, method: bytes) -> None:
    """Neither HEAD nor what has not been modified."""
    sending = case.begin(*([b"If-None-Match: *"] if method == b"GET" else []), method=method)
    assert (304 if method == b"GET" else 200) == sending.selected.status
    assert [True] == case.done
    assert b"head " == case.taker.take_all()


def test_parts_leave_in_their_order(case: Case) -> None:
    """Small ones are read together, the large one goes on its own."""
    sending = case.begin(b"Range: bytes=2900000-,5-9,1000000-2499999")
    body = case.taker.take_all().removeprefix(b"head ")
    assert sending.selected.size == len(body)
    places = [body.index(piece) for piece in (case.data[2_900_000:], case.data[1_000_000:2_500_000])]
    assert places == sorted(places)
    assert [True] == case.done


@pytest.mark.parametrize("how", ["shorter", "longer", "rewritten"])
@pytest.mark.parametrize("turns", [0, 3])
def test_a_file_that_is_written_to_ends_the_sending(case: Case, how: str, turns: int) -> None:
    """Before its end, and once."""
    case.begin()
    for _ in range(turns):
        case.taker.turn()
        case.taker.take()
    if how == "shorter":
        os.truncate(case.path, SIZE - 1)
    elif how == "longer":
        with case.path.open("ab") as file:
            file.write(b"more")
    else:
        with case.path.open("rb+") as file:
            file.write(b"other")
    assert len(case.taker.take_all()) < len(b"head ") + SIZE
    assert [False] == case.done


def test_what_shrinks_between_two_looks_ends_it_too(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more can be read: that is the end, whatever is said of the size."""
    case.begin()
    os.truncate(case.path, 0)
    monkeypatch.setattr(Named, "check", lambda self, fd: None)
    case.taker.take_all()
    assert [False] == case.done


def test_a_filesystem_without_sendfile_is_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some in user space are."""

    def sendfile(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", sendfile)
    case.begin()
    assert b"head " + case.data == case.taker.take_all()


def test_a_client_that_has_gone_is_told_nothing(case: Case) -> None:
    """The file is closed, once."""
    sending = case.begin()
    case.taker.turn()
    sending.stopProducing()
    assert not case.open()
    sending.resumeProducing()
    sending.stopProducing()
    assert not case.done


def test_a_connection_that_breaks_ends_it(case: Case) -> None:
    """Sendfile finds out by itself; what is written, the transport does."""
    case.begin()
    case.taker.turn()
    if case.plain:
        case.taker._theirs.close()
        case.taker._unsent = b""
        case.taker.turn()
        assert [False] == case.done
    else:
        case.taker.producer.stopProducing()


def test_a_file_that_is_not_there_any_more_is_asked_for_as_bytes_once(case: Case) -> None:
    """The next worker is told; one that names a file all the same is not believed."""
    front, head = make_front()[0], Head(b"GET", "1.1", b"/x", [(b"Host", b"x")])
    record = Record(0.0, "", head)
    for _ in range(2):
        reader = case.reader()
        case.path.rename(case.path.with_name("elsewhere"))
        if NO_FILES not in head.lines:
            assert sending_of(front, case.taker, record, reader, case.done.append) is None  # type: ignore[arg-type]
            assert [NO_FILES] == head.lines[1:]
        else:
            with pytest.raises(MalformedAnswer):
                sending_of(front, case.taker, record, reader, case.done.append)  # type: ignore[arg-type]
        case.path.write_bytes(b"new")
    assert not case.done


def test_nonsense_in_place_of_a_name_is_asked_for_as_bytes(case: Case) -> None:
    """As if it were not there."""
    record = Record(0.0, "", Head(b"GET", "1.1", b"/x", [(b"Host", b"x")]))
    reader = case.reader(b"Tracd-Cluster-File: nonsense\r\n")
    assert sending_of(make_front()[0], case.taker, record, reader, case.done.append) is None  # type: ignore[arg-type]


def test_a_change_before_the_first_byte_breaks_it_off(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it leaves."""

    def check(self: object, fd: int) -> None:
        raise FileChanged

    monkeypatch.setattr(Named, "check", check)
    case.begin()
    assert [False] == case.done
    assert b"" == case.taker.take_all()
