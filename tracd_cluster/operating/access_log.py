"""The access log: records are kept as they come, and written a few times a second, off the hot path."""

from __future__ import annotations

import os
import sys
import syslog
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tracd_cluster.errors import StartError
from tracd_cluster.front.record import Record
from tracd_cluster.operating.access_lines import as_json, combined
from tracd_cluster.settings.log import LogSettings

INTERVAL = 0.25
"""Seconds between two writes: what a crash of the front can lose."""

MOST_KEPT = 2000
"""Records that are kept for the next write; one more writes at once."""

log = Logger()


class AccessLog(Service):
    """Writes a line for each record to a file, to standard output or to syslog.

    A line that cannot be written is lost, and said so once; serving goes on. Raises StartError when the file cannot
    be opened.
    """

    name = "access log"

    def __init__(self, settings: LogSettings, reactor: Any) -> None:
        self.path = settings.access if settings.access not in ("-", "syslog") else None
        self._format: Callable[[Record], str] = as_json if settings.access_form == "json" else combined
        self._records: list[Record] = []
        self._failing = False
        self._descriptor = -1
        self._write = self._write_to_file
        if self.path is not None:
            try:
                self._descriptor = _open(self.path)
            except OSError as error:
                raise StartError(f"cannot write the access log {self.path}: {error.strerror}") from None
        elif settings.access == "syslog":
            syslog.openlog("tracd-cluster-access", syslog.LOG_PID, syslog.LOG_DAEMON)
            self._write = _write_to_syslog
        else:
            self._write = _write_to_standard_output
        self._writing = LoopingCall(self.flush)
        self._writing.clock = reactor

    def take(self, record: Record) -> None:
        """Take note of a request that has ended."""
        self._records.append(record)
        if len(self._records) > MOST_KEPT:
            self.flush()

    def flush(self) -> None:
        """Write what has come."""
        if not self._records:
            return
        records, self._records = self._records, []
        try:
            self._write([self._format(record) for record in records])
        except OSError as error:
            if not self._failing:
                log.error("The access log cannot be written, and misses requests: {error}", error=error)
            self._failing = True
        else:
            self._failing = False

    def _write_to_file(self, lines: list[str]) -> None:
        data = "".join(line + "\n" for line in lines).encode("ascii")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def reopen(self) -> None:
        """Go on in the file that has the name now; raise OSError, and go on in the old one, if that cannot be."""
        if self.path is not None:
            self.flush()
            before, self._descriptor = self._descriptor, _open(self.path)
            os.close(before)

    def give_to(self, user: int) -> None:
        """Let somebody else be the owner of the file, who will have to open it again."""
        if self.path is not None:
            os.fchown(self._descriptor, user, -1)

    def startService(self) -> None:  # noqa: N802
        """Begin to write now and then."""
        super().startService()  # type: ignore[no-untyped-call]
        self._writing.start(INTERVAL)

    def stopService(self) -> None:  # noqa: N802
        """Write what is left."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._writing.running:
            self._writing.stop()
        self.flush()


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _write_to_syslog(lines: list[str]) -> None:
    for line in lines:
        syslog.syslog(syslog.LOG_INFO, line)


def _write_to_standard_output(lines: list[str]) -> None:
    if sys.__stdout__ is not None:
        sys.__stdout__.write("".join(line + "\n" for line in lines))
        sys.__stdout__.flush()
