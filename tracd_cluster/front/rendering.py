"""One rendering of a page for all strangers who ask for it at the same time, and the table of those under way.

Ownership and lifetime. A rendering begins with the stranger who *leads* it, whose journey goes on as any other: it
claims a lane, or waits in line for one. Those who ask for the same meanwhile *follow*: they have no lane and stand in
no line. It ends once, and then nobody refers to it any more, in one of four ways:

- the page may be shared: it is kept, and every follower is given it;
- it may not: every follower claims a lane of its own, and for a while nobody follows that page any more;
- its leader is gone, or refused, or has lost its workers: the followers begin again, the first of them leads;
- it has taken too long: that is every follower's answer too, unless there is an older page.

A follower that leaves, or that has waited too long while its leader stands in line, is merely taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import AnswerTimeout, ClientFault, LineTimeout, TracdClusterError
from tracd_cluster.front.cache import Asked, Page, PageCache, fields_to_keep, is_for_anybody, key_of
from tracd_cluster.front.client import Client
from tracd_cluster.front.reply import Standing
from tracd_cluster.rewrite.cookies import Cookies
from tracd_cluster.rewrite.headers import Field, answer_head
from tracd_cluster.settings.cache import CacheSettings
from tracd_cluster.traffic.place import Place
from tracd_cluster.upstream.framing import AnswerReader

NEVER = float("inf")


class Traveller(Protocol):
    """A journey, as far as it may be a stranger's."""

    no_body: bool
    queue_deadline: float
    place: Place

    def give(self, page: Page) -> None:
        """Answer with this page."""

    def claim(self) -> None:
        """Claim a lane."""

    def find_place(self) -> Place:
        """Work out where it stands in line."""

    def rise(self, place: Place) -> None:
        """Stand further to the front."""

    def line_failed(self, error: TracdClusterError) -> None:
        """Tell the client that there will be no page, for this reason."""


class Rendering:
    """A page that is being made for ``leader``; ``workers`` are those who make it, as the balancer counts them."""

    __slots__ = ("_body", "_fields", "_followers", "_secrets", "_size", "_strangers", "_workers", "key", "leader")

    def __init__(self, strangers: Strangers, key: bytes, leader: Stranger, workers: int) -> None:
        self.key = key
        self.leader = leader
        self._strangers = strangers
        self._workers = workers
        self._followers: dict[Stranger, None] = {}
        self._fields: list[Field] | None = None
        """Those that may be kept, as soon as the head of the answer is there."""
        self._secrets: Sequence[bytes] = ()
        self._body: list[bytes] = []
        self._size = 0

    def __repr__(self) -> str:
        return f"<Rendering {self.key!r}, {len(self._followers)} follow>"

    def join(self, stranger: Stranger) -> None:
        """Let one more follow; nobody waits longer for it than in a place of his own."""
        self._followers[stranger] = None
        leader, place = self.leader.journey, stranger.journey.find_place()
        if place.level < leader.place.level:
            leader.rise(place)

    def left(self, stranger: Stranger, error: TracdClusterError | None) -> None:
        """Go on without one of those who wait; if it is the leader, end; ``error`` is why, if not of its own will."""
        if stranger is not self.leader:
            self._followers.pop(stranger, None)
            return
        for follower in self._end():
            if isinstance(error, AnswerTimeout):
                follower.journey.line_failed(error)
            else:
                follower.seek()

    def add(self, reader: AnswerReader, pieces: list[bytes], cookies: Cookies, standing: Standing, now: float) -> None:
        """Take what has come of the answer."""
        largest = self._strangers.pages.settings.largest
        if self._fields is None:
            found = fields_to_keep(reader.status, reader.fields, largest)
            if found is None:
                self._not_shared(reader.status, now)
                return
            self._fields, self._secrets = found
        self._body += pieces
        self._size += sum(map(len, pieces))
        if self._size > largest:
            self._not_shared(reader.status, now)
        elif reader.ended and not reader.failed:
            body = b"".join(self._body)
            if is_for_anybody(self._fields, self._secrets, body, largest):
                length = b"Content-Length: %d\r\n" % len(body)
                date = standing.date_line
                head = answer_head(reader.status, reader.reason, self._fields, length, date, b"", cookies)
                self._shared(Page(head[:-2], body, now, self._workers))
            else:
                self._not_shared(reader.status, now)

    def _shared(self, page: Page) -> None:
        self._strangers.pages.keep(self.key, page)
        for follower in self._end():
            follower.journey.give(page)

    def _not_shared(self, status: int, now: float) -> None:
        if status < 500:  # which tells of this moment, and not of the page
            self._strangers.pages.pass_by(self.key, now)
        for follower in self._end():
            follower.journey.claim()

    def _end(self) -> list[Stranger]:
        """Be nobody's any more, and give those who have followed."""
        self._strangers.ended(self)
        followers = list(self._followers)
        self._followers.clear()
        for stranger in (self.leader, *followers):
            stranger.rendering = None
        return followers


class Stranger:
    """A journey that may be given another one's page; ``rendering`` is what it leads or follows."""

    __slots__ = ("_client", "_key", "_strangers", "journey", "rendering")

    def __init__(self, strangers: Strangers, key: bytes, journey: Traveller, client: Client) -> None:
        self.journey = journey
        self.rendering: Rendering | None = None
        self._client = client
        self._key = key
        self._strangers = strangers

    def is_served(self) -> bool:
        """Say whether it is given a page, now or when the rendering that it follows is done; else it may lead one."""
        journey, strangers = self.journey, self._strangers
        page = strangers.at_once(self._key)
        if page is not None:
            journey.give(page)
            return True
        if journey.no_body:
            return False
        self.rendering = rendering = strangers.rendering(self._key, self)
        if rendering is None or rendering.leader is self:
            return False
        rendering.join(self)
        self._client.deadline = journey.queue_deadline
        return True

    def seek(self) -> None:
        """Begin again: the rendering that was followed has come to nothing."""
        if not self.is_served():
            self.journey.claim()

    def add(self, reader: AnswerReader, pieces: list[bytes], cookies: Cookies) -> None:
        """Take what has come of its own answer, for those who follow, and those who come soon."""
        if self.rendering is not None:
            self.rendering.add(reader, pieces, cookies, self._client.standing, self._strangers.clock())

    def leave(self, error: TracdClusterError | None = None) -> None:
        """Have no part in the rendering any more; ``error`` is why, if not of its own will."""
        rendering, self.rendering = self.rendering, None
        if rendering is not None:
            rendering.left(self, error)

    def instead_of(self, error: TracdClusterError) -> Page | None:
        """Give the page that was good a while ago, where it is not the client who is to blame."""
        return None if isinstance(error, ClientFault) else self._strangers.stale(self._key)

    def for_want_of_workers(self) -> Page | None:
        """Give the page that was good a while ago if there is nobody to make a new one, and wait for none."""
        page = self._strangers.at_once(self._key) if self._strangers.deserted else None
        if page is not None:
            self.leave()
        return page

    @property
    def in_line(self) -> bool:
        """Tell whether it waits for a worker, which nothing bounds but the line itself."""
        return self._client.deadline == NEVER

    def waited_long(self) -> None:
        """Wait no longer for a leader that stands in line itself; one that has a worker has a limit of its own."""
        rendering = self.rendering
        if rendering is not None and rendering.leader.in_line:
            self.journey.line_failed(LineTimeout("no worker became free in time"))
        elif rendering is not None:
            self._client.deadline = NEVER


class _Nobody(Stranger):
    """What a journey is that shares nothing."""

    def __init__(self) -> None:
        """Refer to nobody."""

    def leave(self, error: TracdClusterError | None = None) -> None:
        """Leave nothing."""

    def instead_of(self, error: TracdClusterError) -> None:
        """Have nothing to give."""

    def for_want_of_workers(self) -> None:
        """Have nothing to give."""

    def waited_long(self) -> None:
        """Wait for nothing."""


NOBODY = _Nobody()


class Strangers:
    """What is kept for strangers, and what is being made for them; ``on`` says whether anything is."""

    def __init__(self, settings: CacheSettings, balancer: Balancer, clock: Callable[[], float]) -> None:
        self.pages = PageCache(settings)
        self.on = settings.period > 0
        self.clock = clock
        self._balancer = balancer
        self._renderings: dict[bytes, Rendering] = {}

    def __repr__(self) -> str:
        return f"<Strangers, {len(self._renderings)} renderings, {self.pages!r}>"

    def take(self, settings: CacheSettings) -> None:
        """Go by these settings from now on."""
        self.on = settings.period > 0
        self.pages.take(settings)

    def meet(self, journey: Traveller, client: Client, head: Asked, scheme: bytes) -> Stranger:
        """Look at a journey, and give the stranger that it is, or nobody."""
        key = key_of(head, scheme) if self.on else None
        return Stranger(self, key, journey, client) if key is not None else NOBODY

    @property
    def deserted(self) -> bool:
        """Tell whether there is no worker at all."""
        return not self._balancer.available

    def at_once(self, key: bytes) -> Page | None:
        """Give a page that is good, or while there is no worker at all, one that was."""
        page = self.pages.fresh(key, self.clock(), self._balancer.changes)
        return self.stale(key) if page is None and self.deserted else page

    def stale(self, key: bytes) -> Page | None:
        """Give a page that was good a while ago."""
        return self.pages.stale(key, self.clock())

    def rendering(self, key: bytes, stranger: Stranger) -> Rendering | None:
        """Give the rendering under way, or a new one led by this stranger; None for a page that is never shared."""
        rendering = self._renderings.get(key)
        if rendering is None and not self.pages.is_passed(key, self.clock()):
            rendering = self._renderings[key] = Rendering(self, key, stranger, self._balancer.changes)
        return rendering

    def ended(self, rendering: Rendering) -> None:
        """Take note that a rendering has ended."""
        del self._renderings[rendering.key]
