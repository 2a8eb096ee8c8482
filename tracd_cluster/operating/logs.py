"""All that is written down: messages and the access log, opened and opened again together."""

from __future__ import annotations

import sys
from typing import Any

from twisted.logger import Logger

from tracd_cluster.errors import StartError
from tracd_cluster.front.record import Recorder
from tracd_cluster.operating import log_file
from tracd_cluster.operating.access_log import AccessLog
from tracd_cluster.operating.log_file import LogFile
from tracd_cluster.operating.log_lines import StandardError
from tracd_cluster.settings.log import LogSettings

log = Logger()


class Logs:
    """The logs of one service. Raises StartError for a file that cannot be written."""

    def __init__(self, settings: LogSettings, twistd: Any, reactor: Any, recorders: list[Recorder]) -> None:
        self._form = StandardError.form = settings.messages
        path = log_file.path_of(twistd)
        self._to_terminal = path is None and not (twistd.get("logger") or twistd.get("syslog"))
        try:
            self._messages = LogFile(path) if path is not None else None
        except OSError as error:
            raise StartError(f"cannot write the log file {path}: {error.strerror}") from None
        self._access = AccessLog(settings, reactor) if settings.access is not None else None
        if self._access is not None:
            recorders.append(self._access.take)

    def log_to(self, application: object) -> None:
        """Have twistd's log go to a file that can be opened again."""
        if self._messages is not None:
            log_file.write_here(application, self._messages, self._form)
        elif self._to_terminal and self._form != "text":
            log_file.write_here(application, sys.__stdout__, self._form)  # where twistd -n writes

    def give_to(self, user: int) -> None:
        """Let somebody else own the files, who will have to open them again."""
        for each in (self._messages, self._access):
            if each is not None:
                each.give_to(user)

    def start(self) -> None:
        """Begin to write what comes now and then."""
        if self._access is not None:
            self._access.startService()

    def end(self) -> None:
        """Write what is left."""
        if self._access is not None:
            self._access.stopService()

    def reopen(self) -> None:
        """Go on in new files: somebody has renamed the old ones."""
        files = [(each.path, each.reopen) for each in (self._messages, self._access) if each is not None and each.path]
        for path, reopen in files:
            try:
                reopen()
            except OSError as error:
                log.error("{text}", text=log_file.cannot_reopen(path, error))
            else:
                log.info("{path} has been opened again", path=path)
        if not files:
            log.info("SIGUSR1: there is no log file to open again")
