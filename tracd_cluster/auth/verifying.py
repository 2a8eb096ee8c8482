"""The program that checks passwords: one JSON object per line on standard input, one answer per line.

    in:   {"hash": "$2y$12$...", "password": "..."}
    out:  1 or 0

A process of its own, because a password hash is made to cost a quarter of a second, and half of the schemes would hold
Python's lock that long. Of low priority, because whoever logs in can wait a little and everybody else should not. It
ends when standard input does, and a check has its time, so it cannot outlive the front.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from setproctitle import setproctitle

from tracd_cluster.auth.passwords import verify

NICENESS = 10

LONGEST = 60
"""Seconds of CPU for one check. The front kills us before (verifier.py, CHECK_TIMEOUT); if it is gone, nobody does."""


def main() -> int:
    """Answer until standard input ends."""
    # Ctrl-C and hang-up reach the whole group, and are the front's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    setproctitle("tracd-cluster: password checks")
    os.nice(NICENESS)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        # SIGPROF ends the process even in the middle of a library's work.
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        right = verify(asked["password"], asked["hash"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        # In one piece: with PYTHONUNBUFFERED, print() writes the end of the line by itself.
        os.write(sys.stdout.fileno(), b"1\n" if right else b"0\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
