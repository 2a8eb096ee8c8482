"""What the supervisor knows of a process: the records of workers and templates, and the lives they may lead.

A record outlives its process: it is made before the fork, it is told of the exit, and it is kept until nothing
asks for its strikes any more. It never touches the process; ``supervisor`` does that, as ``plan`` says.

    step or event                          worker                       template
    Fork, StartTemplate                    starting                     starting
    all lanes probed, ``ready``            starting -> ready            starting -> ready
    Drain                                  ready -> draining
    Terminate, QuitTemplate                any live -> stopping         any live -> stopping
    Kill, KillTemplate, a lane was lost    any live -> stopping         any live -> stopping
    exit seen                              any live -> exited           any live -> exited

Life says where a process is, ``fault`` what is wrong with it: two fields, for a process is told to end with
nothing wrong, and something may be wrong before it ends.

Note [Strikes]. A process that ended having served (a worker at least one exchange, begun or finished; a template
one worker that got ready) is replaced at once and gets no strike, whatever ended it: a fork costs 1 ms, so a
request that kills every worker it meets must never starve the pool. Nor does one that had got ready and was ended
from outside (``kill``, the kernel out of memory): that is not its code's doing. Any other gets a strike. Strikes 1
and 2 are replaced at once too: one bad start is an accident. From the third on the wait is 0.5 s, 1 s, 2 s … 30 s,
for then it is the code, and starting it in a circle only burns the processor. The successor in the slot inherits
the strikes; they are forgotten when one has been ready for a minute. A process that ended because it was told to,
with nothing wrong, gets none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from tracd_cluster.workers.control import Ready

FREE_STRIKES = 2
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
FORGIVEN_AFTER = 60.0
"""Seconds of being ready after which a slot's strikes are forgotten."""

NEVER = math.inf

WorkerKey = tuple[int, int]
"""Number and generation: never two live workers have the same."""


class Life(Enum):
    """Where a process is on its way."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    EXITED = "exited"


LIFE_OF_WORKER: Mapping[Life, frozenset[Life]] = {
    Life.STARTING: frozenset({Life.READY, Life.STOPPING, Life.EXITED}),
    Life.READY: frozenset({Life.DRAINING, Life.STOPPING, Life.EXITED}),
    Life.DRAINING: frozenset({Life.STOPPING, Life.EXITED}),
    Life.STOPPING: frozenset({Life.EXITED}),
    Life.EXITED: frozenset(),
}
"""Which life may follow which. There is no way back: who drains does not return."""

LIFE_OF_TEMPLATE: Mapping[Life, frozenset[Life]] = {
    Life.STARTING: frozenset({Life.READY, Life.STOPPING, Life.EXITED}),
    Life.READY: frozenset({Life.STOPPING, Life.EXITED}),
    Life.STOPPING: frozenset({Life.EXITED}),
    Life.EXITED: frozenset(),
}


class IllegalMove(Exception):
    """A life that cannot follow the present one: a fault of the supervisor's own."""


def backoff(strikes: int) -> float:
    """Give the seconds to wait after this many strikes (Note [Strikes])."""
    if strikes <= FREE_STRIKES:
        return 0.0
    # An exponent past 2**6 is past the longest wait, and a huge one would overflow.
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(strikes - FREE_STRIKES - 1, 6))


@dataclass(slots=True, kw_only=True)
class _Process:
    """What the records of workers and templates have in common. Times are absolute, in the supervisor's clock."""

    lives: ClassVar[Mapping[Life, frozenset[Life]]]

    generation: int
    since: float
    """When it came to its present life."""
    deadline: float = NEVER
    """When its present life is to be ended by a harsher step; NEVER when nothing is due or nothing harsher is left."""
    life: Life = Life.STARTING
    pid: int | None = None
    """None until the fork is known to have been made."""
    fault: str = ""
    """What is wrong with it, for the log; empty while nothing is."""
    told: str = ""
    """How its end was told in the log, if it was not asked to end."""
    ready_at: float | None = None
    served: int = 0
    strikes: int = 0
    not_before: float = 0.0
    """When its successor may be started; told at its exit."""

    @property
    def live(self) -> bool:
        """Whether its exit has not been seen yet."""
        return self.life is not Life.EXITED

    @property
    def healthy(self) -> bool:
        """Whether nothing is known to be wrong with it."""
        return not self.fault

    @property
    def killed(self) -> bool:
        """Whether it was sent SIGKILL: nothing harsher is left, and only its exit is to come."""
        return self.life is Life.STOPPING and self.deadline == NEVER

    def move(self, life: Life, now: float, deadline: float = NEVER) -> None:
        """Enter another life; raise IllegalMove and change nothing where the table has no such move."""
        if life not in self.lives[self.life]:
            raise IllegalMove(f"{self!r} cannot become {life.value}")
        self.life = life
        self.since = now
        self.deadline = deadline

    def get_ready(self, now: float) -> None:
        """Note that it serves."""
        self.move(Life.READY, now)
        self.ready_at = now

    def stop(self, now: float, deadline: float, fault: str = "") -> None:
        """Note that it is to end by ``deadline``; the first fault found is the one that is kept."""
        if self.life is Life.STOPPING:
            self.deadline = deadline
        else:
            self.move(Life.STOPPING, now, deadline)
        self.fault = self.fault or fault

    @property
    def asked_to_end(self) -> bool:
        """Whether its end, if it comes now, is what was wanted of it."""
        return self.life in (Life.DRAINING, Life.STOPPING) and self.healthy

    def end(self, now: float, from_outside: bool = False) -> None:
        """Note its exit, and when a successor may follow (Note [Strikes])."""
        no_strike = self.asked_to_end or self.served or (from_outside and self.ready_at is not None)
        self.move(Life.EXITED, now)
        if self.ready_at is not None and now - self.ready_at >= FORGIVEN_AFTER:
            self.strikes = 0
        self.not_before = now
        if not no_strike:
            self.strikes += 1
            self.not_before = now + backoff(self.strikes)

    def _told(self) -> str:
        pid = "" if self.pid is None else f", pid {self.pid}"
        strikes = f", {self.strikes} strikes" if self.strikes else ""
        fault = f", {self.fault}" if self.fault else ""
        killed = ", killed" if self.killed else ""
        return f"{self.life.value}{killed}{pid}, served {self.served}{strikes}{fault}"


@dataclass(slots=True, kw_only=True, repr=False)
class Worker(_Process):
    """One worker: slot ``number`` (1, 2, …) of its generation. ``served`` counts exchanges, begun or finished."""

    lives = LIFE_OF_WORKER

    number: int
    in_flight: int = 0
    """Lanes that still carry an exchange; counted while draining, when none is added any more."""
    due: str = ""
    """Why it is to make room for a fresh one, though nothing is wrong with it; empty while it may stay."""
    hung: bool = False
    """A request ran out of time on it: before it is killed it has a moment to print where it stands."""
    stand_in: bool = False
    """It was forked to serve while another one is replaced."""

    def __repr__(self) -> str:
        return f"<Worker {self.number} of generation {self.generation}, {self._told()}>"

    def __str__(self) -> str:
        pid = "" if self.pid is None else f", pid {self.pid}"
        return f"worker {self.number} (generation {self.generation}{pid})"

    @property
    def leaving(self) -> bool:
        """Whether it serves no more and will still take a while; one that has crashed is gone within milliseconds."""
        return self.life is Life.DRAINING or (self.life is Life.STOPPING and (self.healthy or self.hung))

    @property
    def key(self) -> WorkerKey:
        """What tells it from all other live workers."""
        return (self.number, self.generation)


@dataclass(slots=True, kw_only=True, repr=False)
class Template(_Process):
    """The warm process a generation is forked from. ``served`` counts its workers that got ready."""

    lives = LIFE_OF_TEMPLATE

    said: Ready | None = None
    """What it said when it got ready."""
    threads: int = 1
    """Lanes of each of its workers."""

    def __repr__(self) -> str:
        return f"<Template of generation {self.generation}, {self._told()}>"

    def __str__(self) -> str:
        pid = "" if self.pid is None else f" (pid {self.pid})"
        return f"template {self.generation}{pid}"

    @property
    def files(self) -> tuple[str, ...]:
        """What it has loaded."""
        return self.said.files if self.said is not None else ()

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where its environments say that they are."""
        return self.said.base_urls if self.said is not None else ()

    @property
    def failed(self) -> bool:
        """Whether it is on its way out, or gone, without one worker of it having got ready."""
        return self.life in (Life.STOPPING, Life.EXITED) and not self.served


def check_invariants(templates: Iterable[Template], workers: Iterable[Worker]) -> None:
    """Assert what holds for the records at any moment, between two turns of the supervisor."""
    templates = list(templates)
    workers = list(workers)
    assert len({worker.key for worker in workers}) == len(workers), "two workers of a slot and generation"
    assert len({template.generation for template in templates}) == len(templates), "two templates of a generation"
    starting = [template for template in templates if template.life is Life.STARTING]
    assert len(starting) <= 1, "two templates are starting"
    known = {template.generation for template in templates}
    for worker in workers:
        assert worker.number >= 1, f"{worker!r} has no slot"
        assert worker.generation in known or not worker.live, f"nobody can tell how {worker!r} ends"
        assert worker.life is not Life.READY or worker.pid is not None, f"{worker!r} is ready before its fork"
        assert worker.life is not Life.READY or worker.healthy, f"{worker!r} gets requests"
        assert worker.in_flight >= 0, f"{worker!r} gave a lane back twice"
