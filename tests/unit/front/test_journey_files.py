"""Journeys whose worker names a file: sent, asked for again, broken off, left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.front.wire import FakeLane, Wire, make_front, statuses
from tracd_cluster.front.listener import Front
from tracd_cluster.tracd.naming import line_of

GET = b"GET /raw-attachment/a HTTP/1.1\r\nHost: x\r\n\r\n"
SIZE = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file of several reads, which must be closed in the end."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))
    yield path
    found = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    assert str(path) not in [os.readlink(each) for each in found if os.path.lexists(each)]


def answer(path: Path) -> bytes:
    """Give the answer of a worker that names a file."""
    with path.open("rb") as file:
        return b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % line_of(file, path.stat().st_size)


def ask(front: Front, path: Path, request: bytes = GET) -> tuple[Wire, FakeLane]:
    """Let a client ask, and a worker name the file."""
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(request)
    lane.say(answer(path))
    return wire, lane


def test_the_worker_is_free_before_the_client_has_its_file(path: Path) -> None:
    """And the client's next request waits for it."""
    front, _ = make_front()
    wire, lane = ask(front, path, GET + GET)
    assert front.balancer.is_idle(lane)
    while len(lane.heads) == 1:
        wire.producer.resumeProducing()
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert path.read_bytes() == body
    assert b"Accept-Ranges: bytes\r\n" in head
    assert b"Tracd-Cluster" not in head
    assert 2 == len(lane.heads)
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert wire.take().endswith(b"\r\n\r\nok")
    assert wire.producer is wire.connection


def test_a_file_that_is_gone_is_asked_for_again_and_then_comes_as_bytes(path: Path) -> None:
    """By the same worker, if it is the one that is free."""
    front, _ = make_front()
    named = answer(path)
    path.unlink()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(named)
    assert b"No-Files" not in lane.heads[0]
    assert b"\r\nTracd-Cluster-No-Files: 1\r\n" in lane.heads[1]
    assert b"" == wire.take()
    lane.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert wire.take().endswith(b"\r\n\r\nok")


def test_a_worker_that_names_it_again_has_not_done_its_part(path: Path) -> None:
    """The client hears of it, and nobody goes round in circles."""
    front, _ = make_front()
    named = answer(path)
    path.unlink()
    lane = FakeLane(front)
    front.balancer.add(lane)
    wire = Wire(front).feed(GET)
    lane.say(named)
    lane.say(named)
    assert [502] == statuses(wire.take())
    assert 2 == len(lane.heads)


def test_a_change_under_way_cuts_the_connection(path: Path) -> None:
    """The client must not take what it has for the whole."""
    wire, _ = ask(make_front()[0], path)
    path.write_bytes(b"other")
    wire.producer.resumeProducing()
    assert wire.aborted


def test_a_client_that_leaves_or_does_not_read_ends_it(path: Path) -> None:
    """At once, or when it has taken nothing for too long."""
    front, clock = make_front(body_timeout=30.0)
    wire, _ = ask(front, path)
    wire.leave()
    wire, _ = ask(front, path)
    clock.advance(29)
    front.sweep()
    wire.producer.resumeProducing()
    clock.advance(29)
    front.sweep()
    assert not wire.over
    clock.advance(2)
    front.sweep()
    assert wire.aborted
    assert not front.connections
