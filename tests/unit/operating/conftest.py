"""A pool of workers on paper for the tests of this folder."""

from __future__ import annotations

from tests.unit.workers.conftest import log, pool

__all__ = ["log", "pool"]
