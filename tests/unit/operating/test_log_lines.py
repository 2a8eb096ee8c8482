"""Messages as JSON: one line each, whatever they say."""

from __future__ import annotations

import io
import json

from twisted.logger import LogLevel
from twisted.python.failure import Failure

from tracd_cluster.operating.log_lines import as_json, observer_of


def test_one_line_for_each_message() -> None:
    """With a traceback inside, if there is one."""
    try:
        raise ValueError("two\nlines")
    except ValueError:
        failure = Failure()  # type: ignore[no-untyped-call]
    event = {
        "log_time": 0.5, "log_level": LogLevel.error, "log_namespace": "a.b", "log_format": "{x} failed\nreally",
        "x": "it", "log_failure": failure,
    }  # fmt: skip
    line = as_json(event)
    assert 1 == line.count("\n")
    said = json.loads(line)
    assert ("1970-01-01T00:00:00.500Z", "error", "a.b", "it failed\nreally") == (
        said["time"], said["level"], said["system"], said["message"],
    )  # fmt: skip
    assert "ValueError: two" in said["traceback"]


def test_either_form_goes_to_a_stream() -> None:
    """Text is Twisted's own."""
    for form, start in (("text", "1970-01-01T"), ("json", '{"time": "1970-01-01T')):
        stream = io.StringIO()
        observer_of(stream, form)({"log_time": 0.0, "log_format": "hello", "log_namespace": "x"})  # type: ignore[arg-type]
        assert "hello" in stream.getvalue()
        assert form == "text" or stream.getvalue().startswith(start)
