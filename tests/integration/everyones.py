"""An interpreter for everybody: root's own may lie where nobody else can go."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.dropin.server import NOBODY, Python
from tests.processes import ROOT


@contextmanager
def python_for_everybody() -> Iterator[Python]:
    """Give the tests' own interpreter, or a copy if that lies in somebody's home."""
    own = Python(sys.executable, {})
    if _runs_for_nobody(own):
        yield own
        return
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        copy = _copy_of_python(Path(name))
        assert _runs_for_nobody(copy), "no other user may run this Python"
        yield copy


def _runs_for_nobody(python: Python) -> bool:
    command = [python.path, "-c", "import ssl, sqlite3, trac"]
    variables = {**os.environ, **python.environment}
    nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run(command, cwd="/", env=variables, capture_output=True, check=True, **nobody)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy_of_python(folder: Path) -> Python:
    library = Path(sysconfig.get_path("stdlib"))
    left_out = shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "config-*", "idlelib")
    shutil.copytree(library, folder / "lib" / library.name, ignore=left_out)
    for shared in library.parent.glob("libpython*.so*"):
        shutil.copy(shared, folder / "lib")
    (folder / "bin").mkdir()
    path = shutil.copy(Path(sys.base_prefix, "bin", library.name), folder / "bin")
    packages = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    return Python(str(path), {"PYTHONPATH": packages, "LD_LIBRARY_PATH": str(folder / "lib")})
