"""The corpus: hostile and odd requests, byte by byte and all at once, with their expected ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.cases import Case, load
from tests.unit.front.wire import FakeLane, Wire, make_front, statuses

CASES = load()


def fold(name: str) -> str:
    """Fold a field name as WSGI does."""
    return name.strip().lower().replace("_", "-")


def play(case: Case, pieces: list[bytes]) -> tuple[Wire, FakeLane]:
    """Let a client send ``pieces`` to a front whose worker answers 200 to everything."""
    settings: dict[str, Any] = {"base_path": case.base_path}
    if case.max_body is not None:
        settings["max_body"] = case.max_body
    front, _ = make_front(**settings)
    lane = FakeLane(front).always_ok()
    front.balancer.add(lane)
    wire = Wire(front)
    for piece in pieces:
        wire.feed(piece)
    return wire, lane


def check(case: Case, wire: Wire, lane: FakeLane) -> None:
    """Compare what came of a case with what must."""
    reached = [b" ".join(head.split(b" ", 2)[:2]).decode("latin-1") for head in lane.heads]
    assert (list(case.answers), case.closed, list(case.reaches)) == (statuses(wire.take()), wire.over, reached)
    lines = lane.heads[-1].decode("latin-1").split("\r\n")[1:] if lane.heads else []
    fields = {(fold(line.partition(":")[0]), line.partition(":")[2].strip()) for line in lines if line}
    names = {name for name, _ in fields}
    for entry, expected in [(e, True) for e in case.worker_has] + [(e, False) for e in case.worker_lacks]:
        name, colon, value = entry.partition(":")
        found = (fold(name), value.strip()) in fields if colon else fold(name) in names
        assert expected == found, entry
    if case.body is not None:
        assert case.body == lane.bodies[-1]


def test_the_corpus_is_large_enough() -> None:
    """A corpus that shrinks would pass by itself."""
    assert len(CASES) >= 80


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    """What comes of a request does not depend on how the network cuts it."""
    check(case, *play(case, [case.request]))
    size = 1 if len(case.request) < 20_000 else 1000
    check(case, *play(case, [case.request[n : n + size] for n in range(0, len(case.request), size)]))
