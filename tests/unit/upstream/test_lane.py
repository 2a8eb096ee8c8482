"""Lanes over real socket pairs, driven by hand in place of a reactor."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from tracd_cluster.errors import AnswerTimeout, WorkerFault
from tracd_cluster.front.body import Body
from tracd_cluster.front.spool import Spool
from tracd_cluster.upstream.framing import AnswerReader
from tracd_cluster.upstream.lane import PROBE, Lane

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Reactor:
    """Remembers who wants to read and write, as select would be told."""

    def __init__(self) -> None:
        self.readers: set[Lane] = set()
        self.writers: set[Lane] = set()

    def addReader(self, lane: Lane) -> None:  # noqa: N802
        self.readers.add(lane)

    def removeReader(self, lane: Lane) -> None:  # noqa: N802
        self.readers.discard(lane)

    def addWriter(self, lane: Lane) -> None:  # noqa: N802
        self.writers.add(lane)

    def removeWriter(self, lane: Lane) -> None:  # noqa: N802
        self.writers.discard(lane)

    def read(self, lane: Lane) -> None:
        """Let the lane read, as a reactor does: an end is told to the lane itself."""
        why = lane.doRead()
        if why is not None:
            lane.connectionLost(Failure(CONNECTION_DONE))  # type: ignore[no-untyped-call]


class Asked:
    """An exchange that writes down what it is told."""

    def __init__(self, no_body: bool = False) -> None:
        self.no_body = no_body
        self.body = b""
        self.ended = False
        self.lost: tuple[int, bool] | None = None

    def answer(self, reader: AnswerReader) -> None:
        self.body += b"".join(reader.take())
        self.ended = reader.ended

    def worker_lost(self, error: WorkerFault, written: int, answered: bool) -> None:
        self.lost = (written, answered)

    def told(self) -> tuple[str, str, str, float]:
        return "GET", "/wiki", "ines", 5.0


class Bench:
    """A lane, the worker's end of it, and what it told its owners."""

    def __init__(self) -> None:
        ours, self.worker = socket.socketpair()
        self.reactor = Reactor()
        self.lost: list[str] = []
        self.released: list[Lane] = []
        self.lane = Lane(ours, "worker 1", lambda _, why: self.lost.append(why), self.reactor, self)  # type: ignore[arg-type]

    def release(self, lane: Lane) -> None:
        self.released.append(lane)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Make a lane with its surroundings."""
    bench = Bench()
    yield bench
    bench.lane.close()
    bench.worker.close()


def test_one_exchange_after_another(bench: Bench) -> None:
    """A lane asks, hands the answer on, and is free again."""
    for number in (1, 2):
        asked = Asked()
        bench.lane.send(asked, b"GET / HTTP/1.1\r\n\r\n", None)
        assert b"GET / HTTP/1.1\r\n\r\n" == bench.worker.recv(100)
        bench.worker.sendall(OK)
        bench.reactor.read(bench.lane)
        assert (b"ok", True) == (asked.body, asked.ended)
        assert number == len(bench.released) == bench.lane.served
    assert [] == bench.lost


def test_what_a_worker_does_can_be_seen(bench: Bench) -> None:
    """While it is asked, and not when it is idle or only probed."""
    assert bench.lane.asked() is None
    bench.lane.send(Asked(), b"HEAD", None)
    assert ("GET", "/wiki", "ines", 5.0) == bench.lane.asked()
    bench.worker.sendall(OK)
    bench.reactor.read(bench.lane)
    assert bench.lane.asked() is None
    bench.lane.probe(lambda: None)
    assert bench.lane.asked() is None


def test_a_large_body_leaves_as_the_worker_takes_it(bench: Bench) -> None:
    """An upload goes out of its file in pieces, as fast as the worker reads."""
    body = Body(1000, Spool(1 << 30))
    sent = bytes(range(256)) * 8000
    body.write(sent)
    bench.lane.send(Asked(), b"HEAD", body)
    bench.worker.setblocking(False)
    received = b""
    while len(received) < len(sent) + 4:
        assert bench.lane in bench.reactor.writers or len(received) + 300_000 > len(sent)
        try:
            received += bench.worker.recv(100_000)
        except BlockingIOError:
            bench.lane.doWrite()
        else:
            bench.lane.doWrite()
    assert b"HEAD" + sent == received
    assert bench.lane not in bench.reactor.writers


def test_an_early_answer_waits_for_the_rest_of_the_body(bench: Bench) -> None:
    """A lane is not used again before the worker has got all of the last request."""
    body = Body(1000, Spool(1 << 30))
    body.write(b"x" * 2_000_000)
    asked = Asked()
    bench.lane.send(asked, b"HEAD", body)
    bench.worker.sendall(OK)
    bench.reactor.read(bench.lane)
    assert asked.ended
    assert [] == bench.released
    received = 0
    while received < 2_000_004:
        received += len(bench.worker.recv(1 << 20))
        bench.lane.doWrite()
    assert [bench.lane] == bench.released


def test_the_worker_goes_while_it_is_asked(bench: Bench) -> None:
    """The exchange hears how far it had come, after the owner has taken the lane out of use."""
    asked = Asked()
    bench.lane.send(asked, b"GET", None)
    bench.worker.sendall(b"HTTP/1.1 200")
    bench.reactor.read(bench.lane)
    bench.worker.close()
    bench.reactor.read(bench.lane)
    assert (3, True) == asked.lost
    assert ["it closed its lane"] == bench.lost
    assert -1 == bench.lane.fileno()
    assert set() == bench.reactor.readers


def test_a_worker_that_has_gone_gets_nothing(bench: Bench) -> None:
    """A request that meets a closed lane is told that nothing of it has left."""
    bench.worker.close()
    asked = Asked()
    bench.lane.send(asked, b"POST", None)
    assert (0, False) == asked.lost
    assert 1 == len(bench.lost)


def test_a_complete_answer_counts_though_the_worker_is_gone(bench: Bench) -> None:
    """What the worker had written before it ended still reaches the client."""
    asked = Asked()
    bench.lane.send(asked, b"GET", None)
    bench.worker.sendall(OK)
    bench.worker.close()
    bench.reactor.read(bench.lane)
    bench.reactor.read(bench.lane)
    assert asked.ended
    assert asked.lost is None


def test_an_answer_counts_though_the_owner_knows_first(bench: Bench) -> None:
    """When the owner closes the lane of a dead worker, what the worker had answered is read first."""
    asked = Asked()
    bench.lane.send(asked, b"POST", None)
    bench.worker.sendall(OK)
    bench.worker.close()
    bench.lane.close()
    assert (b"ok", True) == (asked.body, asked.ended)
    assert asked.lost is None


def test_a_worker_that_talks_unasked_is_lost(bench: Bench) -> None:
    """Bytes that answer nothing close the lane."""
    bench.worker.sendall(OK)
    bench.reactor.read(bench.lane)
    assert 1 == len(bench.lost)


def test_a_probe_is_no_exchange(bench: Bench) -> None:
    """A worker that answers a probe is ready, and has served nobody yet."""
    ready: list[bool] = []
    bench.lane.probe(lambda: ready.append(True))
    assert PROBE == bench.worker.recv(100)
    bench.worker.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    bench.reactor.read(bench.lane)
    assert [True] == ready
    assert 0 == bench.lane.served
    assert [] == bench.released


def test_giving_up_tells_the_owner_once(bench: Bench) -> None:
    """A lane given up for its worker's slowness is lost to its owner, not to the exchange again."""
    asked = Asked()
    bench.lane.send(asked, b"GET", None)
    bench.lane.give_up(AnswerTimeout("too slow"))
    bench.lane.close()
    assert ["too slow"] == bench.lost
    assert asked.lost is None
