"""The log file: never rotated by us, opened anew when somebody else has renamed it and says so (SIGUSR1).

twistd's own would begin a new file after a megabyte, behind logrotate's back, and rename the file at each SIGUSR1,
which logrotate has just done.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from twisted.logger import ILogObserver
from twisted.python.components import Componentized

from tracd_cluster.operating.log_lines import observer_of
from tracd_cluster.settings.log import LogForm

STANDARD_NAME = "twistd.log"
"""Where a daemon of twistd's writes if nobody says where."""


def path_of(options: Mapping[str, Any]) -> str | None:
    """Give the path of the log file that twistd's options ask for; None if they ask for none."""
    if options.get("logger") or options.get("syslog") or options.get("logfile") == "-":
        return None
    if options.get("logfile"):
        return os.path.abspath(str(options["logfile"]))
    return None if options.get("nodaemon") else os.path.abspath(STANDARD_NAME)


class LogFile:
    """A text file that is appended to, and never fails for a character."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = self._open()

    def _open(self) -> TextIO:
        return open(self.path, "a", encoding="utf-8", errors="backslashreplace")

    def write(self, text: str) -> None:
        """Append."""
        self._file.write(text)

    def flush(self) -> None:
        """Let others see what was written."""
        self._file.flush()

    def reopen(self) -> None:
        """Go on in the file that has the name now; raise OSError, and go on in the old one, if that cannot be."""
        before, self._file = self._file, self._open()
        before.close()

    def give_to(self, user: int) -> None:
        """Let somebody else be the owner, who will have to open it again."""
        with suppress(OSError):
            os.fchown(self._file.fileno(), user, -1)


def write_here(application: Any, log_file: Any, form: LogForm = "text") -> None:
    """Have twistd log to our file instead of one of its own making."""
    if isinstance(application, Componentized):
        application.setComponent(ILogObserver, observer_of(log_file, form))  # type: ignore[no-untyped-call]


def cannot_reopen(path: str, error: OSError) -> str:
    """Say what is wrong and what to do about it."""
    return (
        f"cannot open {path} again: {error.strerror}; messages go on to the file as it was. Let logrotate make the "
        "new file for the user of the service (create 0640 USER GROUP), or let that user write to "
        f"{os.path.dirname(path)}"
    )
