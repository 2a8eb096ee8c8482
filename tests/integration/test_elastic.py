"""An elastic pool: long requests do not block quick ones, and what grew goes when it is not needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.gate import Gate
from tests.integration.load import Load
from tests.processes import wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")


@contextmanager
def long_requests(cluster: ClusterProcess, count: int) -> Iterator[list[int]]:
    """Send requests that take until this is over; give the list in which their statuses are then."""
    statuses: list[int] = []
    with Gate() as gate:

        def ask() -> None:
            statuses.append(cluster.get(gate.target).status)

        clients = [threading.Thread(target=ask) for _ in range(count)]
        for client in clients:
            client.start()
        try:
            yield statuses
        finally:
            gate.open()
            for client in clients:
                client.join(30)


def seconds_for_a_page(cluster: ClusterProcess) -> float:
    """Fetch a quick page."""
    start = monotonic()
    assert 200 == cluster.get("/").status
    return monotonic() - start


def test_long_requests_do_not_block_the_quick_ones(start_cluster: StartCluster) -> None:
    """With room to grow, a quick page comes in about half a second; afterwards the pool is as small as before."""
    cluster = start_cluster(*APPLICATION, "--workers", "1..4", "--shrink-after", "2")
    cluster.wait_for_workers(1)
    with long_requests(cluster, 3) as statuses:
        cluster.wait_for_workers(3)
        assert seconds_for_a_page(cluster) < 3
        assert 4 == len(cluster.worker_pids())
        wait_until(lambda: seconds_for_a_page(cluster) < 0.2, 3, "a page that waits for nobody")
        assert [] == statuses
    assert [200, 200, 200] == statuses
    cluster.wait_for_workers(1)
    assert "The pool grows to 2: a request has waited" in cluster.log
    assert "The pool shrinks to 1: no more are needed" in cluster.log
    assert "cut off" not in cluster.log
    assert 200 == cluster.get("/").status


def test_a_fixed_pool_lets_them_wait(start_cluster: StartCluster) -> None:
    """Without room to grow a quick page has to wait for the long one before it."""
    cluster = start_cluster(*APPLICATION, "--workers", "1")

    def page_that_waits() -> threading.Thread | None:
        page = threading.Thread(target=seconds_for_a_page, args=(cluster,))
        page.start()
        page.join(3)
        return page if page.is_alive() else None

    with long_requests(cluster, 1) as statuses:
        page = wait_until(page_that_waits, 10, "a page behind a long request")
        assert [] == statuses
    assert page is not None
    page.join(30)
    assert ([200], False) == (statuses, page.is_alive())
    assert 1 == len(cluster.worker_pids())


def test_growing_and_shrinking_under_load_loses_nothing(start_cluster: StartCluster) -> None:
    """Quick pages beside long ones, while the pool changes all the time."""
    cluster = start_cluster(*APPLICATION, "--workers", "1..4", "--grow-after", "0.1", "--shrink-after", "0.3")
    load = Load(cluster.port).readers(2, "/")
    for _ in range(4):
        with long_requests(cluster, 2) as statuses:
            cluster.wait_for_workers(3)
        assert [200, 200] == statuses
        cluster.wait_for_workers(2)
    assert [] == load.stop().failures
    cluster.wait_for_workers(1)
    assert "cut off" not in cluster.log
