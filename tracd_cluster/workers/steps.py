"""What is wanted of the pool, and the steps towards it, as plain values.

``plan`` makes steps, ``table`` changes the records as they say, ``supervisor`` does it to the processes. A worker
is named by its number and generation, a template by its generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Wish(NamedTuple):
    """How many workers are wanted by now, and between which bounds of the settings it has come to that."""

    workers: int
    least: int
    most: int


@dataclass(slots=True, kw_only=True)
class Desired:
    """What is wanted: a wish only changes this, and the next plan does the rest."""

    count: int
    generation: int = 1
    """The lowest generation that is new enough."""
    stopping: bool = False
    start_timeout: float = 120.0
    drain_timeout: float = 30.0
    """How long running requests get to end when everything stops."""
    leave_timeout: float = 30.0
    """The same for a worker that makes room for another: long enough for any request that the front allows."""
    terminate_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class StartTemplate:
    """Start the template of a new generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class QuitTemplate:
    """Ask a template to end; it does when it has no child left."""

    generation: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class KillTemplate:
    """End a template now."""

    generation: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ForgetTemplate:
    """Drop the record of a template that has exited."""

    generation: int


@dataclass(frozen=True, slots=True)
class Fork:
    """Have a generation's template fork a worker for a slot."""

    number: int
    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Give a worker no new requests and let the running ones end."""

    number: int
    generation: int


@dataclass(frozen=True, slots=True)
class Terminate:
    """Close a worker's lanes and send it SIGTERM."""

    number: int
    generation: int


@dataclass(frozen=True, slots=True)
class Kill:
    """Send a worker SIGKILL."""

    number: int
    generation: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the record of a worker that has exited."""

    number: int
    generation: int


Step = StartTemplate | QuitTemplate | KillTemplate | ForgetTemplate | Fork | Drain | Terminate | Kill | Forget
