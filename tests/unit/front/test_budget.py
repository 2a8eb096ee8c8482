"""How many files may be open, and how many clients that is room for."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.configuration.config import load
from tracd_cluster.front.budget import available, complaint, lanes_of, needed, room


@given(st.integers(1, 100_000), st.integers(0, 2000))
def test_what_is_needed_is_enough_and_hardly_more(connections: int, lanes: int) -> None:
    """Both ways of asking agree."""
    files = needed(connections, lanes)
    assert connections <= room(files, lanes)
    assert room(files - 1, lanes) < max(2, connections)


@pytest.mark.parametrize(
    ("options", "lanes"),
    [
        (["--workers", "3", "--threads", "2", "."], 12),
        (["--workers", "2..8", "."], 16),
        (["--upstream", "http://a:80", "--upstream", "http://b:80", "--upstream-connections", "5"], 20),
    ],
)
def test_lanes_count_twice(options: list[str], lanes: int) -> None:
    """While generations change there are those of both."""
    assert lanes == lanes_of(load(options))


def test_the_complaint_has_the_numbers() -> None:
    """What there is, what that is room for, what is wanted; nothing if it is enough."""
    settings = load(["--workers", "1", "--max-connections", "1000", "."])
    assert "" == complaint(settings, 1380)
    words = complaint(settings, 1379)
    assert words.startswith("only 1379 files may be open at a time: that is room for 999 clients")
    assert words.endswith("--max-connections 1000 needs 1380 (ulimit -n 1380, or LimitNOFILE=1380 in the unit)")


def test_the_hard_limit_is_what_there_is() -> None:
    """The soft one can be raised to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert available() == (sys.maxsize if hard == resource.RLIM_INFINITY else hard)


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "got"), [(100, 200, 150, 150), (100, 200, 300, 200), (100, 200, 50, 100)]
)
def test_the_limit_is_raised_as_far_as_is_needed(soft: int, hard: int, asked: int, got: int) -> None:
    """And as far as it can be."""
    program = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"from tracd_cluster.front.budget import ask_for\n"
        f"print(ask_for({asked}), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert f"{got} {got} {hard}" == done.stdout.strip()
