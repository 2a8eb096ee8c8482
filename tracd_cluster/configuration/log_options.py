"""The options of what is written down, and of the pages that the front makes itself."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option

PAGE_LIMIT = 256 * 1024
"""Bytes of an error page of the operator's own: it goes out with every refusal."""


def access_log(text: str, folder: str = "") -> str:
    """Read where the access log goes."""
    if text in ("-", "syslog"):
        return text
    found = values.path(text, folder)
    if not found.startswith("/dev/"):
        values.existing_folder(found.rpartition("/")[0] or "/")
    return found


def one_of(*words: str) -> Callable[[str], str]:
    """Make what reads one of a few words."""

    def read(text: str) -> str:
        if text not in words:
            raise ArgumentTypeError(f"{text!r} is not {' or '.join(words)}")
        return text

    return read


LOGS: tuple[Option, ...] = (
    Option(
        names=("--logfile",), group="logs", read=values.path, metavar="FILE", is_path=True,
        help="where messages go", shown="standard error",
    ),
    Option(
        names=("--log-format",), group="logs", read=one_of("text", "json"), metavar="FORM", default="text",
        help="of messages: text, or json with one object a line", shown="text",
    ),
    Option(
        names=("--access-log",), group="logs", read=access_log, metavar="FILE", is_path=True,
        help="a line for each request; - for standard output, or syslog", shown="none",
    ),
    Option(
        names=("--access-log-format",), group="logs", read=one_of("combined", "json"), metavar="FORM",
        default="combined", help="combined (with times, worker and request number behind) or json", shown="combined",
    ),
    Option(
        names=("--error-page",), group="logs", read=values.existing_file, metavar="FILE", is_path=True,
        help="HTML for the front's own pages, with $status $phrase $reason $advice $request", shown="a plain one",
    ),
)  # fmt: skip
