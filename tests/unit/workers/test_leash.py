"""What a command begins with."""

from __future__ import annotations

import re
import signal
import subprocess

from tracd_cluster.workers.command import LEASH

HELD = {signal.SIGINT, signal.SIGTERM}
IGNORED = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
"""By Python, as the kernel tells it; what else is ignored is the affair of whoever runs the tests."""
ON_DESCRIPTOR_3 = ("sh", "-c", 'exec "$@" 3<&0', "sh")


def test_no_signal_is_held_back_or_ignored() -> None:
    """The front holds some back while it starts, and a command that inherited that could not be asked to end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        command = subprocess.Popen(
            [*ON_DESCRIPTOR_3, *LEASH, "grep", "Sig", "/proc/self/status"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert command.stdout is not None
    told = command.stdout.read()  # before the end of the pipe, which ends the command
    command.communicate(timeout=20)
    found = {name: int(bits, 16) for name, bits in re.findall(r"Sig(Blk|Ign):\s*([0-9a-f]+)", told)}
    assert (0, 0) == (found["Blk"], found["Ign"] & IGNORED)
