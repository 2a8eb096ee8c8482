"""Lines of the control socket: what is said is what is heard, and anything else is refused with a reason."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.operating.protocol import (
    COMMANDS,
    MOST,
    REQUEST_LIMIT,
    BadRequest,
    End,
    Request,
    decode_answer,
    decode_request,
    encode_end,
    encode_progress,
    encode_request,
)


@given(st.sampled_from(sorted(COMMANDS)), st.integers(1, MOST), st.booleans())
def test_a_request_is_heard_as_it_was_meant(command: str, number: int, wait: bool) -> None:
    """On one line, well within the limit."""
    request = Request(command, number if COMMANDS[command] else 0, wait)
    line = encode_request(request)
    assert request == decode_request(line)
    assert 1 == line.count(b"\n")
    assert len(line) < REQUEST_LIMIT


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 3000, "JSON"),
        (b"[]", "object"),
        (b"{}", "command is one of status"),
        (b'{"command": ["stop"]}', "command is one of"),
        (b'{"command": "fly"}', "command is one of"),
        (b'{"command": "stop", "wait": 1}', "wait is true or false"),
        (b'{"command": "scale"}', "scale needs count"),
        (b'{"command": "scale", "count": true}', "scale needs count"),
        (b'{"command": "scale", "count": 1e3}', "scale needs count"),
        (b'{"command": "drain", "worker": 1001}', "drain needs worker, a number from 1 to 1000"),
    ],
)
def test_what_is_no_request(line: bytes, expected: str) -> None:
    """It says what was expected."""
    with pytest.raises(BadRequest, match=expected):
        decode_request(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(line: bytes) -> None:
    """Nothing else can happen."""
    with contextlib.suppress(BadRequest):
        assert decode_request(line).command in COMMANDS


def test_answers() -> None:
    """How far it is, and how it ended."""
    assert "starting é\n" == decode_answer(encode_progress("starting é\n"))
    for end in (End(0, "done"), End(1, "two\nlines", {"pid": 7})):
        assert end == decode_answer(encode_end(end))
        assert 1 == encode_end(end).count(b"\n")
    with pytest.raises(BadRequest):
        decode_answer(json.dumps({"status": "fine", "say": ""}).encode())
