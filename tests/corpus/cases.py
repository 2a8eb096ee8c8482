"""The corpus as values: every ``[[case]]`` of the TOML files beside this one, checked.

A case says what a client sends and what must come of it:

- ``name``: kebab-case, unique in the whole corpus.
- ``why``: one sentence: the rule or the attack behind the case.
- ``request``: the bytes of the client, one character for each (latin-1).
- ``fill``: ``{marker, text, times}``: the marker stands for ``text`` repeated ``times`` times. It stands once in
  ``request``, and may stand in ``reaches``, ``worker_has`` and ``body`` too.
- ``answers``: the status codes the client gets, in order, 1xx included.
- ``closed``: whether the front closes the connection after the last answer.
- ``reaches``: ``"METHOD target"`` of each request that a worker gets, in order.
- ``worker_has``, ``worker_lacks``: fields the last of these has or lacks. An entry is a folded name
  (``x-real-ip``), or ``Name: value``: the name is compared folded, the value byte for byte.
- ``body``: the whole body the last of these has.
- ``base_path``, ``max_body``: settings of the front for this case; its defaults where they are left out.

A file or a case that is not so is refused by name: a misspelt key would be an expectation nobody checks.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

FOLDER = Path(__file__).parent

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
REACHED = re.compile(r"[A-Z-]+ \S+")
KEYS = frozenset(
    {
        "name",
        "why",
        "request",
        "fill",
        "answers",
        "closed",
        "reaches",
        "worker_has",
        "worker_lacks",
        "body",
        "base_path",
        "max_body",
    }
)

T = TypeVar("T")


class CorpusError(ValueError):
    """A file of the corpus that does not say what it must; the message names the file, the case and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request, or several on one connection, with what must come of it."""

    topic: str
    """The file it stands in, without its suffix."""
    name: str
    why: str
    request: bytes
    answers: tuple[int, ...]
    closed: bool
    reaches: tuple[str, ...]
    worker_has: tuple[str, ...] = ()
    worker_lacks: tuple[str, ...] = ()
    body: bytes | None = None
    """``None``: the case does not say."""
    base_path: str = ""
    max_body: int | None = None
    """``None``: the front's default."""

    def __str__(self) -> str:
        return f"{self.topic}/{self.name}"


def fold(name: str) -> str:
    """Give the one form in which all spellings of a field name that a WSGI application confuses are equal."""
    return name.lower().replace("_", "-")


def load(folder: Path = FOLDER) -> list[Case]:
    """Read every case of the corpus, by file name and then in the order of the file."""
    cases = [case for path in sorted(folder.glob("*.toml")) for case in read_file(path)]
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            raise CorpusError(f"{case}: the name is used twice")
        seen.add(case.name)
    return cases


def read_file(path: Path) -> list[Case]:
    """Read the cases of one file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path.name}: {error}") from error
    tables = document.pop("case", None)
    if document or not isinstance(tables, list):
        raise CorpusError(f"{path.name}: expected [[case]] tables and nothing else, found {sorted(document)}")
    return [Table(path.stem, number, table).case() for number, table in enumerate(tables, 1)]


class Table:
    """One ``[[case]]`` table on its way to a ``Case``."""

    def __init__(self, topic: str, number: int, table: object) -> None:
        if not isinstance(table, dict):
            raise CorpusError(f"{topic}.toml: case {number} is not a table")
        self._topic = topic
        self._table: dict[str, object] = table
        self._where = f"{topic}.toml: case {table.get('name', number)}"
        self._marker, self._filling = self._fill()

    def case(self) -> Case:
        """Check the table and give what it says."""
        if unknown := self._table.keys() - KEYS:
            raise self._wrong(f"unknown keys {sorted(unknown)}")
        case = Case(
            topic=self._topic,
            name=self._need("name", str),
            why=self._need("why", str),
            request=self._bytes("request", self._need("request", str)),
            answers=tuple(self._items("answers", int, needed=True)),
            closed=self._need("closed", bool),
            reaches=self._lines("reaches", needed=True),
            worker_has=self._lines("worker_has"),
            worker_lacks=self._lines("worker_lacks"),
            body=self._body(),
            base_path=self._get("base_path", str) or "",
            max_body=self._get("max_body", int),
        )
        self._check(case)
        return case

    def _check(self, case: Case) -> None:
        if not NAME.fullmatch(case.name):
            raise self._wrong("name: expected kebab-case")
        if not case.why.strip().endswith("."):
            raise self._wrong("why: expected a sentence")
        for status in case.answers:
            if not 100 <= status <= 599:
                raise self._wrong(f"answers: {status} is not a status code")
        for line in case.reaches:
            if not REACHED.fullmatch(line):
                raise self._wrong(f"reaches: expected METHOD target, found {line!r}")
        for line in case.worker_has + case.worker_lacks:
            self._check_field(line)
        if not case.reaches and (case.worker_has or case.worker_lacks or case.body is not None):
            raise self._wrong("says what a worker gets, but no request reaches one")

    def _check_field(self, line: str) -> None:
        name, colon, _ = line.partition(": ")
        if not colon and (":" in name or fold(name) != name):
            raise self._wrong(f"expected a folded name or 'Name: value', found {line!r}")

    def _fill(self) -> tuple[str, str]:
        fill = self._get("fill", dict)
        if fill is None:
            return "", ""
        marker, text, times = (fill.get(key) for key in ("marker", "text", "times"))
        if (
            len(fill) != 3
            or not isinstance(marker, str)
            or not isinstance(text, str)
            or type(times) is not int
            or times < 1
        ):
            raise self._wrong("fill: expected marker, text and times")
        if not marker or self._need("request", str).count(marker) != 1:
            raise self._wrong(f"fill: expected the marker {marker!r} once in the request")
        return marker, text * times

    def _filled(self, text: str) -> str:
        return text.replace(self._marker, self._filling) if self._marker else text

    def _bytes(self, key: str, text: str) -> bytes:
        try:
            return self._filled(text).encode("latin-1")
        except UnicodeEncodeError as error:
            raise self._wrong(f"{key}: {error.object[error.start]!r} is not one byte") from error

    def _body(self) -> bytes | None:
        text = self._get("body", str)
        return None if text is None else self._bytes("body", text)

    def _lines(self, key: str, *, needed: bool = False) -> tuple[str, ...]:
        return tuple(self._filled(line) for line in self._items(key, str, needed=needed))

    def _items(self, key: str, kind: type[T], *, needed: bool = False) -> list[T]:
        items = self._need(key, list) if needed else self._get(key, list) or []
        return [self._typed(key, item, kind) for item in items]

    def _need(self, key: str, kind: type[T]) -> T:
        value = self._get(key, kind)
        if value is None:
            raise self._wrong(f"{key} is missing")
        return value

    def _get(self, key: str, kind: type[T]) -> T | None:
        value = self._table.get(key)
        return None if value is None else self._typed(key, value, kind)

    def _typed(self, key: str, value: object, kind: type[T]) -> T:
        # By exact type: to isinstance, true is an int.
        if type(value) is not kind:
            raise self._wrong(f"{key}: expected {kind.__name__}, found {value!r}")
        return value

    def _wrong(self, what: str) -> CorpusError:
        return CorpusError(f"{self._where}: {what}")
