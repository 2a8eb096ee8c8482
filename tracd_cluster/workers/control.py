"""The messages of the control link between the supervisor and a template: one JSON object per line.

    supervisor -> template   configure (first, once), fork (with descriptors attached), quit
    template -> supervisor   ready or failed (once), then forked, fork-failed, exited

The template's end is ``tracd/template.py``, which writes and reads the same lines without this module: what runs
inside the workers imports nothing of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

from tracd_cluster.errors import TracdClusterError
from tracd_cluster.settings.pool import PoolSettings

LINE_LIMIT = 1 << 20
"""A template with many plugins has loaded a few thousand files, at about 80 bytes of ``ready`` each."""


class BadLine(TracdClusterError):
    """A line on the control link that is no message; the text shows its beginning."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not work in an environment which serves all the same (tracd/faults.py)."""

    kind: str
    environment: str
    what: str
    text: str
    file: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The template can fork: it took so many seconds and loaded these files.

    ``base_urls`` has an entry for each environment, empty for one that does not say where it is; ``opened`` and
    ``warmed`` are the paths of those that were. ``settings`` are files that need not be there, ``folders`` hold
    plugins and templates.
    """

    type: ClassVar[str] = "ready"
    seconds: float
    preloaded: bool
    files: tuple[str, ...]
    warnings: tuple[str, ...]
    base_urls: tuple[str, ...]
    settings: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    opened: tuple[str, ...] = ()
    warmed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The template cannot get ready: the step it was at, and one plain message for the operator.

    ``file`` is the one to mend, if that is known.
    """

    type: ClassVar[str] = "failed"
    step: str
    error: str
    traceback: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Forked:
    """A worker's process has been made."""

    type: ClassVar[str] = "forked"
    worker: int
    pid: int


@dataclass(frozen=True, slots=True)
class ForkFailed:
    """A worker's process could not be made."""

    type: ClassVar[str] = "fork-failed"
    worker: int
    error: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker has ended; a negative ``status`` is the number of the signal that ended it."""

    type: ClassVar[str] = "exited"
    worker: int
    pid: int
    status: int


Told = Ready | Failed | Forked | ForkFailed | Exited
"""What a template says."""


def configure(generation: int, settings: PoolSettings) -> bytes:
    """Give the line that tells a template what to serve, and how."""
    projects = settings.projects
    return _line(
        {
            "type": "configure",
            "generation": generation,
            "projects": {
                "env_paths": projects.env_paths,
                "env_parent_dir": projects.env_parent_dir,
                "single_env": projects.single_env,
                "base_path": projects.base_path,
            },
            "threads": settings.threads,
            "preload": settings.preload,
            "freeze": settings.freeze,
            "remember_locales": settings.remember_locales,
            "compress_pages": settings.compress_pages,
            "visitor_secret": "" if settings.store_visitors else settings.visitor_secret.hex(),
            "umask": settings.umask,
            "https": settings.https,
            "application": settings.application,
        }
    )


def fork(worker: int) -> bytes:
    """Give the line that asks for a worker; its descriptors go with the first byte."""
    return _line({"type": "fork", "worker": worker})


def quit_line() -> bytes:
    """Give the line that asks a template to end."""
    return _line({"type": "quit"})


def decode(line: bytes) -> Told:
    """Read what a template says; raise BadLine, showing it, if it is no message."""
    try:
        found = json.loads(line)
    except ValueError as error:
        raise _bad(line, f"not JSON ({error})") from None
    if not isinstance(found, dict):
        raise _bad(line, "not an object")
    kind = found.get("type")
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise _bad(line, f"unknown type {kind!r}")
    values: dict[str, Any] = {}
    for name, read in _READERS[make.type].items():
        if name not in found:
            if name in _OPTIONAL:
                continue
            raise _bad(line, f"{name} is missing")
        try:
            values[name] = read(found[name])
        except TypeError as error:
            raise _bad(line, f"{name} is {error}") from None
    return make(**values)


class LineSplitter:
    """Puts lines together from pieces of a stream; raises BadLine when one does not end in time."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Give the lines that ``data`` completes, without their ends."""
        # Only the new bytes are searched: a line of many pieces is not read again with each of them.
        if b"\n" not in data:
            self._rest += data
            lines = []
        else:
            first, *lines = data.split(b"\n")
            lines.insert(0, bytes(self._rest) + first)
            self._rest = bytearray(lines.pop())
        if len(self._rest) > self._limit:
            raise _bad(bytes(self._rest), f"longer than {self._limit} bytes")
        return lines


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _bad(line: bytes, why: str) -> BadLine:
    shown = line if len(line) <= 200 else line[:200] + b"..."
    return BadLine(f"bad line on the control link, {why}: {shown!r}")


def _read_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("not a string")


def _read_number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise TypeError("not a number")


def _read_integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError("not an integer")


def _read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError("neither true nor false")


def _read_texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise TypeError("not a list of strings")


def _read_faults(value: object) -> tuple[Fault, ...]:
    names = {one.name for one in fields(Fault)}
    if isinstance(value, list) and all(isinstance(one, dict) and one.keys() == names for one in value):
        return tuple(Fault(**{name: _read_text(text) for name, text in one.items()}) for one in value)
    raise TypeError("not a list of faults")


_BY_ANNOTATION: dict[str, Callable[[object], object]] = {
    "str": _read_text,
    "float": _read_number,
    "int": _read_integer,
    "bool": _read_flag,
    "tuple[str, ...]": _read_texts,
    "tuple[Fault, ...]": _read_faults,
}
_KINDS: dict[str, type[Told]] = {kind.type: kind for kind in (Ready, Failed, Forked, ForkFailed, Exited)}
_READERS = {name: {one.name: _BY_ANNOTATION[str(one.type)] for one in fields(kind)} for name, kind in _KINDS.items()}
_OPTIONAL = {one.name for kind in _KINDS.values() for one in fields(kind) if one.default is not MISSING}
