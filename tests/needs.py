"""What a test needs of the machine. Where that is not there, the test fails: one that does not run shows nothing.

``LACKING=skip`` leaves such tests out, for a machine that cannot have it all.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest


def require(*needs: str) -> None:
    """Fail unless all of this is there: a name of ``KNOWN``, a program, or the path of a file."""
    for need in needs:
        if not _is_there(need):
            lack(f"{need} is not there")


def lack(what: str) -> NoReturn:
    """Fail for what this machine has not, or skip where that is what somebody wants."""
    if os.environ.get("LACKING") == "skip":
        pytest.skip(what)
    pytest.fail(f"{what}; LACKING=skip leaves out what needs it", pytrace=False)


def find_program(name: str) -> str | None:
    """Find a program, among those too that Debian keeps off the path of people: servers, and PostgreSQL's newest."""
    postgresql = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return shutil.which(name, path=os.pathsep.join([*map(str, postgresql[::-1]), os.environ["PATH"], "/usr/sbin"]))


def _is_there(need: str) -> bool:
    if need in KNOWN:
        return KNOWN[need]()
    return os.path.exists(need) if "/" in need else find_program(need) is not None


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


KNOWN: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "Linux": lambda: sys.platform == "linux",
    "CPython": lambda: platform.python_implementation() == "CPython",
    "IPv6": _has_ipv6,
}
"""What is no program: somebody, a system, and what it can do."""
