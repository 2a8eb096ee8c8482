"""Questions of the front's own: which file a stranger gets at an address that a browser with cookies has asked for.

Note [One at a time]. There is one question at a time, at the end of the line like anybody's request: it delays nobody
by more than one small file. To wait for a lane that nobody wants would be politer, and on a busy server it would be
for ever; then every static file would go on taking workers from pages, where it is needed most that they do not.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from twisted.logger import Logger

from tracd_cluster.balancer import Lane, Waiting
from tracd_cluster.errors import AnswerTimeout, LineFault, TracdClusterError, WorkerFault
from tracd_cluster.front.admission import Admission, Origin
from tracd_cluster.front.head import Head
from tracd_cluster.traffic.place import VISITORS
from tracd_cluster.upstream.framing import AnswerReader
from tracd_cluster.upstream.lane import Exchange

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

log = Logger()

AGAIN = 60.0
"""Seconds after which an address may be asked for again that has taught nothing."""

REMEMBERED = 1000
"""Addresses that have been asked for, or are to be."""


class Asking:
    """Asks for addresses, one after another."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._wanted: OrderedDict[bytes, tuple[bytes | None, Origin]] = OrderedDict()
        self._asked: OrderedDict[bytes, float] = OrderedDict()
        self._question: Question | None = None

    def __repr__(self) -> str:
        return f"<Asking {self._question!r}, {len(self._wanted)} wanted>"

    def want(self, path: bytes, host: bytes | None, origin: Origin) -> None:
        """Ask for an address at this host, as a stranger who comes from the same place."""
        if self._asked.get(path, 0.0) > self._front.now or path in self._wanted or len(self._wanted) >= REMEMBERED:
            return
        self._wanted[path] = host, origin
        self._next()

    def ended(self) -> None:
        """Go on with the next one."""
        self._question = None
        self._next()

    def open_again(self, path: bytes) -> None:
        """Go on, after one that may be wanted again at once: no worker was asked, or its answer was of use."""
        self._asked.pop(path, None)
        self.ended()

    def forget(self) -> None:
        """Let everything be asked for again: workers may have another answer."""
        self._asked.clear()

    def _next(self) -> None:
        front = self._front
        while self._wanted and self._question is None:
            path, (host, origin) = self._wanted.popitem(last=False)
            self._asked[path] = front.now + AGAIN
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
            fields = [(b"Host", host)] if host is not None else []
            head = Head(b"GET", "1.1" if fields else "1.0", path, fields)
            self._question = question = Question(front, self, head, origin)
            question.begin()


class Question:
    """One request that no client waits for."""

    no_body = False
    place = VISITORS
    """A browser with cookies has asked for the file, and will again."""

    def __init__(self, front: Front, asking: Asking, head: Head, origin: Origin) -> None:
        self.queue_deadline = front.now + front.queue_timeout
        self._front = front
        self._asking = asking
        self._head = head
        self._origin = origin
        self._lane: Lane | None = None
        self._since = 0.0
        self._limit = 0.0

    def __repr__(self) -> str:
        return f"<Question {self}>"

    def __str__(self) -> str:
        return f"GET {self._head.target.decode('latin-1')}, to learn of a static file"

    def begin(self) -> None:
        """Claim a lane, or get in line for one."""
        try:
            lane = self._front.balancer.claim(self)
        except LineFault:
            self._asking.open_again(self._head.path)
        else:
            if lane is not None:
                self.lane_given(lane)

    def lane_given(self, lane: Lane) -> None:
        """Ask."""
        front = self._front
        self._lane = lane
        self._since = front.now
        self._limit = front.time_limits.of(self._head.target)
        front.abandoned[self] = front.now + self._limit
        lane.send(self, lane.request_head(self._head, self._origin, b"", 0), None)

    def line_failed(self, error: TracdClusterError) -> None:
        """Leave it: a browser will ask again."""
        self._asking.open_again(self._head.path)

    def told(self) -> tuple[str, str, str, float]:
        """Say what its worker is asked."""
        return "GET", self._head.path.decode("latin-1"), "", self._since

    def answer(self, reader: AnswerReader) -> None:
        """Learn from the answer, if it is a file."""
        reader.take()
        if not reader.ended or self._lane is None:
            return
        self._lane = None
        self._front.abandoned.pop(self, None)
        if reader.status == 200 and reader.file:
            learned = self._front.learned
            learned.learn(self._head, Admission(self._origin), reader.file, reader.fields)
            if learned.knows(self._head.path):
                self._asking.open_again(self._head.path)
                return
        self._asking.ended()

    def worker_lost(self, error: WorkerFault, written: int, answered: bool) -> None:
        """Leave it, and tell who counts what workers die of."""
        lane, self._lane = self._lane, None
        self._front.abandoned.pop(self, None)
        if lane is not None:
            if written:
                self._front.balancer.request_lost(lane, str(self))
            self._asking.ended()

    def timed_out(self) -> None:
        """Give up a worker that has run past the deadline."""
        lane, self._lane = self._lane, None
        if lane is None:
            return
        late = f"{self} took longer than {self._limit:g} s"
        log.error("{worker}: {late}", worker=lane.name, late=late)
        self._front.balancer.request_hung(lane, late)
        lane.give_up(AnswerTimeout(f"it took longer than {self._limit:g} s for one request"))
        self._asking.ended()


_: type[Waiting] = Question
__: type[Exchange] = Question
