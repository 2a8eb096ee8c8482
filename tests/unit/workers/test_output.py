"""What processes print, line by line."""

from __future__ import annotations

import os
from typing import Any

import pytest
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from tests.fakes import FakeReactor
from tracd_cluster.workers.output import LINE_LIMIT, STACK_LINES, PipeReader, Tail


class Bench:
    """A pipe, its reader, and the lines that came."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tail = Tail(self.lines.append)
        reactor: Any = FakeReactor()
        self.reactor = reactor
        reading, self.writing = os.pipe()
        self.reader = PipeReader(reading, "worker 1", self.tail, reactor)


def test_lines_are_put_together_from_pieces() -> None:
    """A log line is a line."""
    lines: list[str] = []
    tail = Tail(lines.append)
    tail.feed(b"one\r\ntw")
    tail.feed(b"o\n\n  \nthr")
    assert ["one", "two"] == lines
    tail.finish()
    assert ["one", "two", "thr"] == lines
    tail.finish()
    assert ["one", "two", "thr"] == lines


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_without_end_is_broken(end: bytes) -> None:
    """A plugin that prints a megabyte fills neither the memory nor one line of the log."""
    lines: list[str] = []
    tail = Tail(lines.append)
    tail.feed(b"x" * (2 * LINE_LIMIT + 5) + end)
    tail.finish()
    assert [LINE_LIMIT, LINE_LIMIT, 5] == [len(line) for line in lines]


def test_odd_bytes_are_shown_harmlessly() -> None:
    """What a client can make a process print must not steer the operator's terminal."""
    lines: list[str] = []
    Tail(lines.append).feed(b"caf\xc3\xa9 \xff\ttab \x1b[2J \xc2\x9b1m\n")
    assert ["café \ufffd\ttab \\x1b[2J \\x9b1m"] == lines


def test_of_a_stack_the_beginning_is_kept() -> None:
    """There the innermost calls stand; all of it is in the log."""
    lines: list[str] = []
    tail = Tail(lines.append)
    tail.feed(b"before\n")
    tail.expect_stack()
    tail.feed(b"".join(b"call %d\n" % number for number in range(STACK_LINES + 5)))
    assert ("call 0", STACK_LINES) == (tail.last_words[0], len(tail.last_words))
    assert STACK_LINES + 6 == len(lines)


def test_the_last_twenty_lines_are_kept() -> None:
    """Enough for the foot of a traceback."""
    tail = Tail(lambda line: None)
    tail.feed(b"".join(b"%d\n" % number for number in range(30)))
    assert tuple(str(number) for number in range(10, 30)) == tail.last_words


def test_a_pipe_is_read_until_its_end() -> None:
    """The end is the reactor's to tell."""
    bench = Bench()
    assert bench.reader.doRead() is None
    os.write(bench.writing, b"hello\nlast")
    assert bench.reader.doRead() is None
    os.close(bench.writing)
    assert CONNECTION_DONE is bench.reader.doRead()
    bench.reader.connectionLost(Failure(CONNECTION_DONE))  # type: ignore[no-untyped-call]
    assert ["hello", "last"] == bench.lines
    assert (-1, set()) == (bench.reader.fileno(), bench.reactor.readers)
    bench.reader.close()


def test_closing_takes_what_is_still_in_the_pipe() -> None:
    """The last words of a crash are often read after the news of it."""
    bench = Bench()
    os.write(bench.writing, b"Traceback\nboom\n")
    bench.reader.close()
    assert ("Traceback", "boom") == bench.tail.last_words
    assert (-1, set()) == (bench.reader.fileno(), bench.reactor.readers)
    with pytest.raises(BrokenPipeError):
        os.write(bench.writing, b"x")
    os.close(bench.writing)
