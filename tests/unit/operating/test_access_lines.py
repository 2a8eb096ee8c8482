"""Lines of the access log, which no client can break or forge."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.front.head import Head
from tracd_cluster.front.record import Record
from tracd_cluster.operating.access_lines import as_json, combined
from tracd_cluster.traffic.place import ROBOTS

LINE = re.compile(
    r'(\S+) - (\S+) \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)" '
    r'line=([\d.]+) worker=([\d.]+) total=([\d.]+) by="([^"]*)" generation=(\d+|-) id=(\S+)( broken)?'
)


def record(target: bytes = b"/wiki?a=b", agent: bytes = b"curl/8") -> Record:
    """Make the record of a page."""
    fields = [(b"Host", b"x"), (b"User-Agent", agent), (b"Referer", b"http://x/")]
    made = Record(1_700_000_000.25, "192.0.2.1", Head(b"GET", "1.1", target, fields), b"7-1")
    made.user, made.status, made.sent = b"in%C3%A9s", 200, 1234
    made.by, made.worker, made.generation = "worker", "worker 2", 3
    made.line_seconds, made.worker_seconds, made.total_seconds = 0.5, 0.0251, 0.6
    return made


def test_a_line_has_everything() -> None:
    """The usual fields in the usual order, and ours behind them."""
    found = LINE.fullmatch(combined(record()))
    assert found is not None
    assert (
        "192.0.2.1", "in%C3%A9s", "GET /wiki?a=b HTTP/1.1", "200", "1234", "http://x/", "curl/8", "0.500", "0.025",
        "0.600", "worker 2", "3", "7-1", None,
    ) == found.groups()[:2] + found.groups()[3:]  # fmt: skip


def test_what_was_no_request() -> None:
    """It has an address, a status and a hyphen."""
    nothing = Record(1_700_000_000.0, "192.0.2.1", None, b"7-2")
    nothing.status, nothing.whole = 400, False
    found = LINE.fullmatch(combined(nothing))
    assert found is not None
    assert ("-", "400", " broken") == (found[4], found[5], found[15])
    assert json.loads(as_json(nothing))["protocol"] is None


def test_json_says_the_same() -> None:
    """With the user as people write it."""
    found = json.loads(as_json(record()))
    assert ("2023-11-14T22:13:20.250Z", "in\u00e9s", "/wiki?a=b", "x", 3) == (
        found["time"], found["user"], found["target"], found["host"], found["generation"],
    )  # fmt: skip


def test_json_names_the_class_of_what_needed_a_worker() -> None:
    """A file from memory is of none."""
    made = record()
    assert json.loads(as_json(made))["class"] is None
    made.place = ROBOTS
    assert "robots" == json.loads(as_json(made))["class"]


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_client_writes_stays_in_its_place(target: bytes, agent: bytes) -> None:
    """Nothing ends a field or a line, and the line is ASCII."""
    made = record(agent=agent)
    assert made.head is not None
    made.head.target = target
    line = combined(made)
    found = LINE.fullmatch(line)
    assert found is not None
    assert found[14] == "7-1"
    assert line.isascii()
    assert line.isprintable()
    assert as_json(made).isprintable()
