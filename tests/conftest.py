"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes says nothing on a machine that does something else as well.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
