"""The pidfile, which changes hands in an upgrade."""

from __future__ import annotations

import os

from twisted.logger import Logger

log = Logger()


def write_pid(path: str) -> None:
    """Write our number: in one step where the folder lets us, else into the file as it is."""
    text = b"%d" % os.getpid()
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        try:
            with open(path, "r+b") as file:
                file.write(text)
                file.truncate()
        except OSError as error:
            log.error("cannot write {path}: {error}; it names the process before", path=path, error=error.strerror)
