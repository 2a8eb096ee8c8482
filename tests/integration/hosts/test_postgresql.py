"""An environment on PostgreSQL, on this host: restarts, saved settings, and how many connections are held."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import StartCluster
from tests.integration.hosts.conftest import forget_tickets, make_environment_on
from tests.integration.hosts.database import PostgreSQL
from tests.integration.load import TICKETS, Load, assert_each_once
from tests.processes import ProcessTree, free_port, wait_until

PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/query")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """A database with little room: seven connections, and three for superusers."""
    with PostgreSQL(max_connections="10", superuser_reserved_connections="3", max_wal_senders="0") as made:
        yield made


@pytest.fixture(scope="module")
def pg_env(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment on it."""
    return make_environment_on(postgresql, tmp_path_factory.mktemp("environment") / "tidewatch")


@pytest.fixture(autouse=True)
def no_tickets(postgresql: PostgreSQL, pg_env: Path) -> None:
    """Take away the tickets of the test before, which had the same names."""
    forget_tickets(postgresql)


def test_it_may_be_restarted_under_load(postgresql: PostgreSQL, pg_env: Path, start_cluster: StartCluster) -> None:
    """Pages come back by themselves, from the same workers; a ticket that was acknowledged stays."""
    cluster = start_cluster("--workers", "2", "-s", str(pg_env))
    workers = cluster.worker_pids()
    load = Load(cluster.port).readers(4, *PAGES).writers(1)
    wait_until(lambda: load.tally.good > 20 and len(load.tally.tickets) > 5, 30, "some load")
    assert [] == load.tally.failures
    postgresql.stop()
    failed = wait_until(lambda: len(load.tally.failures), 10, "a page that fails")
    postgresql.start()
    wait_until(lambda: cluster.get("/ticket/1").status == 200, 5, "the first page after the restart")
    for _ in workers:
        # Each worker finds out for itself; a page at each that fails is what it takes at the most.
        cluster.get("/about")
    good, failed = load.tally.good, len(load.tally.failures)
    wait_until(lambda: load.tally.good > good + 30, 20, "pages as before")
    tally = load.stop()
    assert failed + 4 >= len(tally.failures), "those that were under way, and no more"
    assert workers == cluster.worker_pids()
    assert assert_each_once(postgresql.ask(TICKETS), tally) > 5


def test_settings_saved_under_load_cost_nothing(
    postgresql: PostgreSQL, pg_env: Path, start_cluster: StartCluster
) -> None:
    """Trac closes its connections when trac.ini has changed: no page fails by that, and no ticket."""
    cluster = start_cluster("--workers", "2", "-s", str(pg_env))
    load = Load(cluster.port).readers(4, *PAGES).writers(1)
    settings = pg_env / "conf" / "trac.ini"
    for _ in range(3):
        good, tickets = load.tally.good, len(load.tally.tickets)
        wait_until(lambda good=good: load.tally.good > good + 10, 30, "some load")  # type: ignore[misc]
        wait_until(lambda made=tickets: len(load.tally.tickets) > made + 1, 30, "some tickets")  # type: ignore[misc]
        # As Trac itself and any good editor do.
        draft = settings.with_suffix(".new")
        draft.write_text(settings.read_text())
        draft.rename(settings)
    cluster.wait_for_log("starting new workers")
    good = load.tally.good
    wait_until(lambda: load.tally.good > good + 10, 30, "pages after it")
    tally = load.stop()
    assert [] == tally.failures
    assert Counter() == Counter(came for came in tally.tickets.values() if "/ticket/" not in came)
    assert_each_once(postgresql.ask(TICKETS), tally)


def test_a_worker_holds_one_connection(postgresql: PostgreSQL, pg_env: Path, start_cluster: StartCluster) -> None:
    """One for each environment that it serves, whatever the size of Trac's pool; and the template none."""
    cluster = start_cluster("--workers", "3", "-s", str(pg_env))
    load = Load(cluster.port).readers(6, *PAGES)
    wait_until(lambda: len(postgresql.connections()) == 3, 30, "a connection of each worker")
    good = load.tally.good
    wait_until(lambda: load.tally.good > good + 20, 30, "more pages")
    assert 3 == len(postgresql.connections())
    assert [] == load.stop().failures
    cluster.stop()
    wait_until(lambda: not postgresql.connections(), 10, "the end of all connections")


@pytest.mark.parametrize(("workers", "said"), [(7, False), (8, True)])
def test_the_check_counts_connections(
    postgresql: PostgreSQL, pg_env: Path, tmp_path: Path, workers: int, said: bool
) -> None:
    """More workers than PostgreSQL has room for are a hint, with the figures."""
    argv = [sys.executable, "-m", "tracd_cluster.cli", "-b", "127.0.0.1", "-p", str(free_port()), "--check"]
    tree = ProcessTree([*argv, "--workers", str(workers), "-s", str(pg_env)], tmp_path / "check.log")
    assert 0 == tree.wait(60), tree.output.read_text()
    hint = f"hint: 8 workers may hold 8 connections to PostgreSQL at 127.0.0.1:{postgresql.port}, which has room for 7"
    assert said == (hint in tree.output.read_text())
