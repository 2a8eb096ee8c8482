"""Python's garbage collector in a process that holds thousands of connections.

A full collection walks all objects, some twenty for each connection: with 7000 of them, 30 to 50 ms in which nobody is
served. There is next to nothing to find, as what a connection has goes with its end, by reference counts alone.
"""

from __future__ import annotations

import gc

THRESHOLDS = (10_000, 20, 50)
"""New objects before the young are collected, and how many such collections before the older ones. Python's own (700,
10, 10) collect a hundred times while a thousand connections come, and walk all the others twice."""


def settle() -> None:
    """Take what is here to stay out of the collector's sight, and let it look more rarely at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
