"""The drill: anything is changed, killed and replaced while people read and write, and no request is lost.

DRILL_ROUNDS says how often everything happens, DRILL_GENERATIONS how many generations follow each other; ``make
drill`` has more of both than a plain run.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from statistics import median
from time import monotonic

import pytest

from tests.integration.conftest import make_environment
from tests.integration.drill.events import EVENTS
from tests.integration.drill.leftovers import files_left, leftovers, memory_of, take_inventory
from tests.integration.drill.people import LONG_FILE, THINKING, People
from tests.integration.drill.site import LONG_PATH, SOON, Site, running_site
from tests.integration.load import Load, Tally, assert_no_ticket_lost_or_doubled
from tests.integration.slow_load import assert_no_file_lost_or_doubled
from tests.processes import wait_until

pytestmark = pytest.mark.once

ROUNDS = int(os.environ.get("DRILL_ROUNDS", "1"))
GENERATIONS = int(os.environ.get("DRILL_GENERATIONS", "10"))
GROWTH = 2 << 20
"""Bytes by which a front may differ between its first generations and its last ones."""


def tell(figures: str) -> None:
    """Show figures to whoever runs the tests with -s."""
    print(figures, flush=True)  # noqa: T201


@pytest.fixture
def small_env(tmp_path: Path) -> Path:
    """An environment that warms quickly, with a long file to download."""
    env = make_environment(tmp_path / "tidewatch", "--open", "--tickets", "12", "--pages", "10", "--commits", "0")
    (env / "htdocs" / Path(LONG_PATH).name).write_bytes(LONG_FILE)
    return env


def test_changes_of_all_kinds_lose_nothing(small_env: Path, tmp_path: Path) -> None:
    """Everybody goes on, whatever happens: what was acknowledged is there once, and nothing is left over."""
    with running_site(tmp_path, small_env) as site:
        tally = Tally()
        people = People(site, "early", tally)
        people.all_go_on()
        people.stop()
        before = take_inventory(site)
        people = People(site, "late", tally)
        people.all_go_on()
        for turn in range(ROUNDS):
            for event in EVENTS:
                began, done = monotonic(), people.done()
                event(site, people, turn)
                took = monotonic() - began
                people.all_go_on(done)
                assert ([], 0) == (tally.failures, tally.refused), event.__name__
                tell(f"{event.__name__}: {took:.1f} s, {monotonic() - began:.1f} s with everybody's requests")
        people.stop()
        report(tally, small_env, site)
        assert [] == leftovers(site, before)
        tell(f"no more than before: {before}")
        site.daemon.stop()
        assert [] == files_left(tmp_path / "temporary") + files_left(tmp_path / "runtime")


def report(tally: Tally, env: Path, site: Site) -> None:
    """Assert that nobody lost anything, and tell how much there was to lose."""
    assert ([], 0) == (tally.failures, tally.refused)
    tickets, files = assert_no_ticket_lost_or_doubled(env, tally), assert_no_file_lost_or_doubled(env, tally)
    unknown = tally.unacknowledged()
    # A worker that is killed takes one request with it at the most, and only that of somebody who writes.
    assert [] == [came for came in unknown if came != "status 502"]
    assert len(unknown) <= site.kills
    tell(f"{tally.good} GETs, {tickets} tickets and {files} files acknowledged")
    tell(f"{len(unknown)} outcomes unknown, {site.kills} workers killed; nothing failed, lost, doubled, refused")


def test_generations_leave_nothing_behind(small_env: Path, tmp_path: Path) -> None:
    """After hundreds of generations the front has the memory, the descriptors and the processes that it had."""
    with running_site(tmp_path, small_env) as site:
        readers_and_writer(site, "early").stop()
        before = take_inventory(site)
        load = readers_and_writer(site, "late")
        few = min(20, GENERATIONS // 3)
        memory, began = [], monotonic()
        for number in range(GENERATIONS):
            generation = site.generation()
            if number % 10:
                end = site.daemon.ask("restart")
                assert 0 == end.status, end
            else:
                os.kill(site.daemon.pid, signal.SIGHUP)
            site.rest_after(generation)
            memory.append(memory_of(site.daemon.pid))
        seconds = monotonic() - began
        tally = load.stop()
        first, last = median(memory[few : 2 * few]), median(memory[-few:])
        tell(f"{GENERATIONS} generations in {seconds:.0f} s; {tally.good} GETs, {len(tally.tickets)} tickets")
        tell(f"front, resident: {first / 2**20:.2f} MB, then {last / 2**20:.2f} MB; all: {in_short(memory)}")
        assert ([], 0, []) == (tally.failures, tally.refused, tally.unacknowledged())
        assert_no_ticket_lost_or_doubled(small_env, tally)
        assert last - first < GROWTH
        assert [] == leftovers(site, before)
        tell(f"no more than before: {before}")
        site.daemon.stop()


def readers_and_writer(site: Site, name: str) -> Load:
    """Have a few people at work: new workers are to have all there is of a processor."""
    load = Load(site.daemon.port, name=name).readers(1, "/wiki/WikiStart").writers(1, 5 * THINKING)
    wait_until(lambda: len(load.tally.tickets) > 4, SOON, "some load")
    return load


def in_short(memory: list[int]) -> str:
    """Give every tenth of the figures, in MB."""
    return " ".join(f"{each / 2**20:.1f}" for each in memory[:: max(1, len(memory) // 10)])
