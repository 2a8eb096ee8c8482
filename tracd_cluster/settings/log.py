"""What is written down, where, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LogForm = Literal["text", "json"]
AccessForm = Literal["combined", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The access log and the messages."""

    access: str | None = None
    """Absolute path of the access log, ``-`` for standard output, ``syslog``; None for none."""
    access_form: AccessForm = "combined"
    messages: LogForm = "text"
