"""Foreign lanes over connections on paper: what is sent, when a connection is used again, who hears of what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from tests.unit.upstream.test_lane import OK, Asked
from tracd_cluster.errors import AnswerTimeout
from tracd_cluster.front.body import Body
from tracd_cluster.front.head import Head
from tracd_cluster.front.spool import Spool
from tracd_cluster.upstream.foreign import HOLD_TIME, PROBE_PAUSE, ForeignLane, Trouble
from tracd_cluster.upstream.rest import REST, Rest
from tracd_cluster.upstream.site import Site
from tracd_cluster.upstream.wire import WireOwner

LATER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Origin:
    """A client at a known address."""

    address = "192.0.2.7"
    scheme = b"https"
    here = (b"127.0.0.1", 8000)
    identity = b"Tracd-Cluster-Server: x\r\n"


class Paper:
    """A connection that the test opens, answers on, and ends."""

    def __init__(self, owner: WireOwner) -> None:
        self.owner = owner
        self.opened = False
        self.silent = False
        self.sent = b""
        self.state = "connecting"
        self.is_alive = True
        self.more: Callable[[], bytes] | None = None
        self.in_socket = b""

    def open(self) -> Paper:
        self.opened, self.state = True, "open"
        self.owner.wire_opened(self)
        return self

    def say(self, data: bytes) -> None:
        self.owner.wire_data(self, data)

    def lose(self, why: str = "it closed the connection", silent: bool = False) -> None:
        self.state = "lost"
        self.silent = silent
        self.owner.wire_lost(self, why)

    def alive(self) -> bool:
        return self.is_alive

    def send(self, data: bytes, body: Callable[[], bytes] | None) -> None:
        self.sent += data
        self.more = body

    def pause(self) -> None:
        self.state = "paused"

    def resume(self) -> None:
        self.state = "open"

    def read_now(self) -> None:
        if self.in_socket:
            self.say(self.in_socket)

    def end(self) -> None:
        self.state = "ended"

    def drop(self) -> None:
        self.state = "dropped"


class Bench:
    """A lane and all that it talks to; what its owner and the balancer hear is in ``heard``."""

    def __init__(self) -> None:
        self.wires: list[Paper] = []
        self.heard: list[object] = []
        self.clock = Clock()
        self.clock.advance(1000)
        site = Site(authority=b"10.0.0.5:8000", health_path=b"/well")
        self.rest = Rest()
        self.lane = ForeignLane("server 1", site, self.dial, self, self, self.clock, self.rest)

    def dial(self, owner: WireOwner) -> Paper:
        self.wires.append(Paper(owner))
        return self.wires[-1]

    def answered(self, lane: ForeignLane, status: int) -> None:
        self.heard.append(status)

    def troubled(self, lane: ForeignLane, trouble: Trouble, why: str) -> None:
        self.heard.append(trouble)

    def release(self, lane: ForeignLane) -> None:
        self.heard.append("free")

    def ask(self, method: bytes = b"GET", body: Body | None = None) -> Asked:
        """Send a request on the lane."""
        asked = Asked(method == b"HEAD")
        head = Head(method, "1.1", b"/a", [(b"Host", b"trac.example.org")])
        size = body.size if body is not None else 0
        self.lane.send(asked, self.lane.request_head(head, Origin(), b"", size), body)
        return asked

    def take(self) -> list[object]:
        heard, self.heard[:] = list(self.heard), []
        return heard


@pytest.fixture
def bench() -> Bench:
    """Make a lane with its surroundings."""
    return Bench()


def test_a_request_waits_for_its_connection(bench: Bench) -> None:
    """Nothing is written before there is a connection, and the answer goes to the exchange."""
    asked = bench.ask()
    assert b"" == bench.wires[0].sent
    bench.wires[0].open()
    assert bench.wires[0].sent.startswith(b"GET /a HTTP/1.1\r\nHost: trac.example.org\r\n")
    bench.wires[0].say(OK)
    assert (b"ok", True) == (asked.body, asked.ended)
    assert [200, "free"] == bench.take()
    assert 1 == bench.lane.served


def test_pages_share_a_connection(bench: Bench) -> None:
    """A GET whose answer had a clear end leaves its connection to the next one."""
    for _ in range(3):
        asked = bench.ask()
        assert b"" == asked.body
        if not bench.wires[0].opened:
            bench.wires[0].open()
        bench.wires[0].say(LATER)
        assert not asked.ended
        bench.wires[0].say(b"0\r\n\r\n")
        assert asked.ended
    assert 1 == len(bench.wires)
    assert b"Connection: close" not in bench.wires[0].sent


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (b"POST", OK),
        (b"GET", CLOSED),
        (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (b"GET", OK + OK),
        (b"POST", OK + b"HTTP/1.1 400 Bad"),
    ],
)
def test_a_connection_that_may_hold_stray_bytes_is_not_used_again(bench: Bench, method: bytes, answer: bytes) -> None:
    """What is left of one exchange is never taken for the answer of the next."""
    asked = bench.ask(method)
    bench.wires[0].open().say(answer)
    assert asked.ended
    assert asked.lost is None
    assert "ended" == bench.wires[0].state
    bench.ask()
    assert 2 == len(bench.wires)


def test_an_unsafe_request_gets_a_connection_of_its_own(bench: Bench) -> None:
    """A kept connection may die at any time, and a ticket of which something has left cannot be sent again."""
    bench.ask()
    bench.wires[0].open().say(OK)
    bench.ask(b"POST")
    assert "dropped" == bench.wires[0].state
    assert b"Connection: close\r\n" in bench.wires[1].open().sent


def test_a_kept_connection_that_has_ended_is_not_used(bench: Bench) -> None:
    """The reactor may not have told yet what the socket knows; what it tells is believed at once."""
    bench.ask()
    bench.wires[0].open().say(OK)
    bench.wires[0].is_alive = False
    bench.ask()
    bench.wires[1].open().say(OK)
    bench.wires[1].lose()
    bench.ask()
    bench.wires[2].open().say(OK)
    bench.wires[2].say(b"HTTP/1.1 408 Timeout\r\n\r\n")
    assert "dropped" == bench.wires[2].state
    assert [200, "free"] * 3 == bench.take()


def test_a_server_that_cannot_be_reached_has_got_nothing(bench: Bench) -> None:
    """The owner hears first and may withdraw the lane, then the exchange that nothing has left."""
    asked = bench.ask(b"POST")
    bench.wires[0].lose("no connection")
    assert (0, False) == asked.lost
    assert [Trouble.CONNECT, "free"] == bench.take()


def test_a_connection_lost_in_an_exchange_is_told_with_how_far_it_was(bench: Bench) -> None:
    """A fresh connection that ends without an answer is trouble; a kept one may only have been too old."""
    asked = bench.ask()
    bench.wires[0].open().lose()
    assert asked.lost is not None
    assert asked.lost[0] > 0
    assert [Trouble.LOST, "free"] == bench.take()
    bench.clock.advance(REST)
    bench.ask()
    bench.wires[1].open().say(OK)
    bench.take()
    asked = bench.ask()
    bench.wires[1].lose()
    assert asked.lost is not None
    assert [Trouble.STALE, "free"] == bench.take()


def test_a_host_that_is_silent_is_told_of_at_once(bench: Bench) -> None:
    """Whatever the connection was doing, and also where it was only kept."""
    asked = bench.ask()
    bench.wires[0].open().lose("nothing has been heard of it", silent=True)
    assert asked.lost is not None
    assert [Trouble.SILENT, "free"] == bench.take()
    bench.clock.advance(REST)
    bench.ask()
    bench.wires[1].open().say(OK)
    bench.take()
    bench.wires[1].lose("nothing has been heard of it", silent=True)
    assert [Trouble.SILENT] == bench.take()


def test_a_body_in_memory_leaves_with_its_head(bench: Bench) -> None:
    """A form is one write, which its server's host has to acknowledge; an upload goes piece by piece."""
    small, large = Body(10, Spool(1 << 30)), Body(10, Spool(100_000))
    small.write(b"x" * 10)
    large.write(b"x" * 11)
    for body, ending, more in ((small, b"\r\n\r\n" + b"x" * 10, False), (large, b"\r\n\r\n", True)):
        bench.ask(b"POST", body)
        wire = bench.wires[-1].open()
        assert wire.sent.endswith(ending)
        assert more == (wire.more is not None)
        wire.say(OK)


def test_after_a_loss_all_lanes_to_the_server_rest(bench: Bench) -> None:
    """A process that is being killed seems alive for a moment: no connection to it is tried meanwhile."""
    other = ForeignLane("server 1", Site(authority=b"x"), bench.dial, bench, bench, bench.clock, bench.rest)
    bench.ask()
    bench.wires[0].open().say(OK)
    other.send(Asked(), b"GET / HTTP/1.1\r\n\r\n", None)
    bench.wires[1].open().lose()
    bench.ask()
    assert "dropped" == bench.wires[0].state
    assert 2 == len(bench.wires)
    bench.clock.advance(REST)
    bench.wires[2].open().say(OK)
    bench.ask()
    assert 3 == len(bench.wires)
    bench.wires[2].lose()
    # One rest a second is all that a page that makes a server hang up can bring about.
    bench.ask()
    assert 4 == len(bench.wires)
    bench.lane.close()
    assert [] == bench.clock.getDelayedCalls()


def test_who_is_given_up_in_a_rest_is_not_connected(bench: Bench) -> None:
    """Nothing is left of a request whose deadline has passed before the rest was over."""
    bench.ask()
    bench.wires[0].open().lose()
    bench.ask()
    bench.lane.give_up(AnswerTimeout("too slow"))
    bench.clock.advance(1)
    assert 1 == len(bench.wires)


def test_an_answer_may_end_with_its_connection(bench: Bench) -> None:
    """What says neither length nor chunks ends where the connection ends; what says so and ends early is lost."""
    asked = bench.ask()
    bench.wires[0].open().say(b"HTTP/1.0 200 OK\r\n\r\nabc")
    bench.wires[0].lose()
    assert (b"abc", True, None) == (asked.body, asked.ended, asked.lost)
    asked = bench.ask()
    bench.wires[1].open().say(LATER)
    bench.clock.advance(HOLD_TIME)
    assert b"ok" == asked.body
    bench.wires[1].lose()
    assert asked.lost is not None
    assert asked.lost[1]


def test_an_answer_that_has_only_begun_counts_as_none(bench: Bench) -> None:
    """What was held back of a page is thrown away with its server, and the page is asked for elsewhere."""
    asked = bench.ask()
    bench.wires[0].open().say(LATER)
    bench.wires[0].lose()
    assert (b"", False) == (asked.body, asked.ended)
    assert asked.lost is not None
    assert not asked.lost[1]
    assert [] == bench.clock.getDelayedCalls()


def test_nothing_is_held_back_for_long(bench: Bench) -> None:
    """A large page, a slow one, and the answer to an upload arrive as they come."""
    asked = bench.ask()
    bench.wires[0].open().say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000)
    assert 70_000 == len(asked.body)
    bench.wires[0].say(b"x" * 30_000)
    assert asked.ended
    asked = bench.ask()
    bench.wires[0].say(LATER)
    assert b"" == asked.body
    bench.clock.advance(HOLD_TIME)
    assert b"ok" == asked.body
    bench.wires[0].say(b"0\r\n\r\n")
    assert asked.ended
    asked = bench.ask(b"POST")
    bench.wires[1].open().say(LATER)
    assert b"ok" == asked.body
    assert [] == bench.clock.getDelayedCalls()


def test_no_answer_at_all(bench: Bench) -> None:
    """What is no HTTP is trouble of the server's."""
    asked = bench.ask()
    bench.wires[0].open().say(b"SSH-2.0-OpenSSH\r\n")
    assert asked.lost is not None
    assert [Trouble.MALFORMED, "free"] == bench.take()


def test_an_upload_leaves_in_pieces_and_may_be_answered_early(bench: Bench) -> None:
    """The body follows the head as the server takes it; an early answer ends it."""
    body = Body(10, Spool(1 << 30))
    body.write(b"x" * 100_000)
    asked = bench.ask(b"POST", body)
    wire = bench.wires[0].open()
    assert b"Content-Length: 100000\r\n" in wire.sent
    assert wire.more is not None
    assert 65536 == len(wire.more())
    wire.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    assert asked.ended
    assert "dropped" == wire.state
    assert b"" == wire.more()


def test_a_redirect_is_rewritten_and_what_is_our_own_workers_is_not_believed(bench: Bench) -> None:
    """The exchange sees no inner address, and nothing that only our own workers may say."""
    asked = bench.ask()
    seen: list[tuple[bytes, bytes]] = []
    asked.answer = lambda reader: seen.extend(reader.fields)  # type: ignore[method-assign]
    bench.wires[0].open().say(
        b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.5:8000/b\r\nTracd-Cluster-File: /etc/passwd\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert [(b"Location", b"https://trac.example.org/b"), (b"Content-Length", b"0")] == seen


def test_giving_up(bench: Bench) -> None:
    """A server that takes too long loses its connection, and its owner hears."""
    asked = bench.ask()
    bench.wires[0].open()
    bench.lane.give_up(AnswerTimeout("too slow"))
    assert "dropped" == bench.wires[0].state
    assert asked.lost is None
    assert [Trouble.TIMEOUT, "free"] == bench.take()


def test_closing_takes_what_has_come(bench: Bench) -> None:
    """An answer that lies in the socket of a server that has ended still reaches the client; then all is over."""
    asked = bench.ask(b"POST")
    bench.wires[0].open().in_socket = OK
    bench.lane.close()
    assert asked.ended
    asked = bench.ask(b"POST")
    bench.wires[1].open()
    bench.lane.close()
    assert asked.lost is not None


def test_a_probe_asks_until_the_server_is_well(bench: Bench) -> None:
    """A server that is starting refuses, then fails, then answers; nobody hears of it before."""
    ready: list[bool] = []
    bench.lane.probe(lambda: ready.append(True))
    bench.wires[0].lose("refused")
    bench.clock.advance(PROBE_PAUSE)
    bench.wires[1].open().say(b"HTTP/1.1 503 Starting\r\nContent-Length: 0\r\n\r\n")
    bench.clock.advance(PROBE_PAUSE)
    assert bench.wires[2].open().sent.startswith(b"GET /well HTTP/1.1\r\n")
    assert [] == ready
    bench.wires[2].say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert [True] == ready
    assert [] == bench.take()
    assert 0 == bench.lane.served
    bench.lane.probe(lambda: ready.append(True))
    bench.wires[3].lose("refused")
    bench.lane.close()
    bench.clock.advance(1)
    assert 4 == len(bench.wires)
