"""A request's place: which class it is of in the waiting line, and whether it is slow work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The classes of requests, those who come first at the head."""

    PEOPLE = 0
    """Signed in, or sending a form with a cookie of Trac's."""
    VISITORS = 1
    """Not signed in, as far as is known, but here before: they bring a cookie of Trac's, or a login."""
    STRANGERS = 2
    """They bring nothing."""
    ROBOTS = 3
    """Programs that say of themselves that they are."""

    @property
    def word(self) -> str:
        """What options, metrics and pages call it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands; there is one of each kind, so that a request costs none."""

    level: Level
    slow: bool = False
    """It asks for what takes workers long; said of strangers and robots only."""
    known: bool = False
    """It is known who sends it: the front has asked, or a worker has said so."""

    def __repr__(self) -> str:
        return f"<Place {self.level.word}{', slow' if self.slow else ''}{', known' if self.known else ''}>"


QUICK = tuple(Place(level) for level in Level)
SLOW = tuple(Place(level, True) for level in Level)
WRITERS, VISITORS, STRANGERS, ROBOTS = QUICK
PEOPLE = Place(Level.PEOPLE, known=True)
