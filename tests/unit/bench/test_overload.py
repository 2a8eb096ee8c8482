"""What the overload part makes of what its clients tell."""

from __future__ import annotations

import json

import pytest

from tests.bench import overload, silent
from tests.bench.overload import Clicks, OverloadSample
from tests.bench.overload_report import crowds, overload_table
from tests.bench.peers import Ours
from tests.bench.report import Run, markdown
from tests.bench.silent import Flood, Passing, SilentSample

NGINX, HAPROXY = overload.NginxLimited.name, overload.HaproxyTracd.name


def sample(peer: str, alone: float, among: float, refused: int = 0) -> OverloadSample:
    """A measurement by its two slowest clicks."""
    idle, loaded = Clicks(100, alone / 2, alone, 0, 0), Clicks(100, among / 2, among, refused, 0)
    return OverloadSample(peer, idle, loaded, {"200": 50, "503": 7}, seconds=10.0, others=0.0)


SAMPLES = [
    sample(Ours.name, 40, 60), sample(NGINX, 40, 900, refused=3), sample(HAPROXY, 50, 600),
    sample(HAPROXY, 50, 400), sample(NGINX, 40, 1100), sample(Ours.name, 40, 80),
]  # fmt: skip


def test_clicks_in_vain_are_told_apart() -> None:
    """Refused, lost, and answered late are three things."""
    found = Clicks.of({
        "latencies": [10.0, 20.0, 30.0, 40.0],
        "answers": {"200": 1, "503": 1, "429": 1, "500": 1, "no answer": 1},
    })  # fmt: skip
    assert (4, 30.0, 40.0, 2, 2) == (found.count, found.p50, found.p99, found.refused, found.lost)


def test_the_best_peer_is_the_one_where_people_wait_least() -> None:
    """By the median of its repetitions."""
    assert HAPROXY == overload.best_peer(SAMPLES)
    assert overload.best_peer([SAMPLES[0]]) is None


def test_ours_is_compared_repetition_by_repetition() -> None:
    """However the turns were ordered."""
    assert (600 / 60 + 400 / 80) / 2 == overload.better_than(SAMPLES, HAPROXY)
    assert overload.better_than([], HAPROXY) is None


@pytest.mark.parametrize(("part", "value"), [("loaded.p99", 70.0), ("ratio", 1.75), ("pages", 5.0)])
def test_medians_of_parts(part: str, value: float) -> None:
    """Of what was measured, and of what follows from it."""
    assert value == overload.middle(SAMPLES, Ours.name, part)
    assert overload.middle(SAMPLES, "nobody", part) is None


def test_the_table_says_who_waited_how_long() -> None:
    """A row for each server."""
    ours, nginx, haproxy = overload_table(SAMPLES).splitlines()[2:]
    assert "| tracd-cluster | 20.0 | 40.0 | 35.0 | 70.0 | **1.75×** | 0 | 5.00 | - |" == ours  # noqa: RUF001
    assert "| 3 |" in nginx
    assert "**7.50×** |" in haproxy  # noqa: RUF001


def test_renderings_are_counted_by_the_access_log() -> None:
    """Those of workers, and of this page."""
    lines = [
        json.dumps({"target": target, "by": by}) + "\n"
        for target, by in [("/a", "worker"), ("/a", "cache"), ("/b", "worker"), ("/a", "worker")]
    ]
    assert 2 == silent.renderings(lines, "/a")


def test_the_silent_are_compared_turn_by_turn() -> None:
    """And what they cost is said in one sentence each."""
    turns = [SilentSample(10, 20, 10, 22, 4.0), SilentSample(10, 40, 11, 40, 4.0), SilentSample(10, 20, 12, 30, 4.0)]
    assert (1.1, 1.1) == (silent.ratio(turns, "p50"), silent.ratio(turns, "p99"))
    said = crowds(turns, [Flood(9000, 0, 5.0, 3)], [Passing(5000, 0, 10.0, 60.0, 60.5)])
    assert "4.00 KiB each" in said[0]
    assert (
        "9,000 requests of 64 clients for one page in 5.00 s: 3 renderings in 4 periods of the cache at the most."
        == said[1]
    )
    assert "5,000 addresses" in said[2]
    assert [] == crowds([], [], [])


def test_a_run_survives_its_file() -> None:
    """The tables can be printed again later."""
    run = Run(overload=SAMPLES, silence=[SilentSample(1, 2, 3, 4, 5)], floods=[Flood(1, 0, 2.0, 1)])
    again = Run.from_json(json.loads(json.dumps(run.as_json())))
    assert run == again
    assert "300 strangers" in markdown(again)
