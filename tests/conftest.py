"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# How long one example takes says nothing on a machine that does something else as well.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
