"""Connections: order, keeping alive, time limits and ends."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.front.wire import OK, FakeLane, Wire, make_front, statuses

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_answers_and_keeps_the_connection() -> None:
    """A page is answered and the connection waits for the next request."""
    front, _ = make_front()
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    assert [200] == statuses(wire.take())
    assert not wire.over
    assert [200] == statuses(wire.feed(GET).take())
    assert 2 == len(lane.heads)


def test_tells_the_worker_who_asks() -> None:
    """A worker gets the client's address and the front's, in lines no client can send."""
    front, _ = make_front()
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    Wire(front).feed(b"GET / HTTP/1.1\r\nHost: x\r\nTracd-Cluster-Client: 6.6.6.6 1\r\n\r\n")
    assert (
        b"GET / HTTP/1.1\r\nTracd-Cluster-Server: http 127.0.0.1 8000\r\n"
        b"Tracd-Cluster-Client: 10.0.0.1 51234\r\nHost: x\r\nX-Request-ID: 7-1\r\n\r\n"
    ) == lane.heads[0]


def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests sent ahead wait for those before them."""
    front, _ = make_front()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET + b"GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HT")
    wire.feed(b"TP/1.1\r\nHost: x\r\n\r\n")
    assert b"" == wire.take()
    for name in (b"a", b"b", b"c"):
        assert lane.heads[-1].startswith(b"GET /" + name)
        lane.say(OK)
        assert [200] == statuses(wire.take())
    assert not wire.over


def test_a_thousand_pipelined_pages_of_the_front_do_not_nest() -> None:
    """A client that sends a thousand requests ahead is answered a thousand times."""
    front, _ = make_front(base_path="/base")
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(b"GET /base/ HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 1000)
    lane.say(OK)
    assert [200] + [404] * 1000 == statuses(wire.take())
    assert not wire.over


def test_bytes_held_for_later_do_not_grow_without_bound() -> None:
    """A client that keeps sending while its request is under way is read no further."""
    front, _ = make_front()
    wire = Wire(front).feed(GET)
    wire.feed(GET * 3000)
    assert not wire.reading
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    assert wire.reading
    assert 3001 == len(lane.heads)


def test_says_continue_before_the_body() -> None:
    """A client that waits for leave to send its body gets it."""
    front, _ = make_front()
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    wire = Wire(front)
    wire.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == wire.take()
    wire.feed(b"abc")
    assert [200] == statuses(wire.take())
    assert [b"abc"] == lane.bodies


def test_a_large_body_is_refused_before_it_comes() -> None:
    """Too large an upload is refused by its announced length."""
    front, _ = make_front(max_body=10)
    wire = Wire(front).feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    assert [413] == statuses(wire.take())
    assert wire.half_closed


def test_a_slow_head_gets_408() -> None:
    """A client that drips its head byte by byte is sent away at the limit, however busy it looks."""
    front, clock = make_front(head_timeout=10.0)
    wire = Wire(front)
    for _ in range(11):
        wire.feed(b"\r\n")
        clock.advance(1)
        front.sweep()
    assert [408] == statuses(wire.take())


@pytest.mark.parametrize(("rate", "answers"), [(100, [408]), (0, []), (2, [])])
def test_a_body_that_drips_gets_408(rate: int, answers: list[int]) -> None:
    """Bytes that come in time are not enough, unless they are as many as there have to be."""
    front, clock = make_front(body_timeout=10.0, min_body_rate=rate)
    front.startService()
    wire = Wire(front).feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(8):
        clock.pump([1.0] * 3)
        if not wire.over:
            wire.feed(b"0123456789")
    assert answers == statuses(wire.take())


def test_every_body_of_a_connection_has_its_own_time() -> None:
    """What the first one has taken is not held against the second."""
    front, clock = make_front(body_timeout=10.0, min_body_rate=1)
    front.startService()
    front.balancer.add(FakeLane(front).always_ok())
    wire = Wire(front)
    for _ in range(3):
        wire.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        for piece in (b"a", b"b", b"c"):
            clock.pump([1.0] * 3)
            wire.feed(piece)
        clock.pump([1.0] * 3)
    assert [200] * 3 == statuses(wire.take())


def test_a_body_that_stops_gets_408() -> None:
    """An upload that makes no progress is given up, one that does is not."""
    front, clock = make_front(body_timeout=10.0, min_body_rate=0)
    wire = Wire(front).feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n")
    for _ in range(20):
        clock.advance(9)
        front.sweep()
        wire.feed(b"x")
    assert b"" == wire.take()
    clock.advance(11)
    front.sweep()
    assert [408] == statuses(wire.take())


def test_an_idle_connection_is_closed() -> None:
    """Connections do not stay for ever."""
    front, clock = make_front(idle_timeout=10.0)
    front.balancer.add(FakeLane(front).always_ok())
    wire = Wire(front).feed(GET)
    clock.advance(9)
    front.sweep()
    assert not wire.over
    clock.advance(2)
    front.sweep()
    assert wire.closed


def test_a_refused_client_may_finish_its_sentence_but_not_for_ever() -> None:
    """After an error the front goes on reading for a while, so that the client gets to read the error."""
    front, clock = make_front()
    wire = Wire(front).feed(b"GARBAGE\r\n\r\n")
    assert [400] == statuses(wire.take())
    assert wire.half_closed
    assert not wire.aborted
    wire.feed(b"more" * 1000)
    assert b"" == wire.take()
    clock.advance(6)
    front.sweep()
    assert wire.aborted


def test_an_endless_header_is_bounded() -> None:
    """A field without an end does not fill the memory."""
    front, _ = make_front()
    wire = Wire(front).feed(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
    for _ in range(100):
        if wire.over:
            break
        wire.feed(b"a" * 10_000)
    assert [431] == statuses(wire.take())


def test_an_endless_header_behind_another_request_is_bounded_too() -> None:
    """It makes no difference where in a read a head begins."""
    front, _ = make_front()
    front.balancer.add(FakeLane(front).always_ok())
    wire = Wire(front).feed(GET + b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
    assert [200] == statuses(wire.take())
    for _ in range(100):
        if wire.over:
            break
        wire.feed(b"a" * 10_000)
    assert [431] == statuses(wire.take())


def test_an_endless_trailer_is_bounded() -> None:
    """What stands behind a body does not fill the memory either."""
    front, _ = make_front()
    wire = Wire(front).feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: ")
    for _ in range(100):
        if wire.over:
            break
        wire.feed(b"a" * 10_000)
    assert [431] == statuses(wire.take())


REQUESTS = [
    GET,
    b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
    b"GET /u HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /../x HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /bare HTTP/1.1\nHost: x\r\n\r\n",
    b"GET /old HTTP/1.0\r\n\r\n",
]


def run(pieces: list[bytes]) -> tuple[int, list[bytes], list[bytes], bool]:
    """Play pieces to a front, and count the answers, with what arrived and whether it is over."""
    front, _ = make_front()
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    wire = Wire(front)
    for piece in pieces:
        wire.feed(piece)
    sent = wire.take()
    return sent.count(b"HTTP/1.1 "), lane.heads, lane.bodies, wire.over


@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=5), st.lists(st.integers(0, 600), max_size=12))
def test_any_split_of_the_bytes_means_the_same(requests: list[bytes], cuts: list[int]) -> None:
    """How the network cuts the bytes makes no difference to what they mean."""
    stream = b"".join(requests)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges) if a < b]
    assert run([stream]) == run(pieces)


def test_nothing_of_a_connection_waits_for_the_collector() -> None:
    """Thousands may leave at once, and what they leave behind goes with them."""
    front, _ = make_front()
    front.balancer.add(FakeLane(front).always_ok())
    gc.disable()
    try:
        wire = Wire(front).feed(GET)
        assert [200] == statuses(wire.take())
        connection = weakref.ref(wire.connection)
        wire.leave()
        del wire.connection, wire
        assert connection() is None
    finally:
        gc.enable()
