"""What does not work in an environment that serves all the same.

With this a change for the worse can be told from one that leaves things as bad as they were (workers/judgement.py).
Trac goes on without what it cannot load, and says so in its log only. Here its log is listened to.
"""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from typing import Any

LONGEST_TRACE = 20_000
"""Characters of a traceback that are told: those of an endless recursion would fill the control link."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not work: a plugin, a page, or the settings of an environment.

    ``kind``, ``environment`` and ``what`` tell it from others; ``text`` is the sentence for the operator.
    """

    kind: str
    environment: str
    what: str
    text: str
    file: str = ""
    """Where the error was raised, if that is known."""
    traceback: str = ""

    def __str__(self) -> str:
        return f"environment {self.environment}: {self.text}"


@dataclass(frozen=True, slots=True)
class Heard:
    """An error that Trac has logged."""

    reason: str
    error: BaseException | None
    file: str = ""
    traceback: str = ""


class Listener(logging.Handler):
    """Hears what Trac writes to the log of an environment, which is all it does with a fault.

    Trac logs an exception while it handles it, so the exception itself is at hand as well.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.plugins: dict[str, Heard] = {}
        """By the plugin's name or file, whichever the loader says."""
        self.errors: list[Heard] = []
        """All others."""

    def emit(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        text = str(record.args[-1]) if isinstance(record.args, tuple) and record.args else record.getMessage()
        reason = text.strip().rpartition("\n")[2]
        heard = Heard(reason, error, file_of(error), trace_of(error)) if error is not None else Heard(reason, None)
        if record.module == "loader" and isinstance(record.args, tuple) and len(record.args) == 2:
            self.plugins[str(record.args[0])] = heard
        else:
            self.errors.append(heard)


@contextmanager
def listening() -> Iterator[Listener]:
    """Hear the errors that Trac logs meanwhile."""
    listener = Listener()
    logger = logging.getLogger("Trac")
    logger.addHandler(listener)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)


def trace_of(error: BaseException) -> str:
    """Write an exception with its traceback."""
    return "".join(traceback.format_exception(error))[-LONGEST_TRACE:]


def file_of(error: BaseException) -> str:
    """Name the file to mend: that of a syntax error, else the innermost that belongs neither to Trac nor to Python."""
    if isinstance(error, SyntaxError) and error.filename:
        return os.path.abspath(error.filename)
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    files = [file for file in files if not file.startswith("<")]
    trac = os.path.dirname(getattr(sys.modules.get("trac"), "__file__", None) or "/nowhere/")
    ours = os.path.dirname(os.path.dirname(__file__))
    theirs = (trac, ours, sysconfig.get_path("stdlib"))
    packages = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("purelib", "platlib"))

    def foreign(file: str) -> bool:
        return file.startswith(packages) or not file.startswith(theirs)

    chosen = [file for file in files if foreign(file) and not file.startswith((trac, ours))] or files
    return os.path.abspath(chosen[-1]) if chosen else ""


def plugins_left_out(env: Any, heard: dict[str, Heard]) -> list[Fault]:
    """Name each plugin that is installed and not in use, with the reason."""
    found = []

    def fault(plugin: str, text: str, cause: Heard | None = None) -> None:
        file, trace = (cause.file, cause.traceback) if cause is not None else ("", "")
        found.append(Fault("plugin", env.path, plugin, text, file or plugin, trace))

    for path in filter(None, (env.plugins_dir, env.shared_plugins_dir)):
        for file in sorted(glob(os.path.join(path, "*.py"))):
            name = os.path.basename(file)[:-3]
            cause = heard.pop(name, None) or heard.pop(file, None)
            module = sys.modules.get(name)
            loaded = getattr(module, "__file__", None)
            if cause is not None or module is None:
                why = cause.reason if cause is not None else "see its trac.log"
                fault(file, f"plugin {file} cannot be loaded: {why}", cause)
            elif loaded is None or not os.path.samefile(loaded, file):
                fault(file, f"plugin {file} is not used: a module named {name} was there first ({loaded})")
    for plugin, cause in heard.items():
        fault(plugin, f"plugin {plugin} cannot be loaded: {cause.reason}", cause)
    return found
