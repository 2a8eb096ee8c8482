"""The program that checks passwords: one JSON object per line on standard input, one answer per line.

    in:   {"hash": "$2y$12$...", "password": "..."}
    out:  1 or 0

A process of its own, because a password hash is made to cost a quarter of a second, and half of the schemes would hold
Python's lock that long. Of low priority, because whoever logs in can wait a little and everybody else should not. It
ends when standard input does, so it cannot outlive the front.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from setproctitle import setproctitle

from tracd_cluster.auth.passwords import verify

NICENESS = 10


def main() -> int:
    """Answer until standard input ends."""
    # Ctrl-C and hang-up reach the whole group, and are the front's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    setproctitle("tracd-cluster: password checks")
    os.nice(NICENESS)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        # In one piece: with PYTHONUNBUFFERED, print() writes the end of the line by itself.
        os.write(sys.stdout.fileno(), b"1\n" if verify(asked["password"], asked["hash"]) else b"0\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
