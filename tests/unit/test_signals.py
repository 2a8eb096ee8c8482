"""Signals wait while nobody is there to obey them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tracd_cluster import signals

HELD = (
    "import os, signal\nfrom tracd_cluster import signals\nsignals.hold()\nos.kill(os.getpid(), signal.SIGTERM)\n"
    "print('alive', flush=True)\nsignals.release()\nprint('still', flush=True)\n"
)


def test_what_has_waited_is_obeyed() -> None:
    """A stop that comes too early is not lost."""
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, timeout=20, check=False)
    assert (-signal.SIGTERM, "alive\n") == (done.returncode, done.stdout)


def test_a_child_begins_without_them_and_we_go_on_with_them() -> None:
    """It would die of a Ctrl-C that is ours before it could ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with signals.held_for_child():
        child = os.fork()
        if not child:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            os._exit({signal.SIGINT, signal.SIGHUP} <= blocked)
    assert 1 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert before == signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_terminal_that_was_closed_is_told_from_one_that_is_there() -> None:
    """HUP says that it has gone; a daemon has none."""
    ask = "from tracd_cluster import signals; import sys; sys.exit(signals.terminal_is_gone())"
    master, slave = os.openpty()
    try:
        there = subprocess.run([sys.executable, "-c", ask], stdin=slave, timeout=20, check=False)
        os.close(master)
        gone = subprocess.run([sys.executable, "-c", ask], stdin=slave, timeout=20, check=False)
    finally:
        os.close(slave)
    none = subprocess.run([sys.executable, "-c", ask], stdin=subprocess.DEVNULL, timeout=20, check=False)
    assert (0, 1, 0) == (there.returncode, gone.returncode, none.returncode)
