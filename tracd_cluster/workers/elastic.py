"""How many workers an elastic pool should have: a pure function of what is seen of it.

It grows when the head of the line has waited too long, one worker at a time, and shrinks when workers have not been
needed for a while, one at a time.

Note [Waiting and working]. More workers at work than there are processors make everybody slower: four on two get
0.8 to 0.9 of what two get done. So up to the number of processors any long wait makes the pool grow; beyond it only
as many are added as workers are *held*, that is at the same request for long: a report, an archive, somebody else's
lock. So a few long requests never block the quick ones, and a crowd of quick ones does not make the pool grow in
vain. When those long requests have ended, what grew for them goes first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HELD = 0.5
"""Part of ``grow_after`` that a worker must have been at one request to be held."""

SOONER = 0.25
"""Part of ``shrink_after`` after which a pool that is larger than its work wants gives up a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the options say, and the number of processors. Times are seconds."""

    least: int
    most: int
    processors: int
    grow_after: float
    shrink_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen of the pool at one moment."""

    waited: float = 0.0
    """How long the head of the line has waited; 0 while nobody does."""
    settled: bool = True
    """All workers that are wanted are there, and ready."""
    used: int = 0
    """Workers that have been at work at any time since the last look."""
    held: int = 0
    """Workers that are at one request for long (Note [Waiting and working])."""
    last: str = "idle"
    """What the worker does that would go: ``idle``, ``busy`` or ``held``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many workers there should be, and what has led to it.

    ``used_at`` has for each number of workers, from one up, when so many were last at work together.
    """

    count: int
    used_at: tuple[float, ...]
    crowded_since: float | None = None
    """Since when there are more than work and held ones want."""


def first_size(bounds: Bounds, now: float) -> Size:
    """Begin with the least."""
    return Size(count=bounds.least, used_at=(now,) * bounds.most)


def resize(bounds: Bounds, size: Size, look: Look, now: float) -> Size:
    """Say how many there should be after this look."""
    used_at = tuple(now if level < look.used else at for level, at in enumerate(size.used_at))
    for_work = max(bounds.least, bounds.processors)
    crowded = size.count > for_work + look.held
    since = (size.crowded_since if size.crowded_since is not None else now) if crowded else None
    size = replace(size, used_at=used_at, crowded_since=since)
    if not look.settled:
        return size
    if look.waited >= bounds.grow_after and size.count < min(bounds.most, for_work + look.held):
        grown = size.count + 1
        used_at = tuple(now if level < grown else at for level, at in enumerate(used_at))
        return Size(count=grown, used_at=used_at)
    if size.count > bounds.least and _one_too_many(bounds, size, look, now):
        return Size(count=size.count - 1, used_at=used_at)
    return size


def _one_too_many(bounds: Bounds, size: Size, look: Look, now: float) -> bool:
    if look.last == "held":
        return False
    if size.crowded_since is not None and now - size.crowded_since >= bounds.shrink_after * SOONER:
        # Its request, if it has one, is a quick one, and ends before the worker does.
        return True
    return look.last == "idle" and now - size.used_at[size.count - 1] >= bounds.shrink_after
