"""Nonces: numbers that the front gives out for one use each, and knows again without keeping them.

A nonce carries its time of issue, random bytes, and a code that only holders of the secret can make (RFC 7616
section 5.4). It costs no memory until somebody has proven with it that they know a password; from then on its
counts are remembered, so that nothing that was seen on the wire can be sent a second time (RFC 7616 section 5.5).
"""

from __future__ import annotations

import hmac
import math
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from enum import Enum
from struct import Struct

WINDOW = 128
"""Counts below the highest that are still taken: a browser sends some six requests at once, over HTTP/2 a hundred."""

AHEAD = 5.0
"""Seconds by which the clock of another front with the same secret may be ahead of ours."""

_TIME = Struct(">d")
_RANDOM_SIZE = 9
"""Bytes. Two clients with one nonce would take each other's counts; with 72 bits that does not happen."""
_CODE_SIZE = 16
"""Bytes: 128 bits, as RFC 2104 section 5 wants at least. All in all 33, which base64 needs no padding for."""
_SHAPE = re.compile(rb"[A-Za-z0-9_-]{44}\Z")


class Standing(Enum):
    """What a nonce is to us."""

    FRESH = "ours and within its life"
    STALE = "ours, but too old, or from before we can tell what was used"
    FOREIGN = "not ours, or ours for something else"


class _Counts:
    """The counts used with one nonce: bit ``i`` of ``seen`` tells of the count ``highest - i``.

    ``user`` is who has proven a password with it first.
    """

    __slots__ = ("highest", "issued", "seen", "user")

    def __init__(self, issued: float, user: str) -> None:
        self.issued = issued
        self.user = user
        self.highest = 0
        self.seen = 0

    def take(self, count: int) -> bool:
        ahead = count - self.highest
        if ahead > 0:
            # A count has 32 bits, and a shift by as many would make an integer of half a gigabyte.
            self.seen = 1 if ahead >= WINDOW else (self.seen << ahead | 1) & ((1 << WINDOW) - 1)
            self.highest = count
            return True
        bit = 1 << -ahead if -ahead < WINDOW else 0
        if not bit or self.seen & bit:
            return False
        self.seen |= bit
        return True


class Nonces:
    """Issues nonces, tells its own from others, and lets each count of each nonce through once.

    ``secret`` is drawn anew at each start, unless several fronts share it; what one of them issued is fresh for all.
    They do not share what was used: a response that one front took can be sent once to each of the others, with the
    same method and target, while its nonce lives. ``started`` is the time of the start. All times are seconds of the
    wall clock, because fronts have no other in common; ``lifetime`` is in seconds. Its end is seldom noticed: the
    client is told "stale" and repeats its request with a new nonce, without asking anybody.

    Lifetime. A nonce enters the table with the first response that was proven right, so that strangers cannot fill
    it. It leaves at the head, where those used first stand: when it has expired, or for another when ``limit`` are
    there. With each that leaves, the floor rises to its time of issue, and what was issued up to the floor is never
    fresh again, whatever the clock does. So every nonce that was ever used is in the table or not above the floor.
    """

    def __init__(
        self,
        secret: bytes,
        started: float,
        lifetime: float = 300.0,
        limit: int = 10_000,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.lifetime = lifetime
        self.limit = limit
        self._secret = secret
        self._random = random
        # What was issued with this secret before the start may have been used then; the moment of the start is ours.
        self._floor = math.nextafter(started, -math.inf)
        self._used: dict[bytes, _Counts] = {}

    def __repr__(self) -> str:
        return f"<Nonces {len(self._used)} of {self.limit} in use>"

    def issue(self, realm: str, algorithm: bytes, now: float) -> bytes:
        """Make a nonce that is good for this realm and algorithm."""
        body = _TIME.pack(now) + self._random(_RANDOM_SIZE)
        return urlsafe_b64encode(body + self._code(body, realm, algorithm))

    def judge(self, nonce: bytes, realm: str, algorithm: bytes, now: float) -> Standing:
        """Tell whether a nonce was issued for this realm and algorithm, and whether it may still be used."""
        if _SHAPE.match(nonce) is None:
            return Standing.FOREIGN
        raw = urlsafe_b64decode(nonce)
        body, code = raw[:-_CODE_SIZE], raw[-_CODE_SIZE:]
        if not hmac.compare_digest(code, self._code(body, realm, algorithm)):
            return Standing.FOREIGN
        return Standing.FRESH if self._lives(_issued(nonce), now) else Standing.STALE

    def proven(self, nonce: bytes, user: str) -> bool:
        """Tell whether this user has shown with this nonce that they know their password."""
        counts = self._used.get(nonce)
        return counts is not None and counts.user == user

    def use(self, nonce: bytes, count: int, now: float, user: str = "") -> bool:
        """Take a count of a nonce, which must be ours; False if it was taken before, or could have been.

        Call it only for a response that ``user`` was proven right by. Counts may come out of order, as they do over
        several connections, but not more than WINDOW below the highest.
        """
        issued = _issued(nonce)
        self._drop_expired(now)
        if count < 1 or not self._lives(issued, now):
            return False
        counts = self._used.get(nonce)
        if counts is None:
            if len(self._used) >= self.limit:
                self._drop_head()
                if not self._lives(issued, now):
                    return False
            counts = self._used[nonce] = _Counts(issued, user)
        return counts.take(count)

    def check_invariants(self) -> None:
        """Raise AssertionError unless the table is bounded and each record can tell what was used."""
        assert len(self._used) <= self.limit
        for nonce, counts in self._used.items():
            assert counts.issued == _issued(nonce)
            assert counts.highest >= 1
            assert counts.seen & 1, "the highest count is a used one"
            assert counts.seen.bit_length() <= min(WINDOW, counts.highest), "no count below 1 is a used one"

    def _lives(self, issued: float, now: float) -> bool:
        return issued > self._floor and now - self.lifetime <= issued <= now + AHEAD

    def _drop_expired(self, now: float) -> None:
        # One whose head is not expired waits behind it, for a lifetime at most.
        while self._used:
            head = next(iter(self._used.values()))
            if head.issued >= now - self.lifetime:
                return
            self._drop_head()

    def _drop_head(self) -> None:
        head = self._used.pop(next(iter(self._used)))
        self._floor = max(self._floor, head.issued)

    def _code(self, body: bytes, realm: str, algorithm: bytes) -> bytes:
        # The body has one size and no algorithm a NUL: no two sets of parts give the same message.
        message = b"tracd-cluster nonce\0%b%b\0%b" % (body, algorithm, realm.encode())
        return hmac.digest(self._secret, message, "sha256")[:_CODE_SIZE]


def _issued(nonce: bytes) -> float:
    issued: float = _TIME.unpack_from(urlsafe_b64decode(nonce))[0]
    return issued
