"""The status as text: columns, times, sizes, and nothing that steers a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from tracd_cluster.operating.status import duration, printable, render, size


def process(**fields: Any) -> dict[str, Any]:
    """Make a process of a report."""
    return {
        "generation": 7, "pid": 4713, "life": "ready", "seconds": 90.0, "healthy": True, "fault": "", "strikes": 0,
        "served": 0, "memory": 31 << 20, **fields,
    }  # fmt: skip


def report(**fields: Any) -> dict[str, Any]:
    """Make a report of two workers."""
    asked = {"method": "GET", "path": "/wiki/Start", "user": "ines%20b", "seconds": 0.25}
    return {
        "name": "tracd-cluster", "version": "1.0", "pid": 4711, "seconds": 3600.0 * 76, "connections": 12,
        "waiting": 3, "addresses": ["http://127.0.0.1:8000/"], "memory": 45 << 20, "workers_wanted": 2,
        "generation_wanted": 7, "stopping": False,
        "templates": [process(pid=4712, served=2, files=900)],
        "workers": [
            process(number=1, served=1204, asked=[asked]),
            process(number=12, pid=47140, served=7, asked=[], memory=None),
        ],
        **fields,
    }  # fmt: skip


def test_the_whole_of_it() -> None:
    """A head, and a line for each process with the columns under each other."""
    expected = """\
tracd-cluster 1.0, pid 4711, up 3 d 4 h
serving on http://127.0.0.1:8000/
2 of 2 workers ready, generation 7 wanted; 3 requests in line, 12 connections

worker    generation  life     pid  served  memory  now
1         7           ready   4713    1204   31 MB  0.2 s GET /wiki/Start (ines b)
12        7           ready  47140       7       -  idle
template  7           ready   4712           31 MB  900 files loaded
front                 ready   4711           45 MB"""
    assert expected == render(report())


def test_what_is_wrong_stands_below() -> None:
    """Word for word as in the log, but for what would steer the terminal."""
    failed = process(generation=8, pid=None, life="exited", files=0, fault="cannot import Trac: \x1b[2J\nline")
    draining = process(number=3, life="draining", asked=[], fault="it hung")
    text = render(report(templates=[failed], workers=[draining], stopping=True))
    assert "template 8 (generation 8): cannot import Trac: \\x1b[2J\nline" in text
    assert "worker 3 (generation 7): it hung" in text
    assert "for 1 min 30 s" in text
    assert "\nstopping\n" in text


def test_a_long_path_is_cut() -> None:
    """The last column may be wide, but not without end."""
    asked = {"method": "GET", "path": "/" + "x" * 500, "user": "", "seconds": 61}
    text = render(report(workers=[process(number=1, asked=[asked])]))
    line = next(line for line in text.splitlines() if "GET" in line)
    assert line.endswith("1 min 1 s GET /" + "x" * 66 + "...")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-0.1, "0.0 s"), (0.25, "0.2 s"), (59.9, "59.9 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90000, "1 d 1 h")],
)
def test_times(seconds: float, text: str) -> None:
    """Two units are enough."""
    assert text == duration(seconds)


def test_sizes_and_texts() -> None:
    """Megabytes; letters of any language, and no controls."""
    assert ("-", "0 MB", "2048 MB") == (size(None), size(1000), size(2 << 30))
    assert "é世\n\\x07\\x9b" == printable("é世\n\x07\x9b")
