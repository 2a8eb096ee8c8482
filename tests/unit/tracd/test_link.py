"""The control link keeps messages and descriptors together."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.link import Configuration, ControlLink, Incoming, parse_configure

CONFIGURE = {
    "type": "configure",
    "generation": 7,
    "projects": {"env_paths": ["/srv/x"], "env_parent_dir": None, "single_env": True, "base_path": "/b"},
    "threads": 2,
    "preload": False,
    "freeze": False,
    "remember_locales": False,
    "compress_pages": True,
    "umask": 7,
}


def test_a_configuration_is_read_whole() -> None:
    """Every setting reaches the template."""
    expected = Configuration(
        generation=7,
        projects=ProjectSettings(env_paths=("/srv/x",), single_env=True, base_path="/b"),
        threads=2,
        preload=False,
        freeze=False,
        remember_locales=False,
        compress_pages=True,
        umask=7,
    )
    assert expected == parse_configure(CONFIGURE)
    served = parse_configure({**CONFIGURE, "application": "bench:app", "projects": {}, "later": "unknown"})
    assert "bench:app" == served.application


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": "fork"}, "must be configure, not 'fork'"),
        ({"projects": {"env_paths": []}}, "names no environment"),
        ({"projects": {"unknown": 1, "env_paths": ["/x"]}}, "does not fit.*unknown"),
        ({"threads": 0}, "threads must be 1 or more, not 0"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(change: dict[str, Any], told: str) -> None:
    """Two versions that do not fit together say so."""
    with pytest.raises(ValueError, match=told):
        parse_configure({**CONFIGURE, **change})
    with pytest.raises(ValueError, match="generation"):
        parse_configure({key: value for key, value in CONFIGURE.items() if key != "generation"})


def test_each_fork_gets_its_own_descriptors() -> None:
    """No worker gets another one's lane."""
    incoming = Incoming(2)
    incoming.feed(
        b'{"type": "fork", "worker": 1}\n{"type": "quit"}\n{"type": "fork", "worker": 2}\n', [10, 11, 12, 13]
    )
    assert ({"type": "fork", "worker": 1}, [10, 11]) == incoming.take()
    assert ({"type": "quit"}, []) == incoming.take()
    assert ({"type": "fork", "worker": 2}, [12, 13]) == incoming.take()
    assert incoming.take() is None


def test_missing_descriptors_are_seen() -> None:
    """A fork that lost its descriptors on the way is not given the next one's."""
    incoming = Incoming(2)
    incoming.feed(b'{"type": "fork", "worker": 1}\n', [10])
    assert ({"type": "fork", "worker": 1}, [10]) == incoming.take()


MESSAGES = [{"type": "fork", "worker": 1}, {"type": "quit"}, {"type": "fork", "worker": 2, "text": "\u00e9\n"}]


@given(st.lists(st.integers(0, 200), max_size=5), st.integers(1, 30))
def test_any_split_of_the_bytes_gives_the_same_messages(cuts: list[int], first: int) -> None:
    """Descriptors come with the first bytes of their message, in one piece or one by one."""
    incoming = Incoming(2)
    lines = [json.dumps(message).encode() + b"\n" for message in MESSAGES]
    data = b"".join(lines)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data)), len(lines[0]) + len(lines[1])})
    got: list[tuple[Any, list[int]]] = []
    for start, end in pairwise(edges):
        descriptors = {0: [10, 11], len(lines[0]) + len(lines[1]): [12, 13]}.get(start, [])
        incoming.feed(data[start:end], descriptors)
        while (taken := incoming.take()) is not None:
            got.append(taken)
    assert list(zip(MESSAGES, [[10, 11], [], [12, 13]], strict=True)) == got


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, ControlLink]]:
    """The front's end and the template's."""
    front, theirs = socket.socketpair()
    link = ControlLink(theirs.detach())
    yield front, link
    link.close()
    front.close()


def test_descriptors_arrive_and_programs_do_not_inherit_them(ends: tuple[socket.socket, ControlLink]) -> None:
    """A command started by a plugin cannot keep a lane open."""
    front, link = ends
    link.expect_forks(2)
    reading, writing = os.pipe()
    socket.send_fds(front, [b'{"type": "fork", '], [reading])
    socket.send_fds(front, [b'"worker": 3}\n'], [writing])
    while (taken := link.take()) is None:
        assert link.receive()
    message, descriptors = taken
    assert {"type": "fork", "worker": 3} == message
    assert [False, False] == [os.get_inheritable(fd) for fd in descriptors]
    os.write(descriptors[1], b"through")
    assert b"through" == os.read(reading, 10)
    for fd in (reading, writing, *descriptors):
        os.close(fd)


def test_the_first_message_is_taken_and_not_a_byte_more(ends: tuple[socket.socket, ControlLink]) -> None:
    """A template that starts itself anew loses nothing the front has sent meanwhile."""
    front, link = ends
    front.sendall(json.dumps(CONFIGURE).encode() + b'\n{"type": "quit"}\n')
    assert CONFIGURE == link.receive_first()
    assert link.receive()
    assert ({"type": "quit"}, []) == link.take()


def test_the_front_s_end_is_seen_without_reading(ends: tuple[socket.socket, ControlLink]) -> None:
    """A template that is busy opening environments notices that nobody wants it any more."""
    front, link = ends
    assert not link.front_has_gone()
    front.sendall(b"x")
    assert not link.front_has_gone()
    assert link.receive()
    front.close()
    assert link.front_has_gone()
    assert not link.receive()
    assert link.receive_first() is None
    link.send(type="forked", worker=1, pid=2)


def test_messages_to_the_front_are_lines(ends: tuple[socket.socket, ControlLink]) -> None:
    """A message with any text in it is one line."""
    front, link = ends
    link.send(type="failed", error="two\nlines \u00e9")
    data = front.recv(1000)
    assert 1 == data.count(b"\n")
    assert {"type": "failed", "error": "two\nlines \u00e9"} == json.loads(data)


def test_closing_the_link_closes_what_waits_in_it(ends: tuple[socket.socket, ControlLink]) -> None:
    """A worker does not hold the lanes of those that are forked after it."""
    front, link = ends
    link.expect_forks(2)
    ours, theirs = socket.socketpair()
    socket.send_fds(front, [b"{"], [theirs.fileno()])
    assert link.receive()
    theirs.close()
    link.close()
    assert b"" == ours.recv(1)
    ours.close()
