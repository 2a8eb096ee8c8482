"""The options that the files of ``deploy/`` make use of, beside those that there are."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

COMING = ("admin", "public-health")
"""Options that other work brings. Where the command line has them, nothing is left out any more."""


@cache
def usage() -> str:
    """Give what ``--help`` prints."""
    argv = [sys.executable, "-m", "tracd_cluster.cli", "--help"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def known_only(text: str) -> str:
    """Leave out of a configuration file what is still to come."""
    missing = tuple(f"{name} =" for name in COMING if f"--{name} " not in usage())
    return "".join(line for line in text.splitlines(keepends=True) if not (missing and line.startswith(missing)))
