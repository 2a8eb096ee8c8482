"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.needs import require

# How long one example takes says nothing on a machine that does something else as well.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test marked ``needs("program")`` where that is not there (needs.py)."""
    for mark in item.iter_markers("needs"):
        require(*mark.args)
