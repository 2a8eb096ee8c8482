"""Starts a command that cannot outlive the front: a program, run in a process of its own before each command.

``leash.py COMMAND ARGUMENT...``, with a pipe as descriptor 3 whose other end only the front holds. The command gets a
session of its own, and beside it waits a shell for the end of the pipe, which comes when the front closes it or dies,
even by kill -9; then the shell ends the whole group, with all that the command has started. A shell, since it is a
megabyte where Python is ten. Nothing of Twisted or of ours is imported here, to start in milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys

PIPE = 3
NOT_FOUND = 127
"""Exit status for a command that is not there, as a shell has it."""
WAIT = "read _ <&3; kill -s KILL -- -{group}"


def main() -> None:
    """Leave the watcher behind and become the command."""
    os.setsid()
    group = os.getpid()
    if os.fork() == 0:
        os.setsid()
        with open(os.devnull, "r+b", buffering=0) as nothing:
            for number in (0, 1, 2):
                os.dup2(nothing.fileno(), number)
        title = f"tracd-cluster: ends process group {group} with the front"
        os.execv("/bin/sh", [title, "-c", WAIT.format(group=group)])  # noqa: S606
    os.close(PIPE)
    # A front that starts holds signals to end back (signals.py), and Python ignores two: neither is for the command.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    # In a virtual environment that nobody has activated, tracd stands beside our own Python.
    os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable)))
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
    except OSError as error:
        print(f"cannot run {sys.argv[1]}: {error.strerror}", flush=True)  # noqa: T201 - goes to the log
        os._exit(NOT_FOUND)


if __name__ == "__main__":
    main()
