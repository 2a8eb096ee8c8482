"""What a front leaves to its successor: written into one environment variable, and read from it.

The two speak on ``link``, a socket pair, in lines of JSON:

    successor -> predecessor   {"here": PID}          first of all: the process to be ended if it comes to nothing
                               {"failed": "why"}      it will not serve, and ends
                               {"ready": PID}         its workers are ready, and it waits for its turn
                               {"serving": PID}       it accepts clients; pidfile and control socket are its own
    predecessor -> successor   {"turn": true, "wish": [4, 2, 2]}    begin; how many workers are wanted by now

An end of the link before that is the end of the upgrade: a successor that has not been given its turn ends itself, a
predecessor that has not been told ``serving`` goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from tracd_cluster.workers.steps import Wish

VARIABLE = "TRACD_CLUSTER_INHERITANCE"
LINE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """Descriptors and paths; the descriptors are open in the process that has the variable."""

    predecessor: int
    link: int
    ports: dict[str, int]
    """Listening sockets by the descriptions they were opened as."""
    output: tuple[int, int]
    """Standard output and error of the predecessor: until its turn the successor's own go to the predecessor."""
    pidfile: str | None
    control: str | None
    wish: Wish
    """How many workers the predecessor is to have when the successor is started."""

    def encode(self) -> str:
        """Give the value of the variable."""
        return json.dumps(asdict(self))


def take_inheritance(environment: MutableMapping[str, str]) -> Inheritance | None:
    """Take what a predecessor has left out of the environment, so that no child finds it; None if there was none."""
    left = peek_inheritance(environment)
    environment.pop(VARIABLE, None)
    return left


def peek_inheritance(environment: Mapping[str, str]) -> Inheritance | None:
    """Give what a predecessor has left, and leave it there."""
    text = environment.get(VARIABLE)
    if text is None:
        return None
    what = json.loads(text)
    return Inheritance(**{**what, "output": tuple(what["output"]), "wish": Wish(*what["wish"])})


def line(**what: Any) -> bytes:
    """Give a line of the link."""
    return json.dumps(what).encode("ascii") + b"\n"


class Lines:
    """Splits what comes on the link; raises ValueError for what is no message."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Give the messages that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            raise ValueError("a line of the link has no end")
        found = [json.loads(each) for each in lines]
        if not all(isinstance(each, dict) for each in found):
            raise ValueError("a line of the link is no message")
        return found
