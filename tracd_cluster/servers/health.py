"""Whether a server elsewhere is to be used, and how much: decided from what became of requests, without any I/O.

Note [Out and back]. A server is used once a health check has found it well. One connection that cannot be made, by a
request or a check, or a host that is silent, puts it out: nothing is lost by that, for the request goes to another.
Three answers in a row that are missing, malformed,
too late, or 502, 503 or 504 do too; fewer may be the fault of one page. A server that is out is asked again after 0.5
s, 1 s, 2 s … 30 s, and comes back when it is well, but not at once for all: it gets one request at a time in the first
second, two in the next, then four, for its caches are cold and what felled it may be load. That it was out is
forgotten after a minute in use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PATIENCE = 3
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
FORGIVEN_AFTER = 60.0
STEP = 1.0
"""Seconds in which the share of a server that has come back doubles."""
NEVER = math.inf
HOPELESS = 3
"""Times that a server was out in a row after which it is not expected back soon."""


@dataclass(slots=True)
class Health:
    """What is known of one server. Times are absolute, in seconds.

    ``failures`` are those in a row; ``times_out`` counts how often it was put out, until that is forgotten. ``since``
    is when it came to be used or put out. ``fault`` says why it is out.
    """

    since: float
    used: bool = False
    failures: int = 0
    times_out: int = 0
    ask_at: float = 0.0
    """When the next health check is due."""
    fault: str = "it has not been asked yet"

    def answered(self, now: float) -> None:
        """Note an answer that was one."""
        self.failures = 0
        if self.times_out and self.used and now - self.since >= FORGIVEN_AFTER:
            self.times_out = 0

    def failed(self, why: str, at_once: bool, now: float) -> bool:
        """Note a failure, and say whether the server is out by it; ``at_once`` is for one without excuse."""
        if not self.used:
            return False
        self.failures += 1
        if not at_once and self.failures < PATIENCE:
            return False
        self._put_out(why, now)
        return True

    def checked(self, fault: str | None, interval: float, now: float, at_once: bool = False) -> bool:
        """Note the result of a health check, None for well, and say whether that puts the server to use or out."""
        if fault is None:
            self.ask_at = now + interval
            if self.used:
                self.answered(now)
                return False
            self.used, self.since, self.failures = True, now, 0
            return True
        if self.used:
            self.ask_at = now + interval
            return self.failed(fault, at_once, now)
        self._put_out(fault, now)
        return False

    def _put_out(self, why: str, now: float) -> None:
        if self.used and now - self.since >= FORGIVEN_AFTER:
            self.times_out = 0
        self.used, self.since, self.fault = False, now, why
        self.times_out += 1
        self.ask_at = now + backoff(self.times_out)

    @property
    def hopeless(self) -> bool:
        """Whether it is not expected back soon."""
        return not self.used and self.times_out >= HOPELESS

    def share(self, limit: int, now: float) -> int:
        """Say how many requests may be under way at it (Note [Out and back])."""
        if not self.used:
            return 0
        if not self.times_out:
            return limit
        doublings = int((now - self.since) / STEP)
        return limit if doublings >= limit.bit_length() else min(limit, 1 << max(0, doublings))

    def grows_at(self, limit: int, now: float) -> float:
        """Say when the share grows next; NEVER if it has all or nothing."""
        if not self.used or self.share(limit, now) == limit:
            return NEVER
        return self.since + (int((now - self.since) / STEP) + 1) * STEP


def backoff(times: int) -> float:
    """Give the seconds until a server is asked that was put out for this many times."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(max(0, times - 1), 7))
