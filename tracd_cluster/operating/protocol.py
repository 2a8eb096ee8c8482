"""The language of the control socket: one request for each connection, lines of JSON, bounded.

The client sends one line of at most ``REQUEST_LIMIT`` bytes within ``REQUEST_TIMEOUT`` seconds:

    {"command": "status"}
    {"command": "reload", "wait": true}      configuration, passwords and certificates anew, and a new generation
    {"command": "restart", "wait": true}     a new generation
    {"command": "scale", "count": 4, "wait": true}
    {"command": "drain", "worker": 2, "wait": true}
    {"command": "stop"}
    {"command": "upgrade"}

``wait`` is true where it is left out. The service answers with lines, and closes after the one with a status:

    {"progress": "generation 8: its template is starting"}
    {"status": 0, "say": "generation 8 serves with 4 workers"}

``progress`` comes at least every ``SIGN_OF_LIFE`` seconds while there is something to wait for, so that a client can
tell a long wait from a service that hangs. ``status`` is 0 for done and 1 for failed or refused; ``say`` is for
people, and may have several lines. With the answer to ``status`` comes ``report``, the whole table (``commands.py``).
``stop`` says ``progress`` and is done when the service closes the connection at its end.

Whoever sends anything else gets status 1 and a word on what was expected.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tracd_cluster.errors import TracdClusterError

REQUEST_LIMIT = 4096
REQUEST_TIMEOUT = 5.0
SIGN_OF_LIFE = 2.0
ANSWER_LIMIT = 4 << 20
"""Longest line of an answer: the report of a thousand workers has about 400 KB."""

COMMANDS = {"status": "", "reload": "", "restart": "", "scale": "count", "drain": "worker", "stop": "", "upgrade": ""}
"""Each with the name of its number, if it has one."""

MOST = 1000
"""As ``--workers``."""


class BadRequest(TracdClusterError):
    """A line that is no request; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator wants."""

    command: str
    number: int = 0
    """How many workers, or which one."""
    wait: bool = True


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended."""

    status: int
    say: str
    report: dict[str, Any] | None = None


def encode_request(request: Request) -> bytes:
    """Give the line of a request."""
    what: dict[str, Any] = {"command": request.command, "wait": request.wait}
    if name := COMMANDS[request.command]:
        what[name] = request.number
    return _line(what)


def decode_request(line: bytes) -> Request:
    """Read the line of a request; raise BadRequest."""
    what = _object(line)
    command = what.get("command")
    if not isinstance(command, str) or command not in COMMANDS:
        raise BadRequest(f"command is one of {', '.join(COMMANDS)}")
    wait = what.get("wait", True)
    if not isinstance(wait, bool):
        raise BadRequest("wait is true or false")
    name, number = COMMANDS[command], 0
    if name:
        number = what.get(name, 0)
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST:
            raise BadRequest(f"{command} needs {name}, a number from 1 to {MOST}")
    return Request(command, number, wait)


def encode_progress(text: str) -> bytes:
    """Give the line that says how far a command has come."""
    return _line({"progress": text})


def encode_end(end: End) -> bytes:
    """Give the last line of an answer."""
    answer: dict[str, Any] = {"status": end.status, "say": end.say}
    if end.report is not None:
        answer["report"] = end.report
    return _line(answer)


def decode_answer(line: bytes) -> str | End:
    """Read a line of an answer: the text of a progress, or the end; raise BadRequest."""
    what = _object(line)
    if isinstance(what.get("progress"), str):
        return str(what["progress"])
    status, say = what.get("status"), what.get("say")
    if not isinstance(status, int) or not isinstance(say, str):
        raise BadRequest("an answer has progress, or status and say")
    report = what.get("report")
    return End(status, say, report if isinstance(report, dict) else None)


def _object(line: bytes) -> dict[str, Any]:
    try:
        what = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequest("a line of JSON was expected") from None
    if not isinstance(what, dict):
        raise BadRequest("a JSON object was expected")
    return what


def _line(what: dict[str, Any]) -> bytes:
    return json.dumps(what, separators=(",", ":")).encode("ascii") + b"\n"
