"""A process that is asked where it stands."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.processes import FROM_TREE

PROGRAM = """
import re, threading
from tracd_cluster.tracd.stack import tell_stack_when_asked
tell_stack_when_asked()
def stuck():
    print("ready", flush=True)
    {stuck}
stuck()
"""


def last_words(stuck: str) -> str:
    """Start a program that hangs, ask it, and give what it says, to the frame of the function that hangs."""
    program = [sys.executable, "-c", PROGRAM.format(stuck=stuck)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=FROM_TREE) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        try:
            assert "ready" == one.stdout.readline().strip()
            one.send_signal(signal.SIGUSR1)
            said = ""
            for line in one.stderr:
                said += line
                if "in <module>" in line:
                    break
            assert one.poll() is None, "it ended by being asked"
            return said
        finally:
            one.kill()


@pytest.mark.parametrize("stuck", ["threading.Event().wait()", "re.match('(a+)+$', 'a' * 60 + 'b')"])
def test_it_says_so(stuck: str) -> None:
    """From the innermost call outwards, in the middle of C code too, and goes on."""
    said = last_words(stuck)
    assert said.index("most recent call first") < said.index("in stuck") < said.index("in <module>")
