"""What the options of the pool mean together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.configuration.values import processors
from tracd_cluster.configuration.worker_config import pool_sizes
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.settings.whole import Settings


def made(folder: Path, *options: str) -> Settings:
    """Read a command line."""
    return load([str(folder), *options])


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    """One worker for each processor, none of them recycled."""
    settings, defaults = made(tmp_path), PoolSettings()
    pool = settings.pool
    assert (processors(), processors(), processors()) == (pool.workers, pool.most_workers, pool.processors)
    assert (None, None, None) == (pool.max_requests, pool.max_memory, pool.lifetime)
    assert (defaults.grow_after, defaults.shrink_after) == (pool.grow_after, pool.shrink_after)
    assert defaults.start_timeout == pool.start_timeout
    assert () == settings.front.request_timeouts


def test_all_of_it(tmp_path: Path) -> None:
    """Each option in its place."""
    settings = made(
        tmp_path, "--workers", "2..8", "--grow-after", "1", "--shrink-after", "5", "--max-requests", "20",
        "--max-memory", "300M", "--worker-lifetime", "3600", "--start-timeout", "7",
        "--request-timeout-for", "/report/*format=csv=900", "--request-timeout-for", "/x=1",
    )  # fmt: skip
    pool = settings.pool
    assert (2, 8, 1.0, 5.0) == (pool.workers, pool.most_workers, pool.grow_after, pool.shrink_after)
    assert (20, 300 << 20, 3600.0, 7.0) == (pool.max_requests, pool.max_memory, pool.lifetime, pool.start_timeout)
    assert (("/report/*format=csv", 900.0), ("/x", 1.0)) == settings.front.request_timeouts
    assert () == settings.warnings


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ([], max(seconds for _, seconds in FrontSettings().slow_kinds) + 30),
        (["--request-timeout", "1000"], 1030),
        (["--request-timeout-for", "/x=2000", "--drain-timeout", "5"], 2005),
    ],
)
def test_a_worker_that_makes_room_may_end_the_longest_request(
    tmp_path: Path, options: list[str], seconds: float
) -> None:
    """Nothing that the front allows is cut off."""
    assert seconds == made(tmp_path, *options).pool.leave_timeout


def test_memory_that_nobody_tells_cannot_be_limited(tmp_path: Path) -> None:
    """Better an error at the start than a limit that does nothing."""
    values: dict[str, Any] = {
        "workers": (1, 1), "grow_after": 1.0, "shrink_after": 1.0, "max_requests": None, "max_memory": 5,
        "worker_lifetime": None, "drain_timeout": 1.0, "start_timeout": 1.0, "request_timeout": 1.0,
        "request_timeout_for": (),
    }  # fmt: skip
    with pytest.raises(ConfigError, match="--max-memory 5 needs to know the memory of each worker"):
        pool_sizes(values, str(tmp_path / "status"))


def test_what_does_nothing_is_told(tmp_path: Path) -> None:
    """A pool that cannot grow never will, however soon it should."""
    [warning] = made(tmp_path, "--workers", "2", "--grow-after", "1", "--shrink-after", "9").warnings
    assert warning.startswith("--grow-after and --shrink-after do nothing with a fixed number of workers")
    warnings = load(["--upstream", "http://127.0.0.1:8000", "--max-requests", "5", "--compress-pages"]).warnings
    assert "--compress-pages does nothing with --upstream: only our own workers compress" == warnings[0]
    [warning] = warnings[1:]
    assert "--max-requests do nothing with --upstream: there are no workers here" == warning
