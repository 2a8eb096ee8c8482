"""The whole journey of one request, in order: read it from top to bottom.

A journey begins with a checked head, is admitted or not (admission.py), keeps the body until it is complete, waits
for its login to be decided, claims a lane or waits in line for one, and hands the answer to its connection. What its
worker does wrong it turns into a retry or an error page. A stranger's may be given what is made for another one
(rendering.py).

Note [Sent again]. A request whose worker is lost goes to another worker if that cannot do anything twice: no byte
of the answer had come, and either the method is safe or no byte of the request had left. Each worker that a request
has reached and lost counts; the second is its last, for the request may be what kills them. A request that cannot
be sent again gets 502 and a line in the log, because nobody knows whether the worker had carried it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from tracd_cluster.balancer import Lane, Waiting
from tracd_cluster.errors import (
    AnswerTimeout,
    ClientFault,
    LineFault,
    MalformedAnswer,
    TooMany,
    TracdClusterError,
    WorkerFault,
)
from tracd_cluster.front import pages
from tracd_cluster.front.admission import admit
from tracd_cluster.front.answering import Answering
from tracd_cluster.front.body import Body
from tracd_cluster.front.client import Client
from tracd_cluster.front.head import Head
from tracd_cluster.front.record import Record
from tracd_cluster.front.rendering import NOBODY, Traveller
from tracd_cluster.front.reply import Reply
from tracd_cluster.front.sending import sending_of
from tracd_cluster.traffic.buckets import leave
from tracd_cluster.traffic.place import STRANGERS, Place
from tracd_cluster.traffic.robots import PATH as ROBOTS
from tracd_cluster.upstream.framing import AnswerReader
from tracd_cluster.upstream.lane import Exchange

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

log = Logger()

MOST_WORKERS = 2
"""How many workers one request may cost."""


class Journey(Answering):
    """One request and its answer; ``complete`` says that the body is all there."""

    __slots__ = ("_lane", "_limit", "_lost", "complete", "head", "place", "queue_deadline", "since")

    def __init__(self, front: Front, client: Client, head: Head) -> None:
        """Admit a request by its head; raise ClientFault if its body is not even to be read."""
        self.head = head
        self.complete = False
        self.queue_deadline = 0.0
        self.place = STRANGERS
        """Worked out when a worker is needed, and not before."""
        self.since = 0.0
        """When its present worker got it, or when it got in line for one."""
        self._lane: Lane | None = None
        self._limit = 0.0
        self._lost = 0
        admission = admit(front, client, head)
        request_id = admission.request_id or front.new_id()
        head.lines.append(b"X-Request-ID: %b\r\n" % request_id)
        record = Record(front.clock(), admission.origin.address, head, request_id)
        reply = Reply(
            head, request_id, head.keep_alive and front.keep_alive, front.harden_cookies, admission.origin.scheme
        )
        super().__init__(front, client, admission, record, reply, head.method == b"HEAD")

    def __str__(self) -> str:
        user = f", user {self._admission.user.decode('ascii')}" if self._admission.user else ""
        request_id = self.record.request_id.decode("ascii")
        return f"{self.head.method.decode('ascii')} {self.head.target.decode('latin-1')}{user} [{request_id}]"

    # -- the request

    def body_piece(self, data: bytes) -> None:
        """Keep a piece of the body; raise ClientFault when there is too much of it or no room."""
        if self._body is None:
            memory = self._front.body_memory
            # What will not stay in memory does not begin there: a slow client would hold all of it for long.
            self._body = Body(memory if self.head.length <= memory else 0, self._front.spool)
        self._body.take(data, self._front.max_body, keep=self._admission.own is None)

    def run(self) -> None:
        """Go on with a request that is complete: answer it, have its login decided, or claim a lane for it."""
        admission = self._admission
        if admission.own is not None:
            self._answer_page(admission.own)
        elif admission.health is not None or self.head.path == b"*":
            lines = self._client.standing.lines + self._reply.connection_line(self._front.draining)
            self.record.status, out = pages.of_ourselves(admission.health, lines, self.no_body)
            self._finish(out)
        elif admission.robots is not None:
            self._tell_robots(admission.robots)
        elif admission.attempt is not None:
            # The gate's own limits bound this wait.
            self._client.deadline = self._front.never
            admission.attempt.begin(self._decided)
        else:
            self._claim()

    def _decided(self, found: bytes | ClientFault) -> None:
        """Go on once it is known who the client is, or that it must not go on."""
        self._admission.attempt = None
        if isinstance(found, ClientFault):
            self._answer_page(found)
        else:
            self._admission.user = found
            self._claim()

    def _claim(self) -> None:
        """Answer with a static file that is known, or as another stranger is answered, or claim a lane."""
        front = self._front
        known = front.learned.find(self.head, front.now)
        if known is not None and self._answer_known(known):
            return
        if self.head.path == ROBOTS and self._answers_robots():
            return
        if front.policies.guarded and (fault := self._kept_out()) is not None:
            self._answer_page(fault)
            return
        self.queue_deadline = front.now + front.queue_timeout
        if front.strangers is not None and not self._admission.user:
            self._stranger = front.strangers.meet(self, self._client, self.head, self._admission.origin.scheme)
        if self._stranger is NOBODY or not self._stranger.is_served():
            self.claim()

    def find_place(self) -> Place:
        """Work out where it stands in line."""
        return self._front.places.of(self.head, self._admission.user, self._front.now)

    def rise(self, place: Place) -> None:
        """Stand further to the front: somebody who belongs there waits for the same page."""
        self._front.balancer.rise(self, place)

    def claim(self, again: bool = False) -> None:
        """Claim a lane, or wait in line for one; ``again`` at its head."""
        balancer = self._front.balancer
        if not again:
            self.since = self._front.clock()
            self.record.place = self.place = self._front.places.of(self.head, self._admission.user, self._front.now)
        try:
            if not again and not self.place.known and self._front.door is not None:
                self._slot = self._front.door.enter(self._admission.origin.address, self.head, self.since)
            lane = balancer.claim_first(self) if again else balancer.claim(self)
        except (LineFault, TooMany) as error:
            self._answer_page(error)
        else:
            if lane is not None:
                self.lane_given(lane)
            else:
                self._client.deadline = self._front.never

    def lane_given(self, lane: Lane) -> None:
        """Send the request on the lane that is now claimed for it."""
        body = self._body
        self._lane = lane
        record = self.record
        now = self._front.clock()
        record.line_seconds += now - self.since
        record.by = "worker"
        record.worker = lane.name
        record.generation = lane.generation
        self.since = now
        self._limit = limit = self._front.time_limits.of(self.head.target)
        self._client.deadline = self._front.now + limit
        admission = self._admission
        size = body.size if body is not None else 0
        lane.send(self, lane.request_head(self.head, admission.origin, admission.user, size), body)

    def line_failed(self, error: TracdClusterError) -> None:
        """Tell the client that no worker took the request; who waits for the same page goes on without it."""
        self._stranger.leave()
        self._answer_page(error)

    def told(self) -> tuple[str, str, str, float]:
        """Say what its worker is asked: method, path, user, and since when."""
        user = self._admission.user.decode("utf-8", "replace")
        return self.head.method.decode("ascii"), self.head.path.decode("latin-1"), user, self.since

    # -- the answer

    def answer(self, reader: AnswerReader) -> None:
        """Hand on what has come of the worker's answer."""
        if not reader.status or self.ended:
            return
        pieces = reader.take()
        if self._slot and reader.ended and (self._gone or not reader.file):
            self._slot = leave(self._slot)
        if reader.user is not None:
            user, reader.user = reader.user, None
            if not self._admission.user:
                self._front.places.told(self.head, user, self.since, self._front.clock())
        if self._stranger is not NOBODY:
            self._stranger.add(reader, pieces, self._reply.cookies)
        if self._gone:
            if reader.ended:
                self._lane = None
                self._stranger.leave()
                self.drop_body()
                self._front.abandoned.pop(self, None)
            return
        self._client.deadline = self._front.now + self._limit
        if self._instead is not None and self._instead.fits(reader):
            if reader.ended:
                self._lane = None
                self.record.worker_seconds += self._front.clock() - self.since
                self._answer_instead(self._instead)
            return
        if reader.file and reader.ended:
            self._send_file(reader)
            return
        if self._reply.begun:
            out = self._reply.go_on(pieces, reader.ended)
        else:
            if reader.status == 200:
                # Here, because how long all of it takes may be the client's doing.
                self._front.policies.took(self.head.target, self._front.clock() - self.since)
            out = self._reply.begin(reader, pieces, self._client.standing, self._front.draining)
        self.record.sent += len(out)
        if reader.ended:
            self._lane = None
            if self._body is not None:
                self._body.close()  # however long the client takes to read
            self.record.worker_seconds += self._front.clock() - self.since
            if reader.failed:
                self._break_off()
                return
        self.ended = reader.ended
        if self._flow.put(out, self._lane) and reader.ended:
            self._leave()

    def client_resumed(self) -> None:
        """Go on writing: the client has taken what was written."""
        if self._flow.resume(self._lane) and self.ended:
            self._leave()

    def _send_file(self, reader: AnswerReader) -> None:
        """Send the file that the worker has named, or have its bytes from a worker if it is not there any more."""
        self._lane = None
        now = self._front.clock()
        self.record.worker_seconds += now - self.since
        self.since = now
        try:
            sending = sending_of(self._front, self._client, self.record, reader, self._file_sent)
        except MalformedAnswer as error:
            self._answer_page(error)
            return
        if sending is None:
            self.claim(again=True)
        else:
            self._slot = leave(self._slot)
            if reader.status == 200:
                self._front.learned.learn(self.head, self._admission, reader.file, reader.fields)
            sending.begin(self._reply)

    # -- what goes wrong

    def worker_lost(self, error: WorkerFault, written: int, answered: bool) -> None:
        """Send the request to another worker, or tell the client (Note [Sent again])."""
        lane, self._lane = self._lane, None
        now = self._front.clock()
        self.record.worker_seconds += now - self.since
        self.since = now
        if written and lane is not None:
            self._front.balancer.request_lost(lane, str(self))
        if self._gone or self.ended:
            self._slot = leave(self._slot)
            self._stranger.leave()
            self.drop_body()
            self._front.abandoned.pop(self, None)
            return
        self._lost += written > 0
        if not answered and (written == 0 or (self.head.safe and self._lost < MOST_WORKERS)):
            if (page := self._stranger.for_want_of_workers()) is not None:
                self.give(page)
            else:
                self.claim(again=True)
        elif self._reply.begun:
            self._break_off()
        else:
            if not self.head.safe:
                log.error(
                    "{request} was under way when its worker was lost: it is not known whether it was done",
                    request=str(self),
                )
            self._answer_page(error)

    def timed_out(self) -> None:
        """Give up a client that does not read, or a worker that has run past the deadline."""
        if self._client.paused and not self._gone:
            if not self._client.taking():
                self._client.broken()
            return
        lane, self._lane = self._lane, None
        if lane is None:
            self._stranger.waited_long()
            return
        self.record.worker_seconds += self._front.clock() - self.since
        limit = self._limit
        self._front.policies.took(self.head.target, limit)
        error = AnswerTimeout(f"it took longer than {limit:g} s for one request")
        late = f"{self} took longer than {limit:g} s"
        log.error("{worker}: {late}", worker=lane.name, late=late)
        self._front.balancer.request_hung(lane, late)
        if self._reply.begun:
            self._break_off()
        else:
            self._answer_page(error)
        lane.give_up(error)

    def client_gone(self) -> None:
        """Forget the client: leave the line; a worker that is already at it ends in peace, within its deadline."""
        if self.record.ended:
            return
        self._tell(whole=False)
        if self.ended:
            return
        self._gone = True
        self._flow.drop()
        if self._admission.attempt is not None:
            self._admission.attempt.take_back()
        self._front.balancer.leave(self)
        if self._lane is not None:
            self._front.abandoned[self] = self._front.now + self._limit
            self._lane.resume()
        else:
            self.drop_body()
            self._slot = leave(self._slot)
            self._stranger.leave()


_: type[Waiting] = Journey
__: type[Exchange] = Journey
___: type[Traveller] = Journey
