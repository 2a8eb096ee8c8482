"""What the options of logs mean together."""

from __future__ import annotations

from string import Template
from typing import Any

from tracd_cluster.configuration.log_options import PAGE_LIMIT
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.log import LogSettings

PLACES = ("status", "phrase", "reason", "advice", "request")


def log_settings(values: dict[str, Any]) -> LogSettings:
    """Say what is written where; raise ConfigError for what cannot be."""
    if values["access_log"] == "-" and values["daemonize"]:
        raise ConfigError("--access-log - is standard output, and -d has none: name a file, or syslog")
    return LogSettings(
        access=values["access_log"], access_form=values["access_log_format"], messages=values["log_format"]
    )


def error_page(path: str | None) -> str | None:
    """Read the operator's own page; raise ConfigError where it could not be filled in."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            html = file.read(PAGE_LIMIT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--error-page {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    if len(html) > PAGE_LIMIT:
        raise ConfigError(f"--error-page {path} has more than {PAGE_LIMIT // 1024} KiB")
    try:
        Template(html).substitute(dict.fromkeys(PLACES, ""))
    except KeyError as error:
        known = ", ".join("$" + place for place in PLACES)
        raise ConfigError(f"--error-page {path}: ${error.args[0]} is not known, only {known}") from None
    except ValueError as error:
        raise ConfigError(f"--error-page {path}: {error}; a dollar that stands for itself is written $$") from None
    if "$reason" not in html and "${reason}" not in html:
        raise ConfigError(f"--error-page {path} has no $reason: nobody would see what has happened")
    return html
