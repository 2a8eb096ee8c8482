"""Messages as lines of text or of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import gmtime, strftime
from typing import Any, TextIO

from twisted.logger import FileLogObserver, LogEvent, eventAsText, formatEvent, textFileLogObserver

from tracd_cluster.settings.log import LogForm


def observer_of(stream: Any, form: LogForm) -> Callable[[LogEvent], None]:
    """Make what writes messages to a stream in this form."""
    if form == "text":
        return textFileLogObserver(stream)
    return FileLogObserver(stream, as_json)


def as_json(event: LogEvent) -> str:
    """Write a message as one line: an object with time, level, who speaks, what is said, and a traceback if any."""
    level = event.get("log_level")
    said = {
        "time": timestamp(event["log_time"]),
        "level": level.name if level is not None else "info",
        "system": event.get("log_namespace") or "-",
        "message": formatEvent(event),
    }
    if event.get("log_failure") is not None:
        said["traceback"] = eventAsText(event, includeTimestamp=False, includeSystem=False).partition("\n")[2]
    return json.dumps(said) + "\n"


def timestamp(seconds: float) -> str:
    """Write a time to the millisecond, in UTC (RFC 3339)."""
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"


class StandardError:
    """How messages on standard error look: whoever reads the options says it before anything is written."""

    form: LogForm = "text"

    @classmethod
    def observer(cls, stream: TextIO) -> Callable[[LogEvent], None]:
        """Make the observer."""
        return observer_of(stream, cls.form)
