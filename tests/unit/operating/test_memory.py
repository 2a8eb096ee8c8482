"""Memory of processes."""

from __future__ import annotations

import os

import pytest

from tracd_cluster.operating.memory import pss


@pytest.mark.needs("Linux")
def test_what_the_kernel_tells() -> None:
    """Something between a page and everything."""
    found = pss(os.getpid())
    assert found is not None
    assert 1 << 20 < found < 1 << 40


def test_what_nobody_knows() -> None:
    """A process that has gone, or has not been made."""
    assert pss(None) is None
    assert pss(1 << 30) is None
