"""Where a process stands, printed when it is asked by SIGUSR1: the last words of one that hangs."""

from __future__ import annotations

import faulthandler
import signal

STANDARD_ERROR = 2


def tell_stack_when_asked() -> None:
    """Print the calls of all threads at SIGUSR1.

    It is done by C code in the signal's handler, so it works in the middle of a library that never comes back.
    """
    faulthandler.register(signal.SIGUSR1, file=STANDARD_ERROR, all_threads=True, chain=False)
