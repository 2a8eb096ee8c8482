"""How a journey ends: its answer is written, told of, and left.

Whatever the front has as a whole answer goes out here: pages of its own, static files that it knows, and pages that
were made for another stranger. What a worker answers comes to the same end (journey.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracd_cluster.errors import ClientFault, TracdClusterError
from tracd_cluster.front.admission import Admission
from tracd_cluster.front.body import Body
from tracd_cluster.front.cache import Page
from tracd_cluster.front.client import Client
from tracd_cluster.front.forms import Entry
from tracd_cluster.front.instead import Instead, kept_out
from tracd_cluster.front.known import from_disk, from_memory
from tracd_cluster.front.outflow import Outflow
from tracd_cluster.front.record import LEFT, Record
from tracd_cluster.front.rendering import NOBODY, Stranger
from tracd_cluster.front.reply import Reply
from tracd_cluster.front.robots import Robots
from tracd_cluster.traffic.buckets import NO_SLOT, Slot, leave

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front


class Answering:
    """The end of a journey; ``done`` is told to its connection exactly once, unless the client goes first."""

    __slots__ = (
        "_admission", "_body", "_client", "_flow", "_front", "_gone", "_instead", "_reply", "_slot", "_stranger",
        "ended", "no_body", "record",
    )  # fmt: skip

    def __init__(
        self, front: Front, client: Client, admission: Admission, record: Record, reply: Reply, no_body: bool
    ) -> None:
        self.ended = False
        self.no_body = no_body
        self.record = record
        self._front = front
        self._client = client
        self._admission = admission
        self._body: Body | None = None
        self._instead: Instead | None = None
        """What may take the place of a worker's answer."""
        self._reply = reply
        self._stranger: Stranger = NOBODY
        self._flow = Outflow(front, client)
        self._gone = False
        """The client has left, and a worker is still at it."""
        self._slot: Slot | tuple[()] = NO_SLOT
        """What it holds of what its client may have: from its way to a worker until no worker is at it any more."""

    @property
    def received(self) -> int:
        """How much of the body has come."""
        return self._body.size if self._body is not None else 0

    def drop_body(self) -> None:
        """Give up the request's body: it will not be sent any more."""
        if self._body is not None:
            self._body.close()

    def give(self, page: Page, by: str = "cache") -> None:
        """Answer with a page that was made for another stranger, or with one of the front's own."""
        self._slot = leave(self._slot)
        self.record.status, self.record.by = 200, by
        lines = self._reply.connection_line(self._front.draining) + self._client.standing.lasting
        self._finish(page.answer(self._front.now, lines, self.record.request_id, self.no_body))

    def _answer_page(self, error: TracdClusterError) -> None:
        """Answer with a page of the front's own, or with a stranger's older one: no worker is at it any more."""
        self._slot = leave(self._slot)
        self._stranger.leave(error)
        if self._gone:
            self.drop_body()
            return
        if (page := self._stranger.instead_of(error)) is not None:
            self.give(page)
            return
        if error.refused_for:
            self._front.refused[error.refused_for] += 1
        connection = self._reply.connection_line(self._front.draining)
        date_line = self._client.standing.lines
        self._finish(self._front.error_pages.told(error, self.record, date_line, connection))

    def _answer_instead(self, instead: Instead) -> None:
        """Answer with what takes the place of a worker's answer."""
        found = instead.instead(self._front.now, self._client.standing.date_line)
        if isinstance(found, ClientFault):
            self._answer_page(found)
        else:
            self.give(found, "front")

    def _tell_robots(self, robots: Robots) -> None:
        """Answer with our robots.txt."""
        self.give(robots.page(self._front.now, self._client.standing.date_line), "front")

    def _answers_robots(self) -> bool:
        """Answer with it, and say so, if there is no other; it may take the place of what a worker says of that."""
        robots, head = self._front.robots, self.record.head
        assert head is not None
        if robots is None or not robots.is_wanted(head.method, head.path):
            return False
        if robots.is_missing(self._front.now):
            self._tell_robots(robots)
            return True
        self._instead = robots
        return False

    def _kept_out(self) -> ClientFault | None:
        """Give what is answered if the page is not for everybody, and not for this client; None if it may be."""
        head = self.record.head
        assert head is not None
        found = kept_out(self._front, head, self._admission.user)
        if isinstance(found, ClientFault):
            return found
        self._instead = found
        return None

    def _answer_known(self, known: Entry) -> bool:
        """Answer with a static file whose address is known; say whether it is still there."""
        front, client, user = self._front, self._client, self._admission.user
        if not known.forms:
            sending = from_disk(front, client, known, self.record, user, self._file_sent)
            if sending is not None:
                sending.begin(self._reply)
            return sending is not None
        out = from_memory(front, client, known, self.record, self._reply, user)
        self.ended = True
        if client.paused:
            self._flow.put(out, None)  # requests behind this one wait until it has been read
        else:
            client.write(out)
            self._leave()
        return True

    def _file_sent(self, whole: bool) -> None:
        if whole:
            self.ended = True
            self._leave()
        else:
            self._break_off()

    def _finish(self, out: bytes) -> None:
        self.ended = True
        self.drop_body()
        self.record.sent += len(out)
        if self._flow.put(out, None):
            self._leave()

    def _leave(self) -> None:
        if self._body is not None:
            self._body.close()
        self._tell()
        self._client.done(self, self._reply.keep)

    def _tell(self, whole: bool = True) -> None:
        """Tell of this request, now that it has ended, whoever wants to know; once."""
        record, recorders = self.record, self._front.recorders
        if recorders and not record.ended:
            record.status = record.status or self._reply.status or LEFT
            record.user = self._admission.user
            record.received = self.received
            record.end(self._front.clock(), whole, recorders)

    def _break_off(self) -> None:
        self._slot = leave(self._slot)
        self._stranger.leave()
        self.ended = True
        self.drop_body()
        self._tell(whole=False)
        self._client.broken()
