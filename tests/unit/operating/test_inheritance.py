"""What a front leaves to its successor arrives, once."""

from __future__ import annotations

import pytest

from tracd_cluster.operating.inheritance import VARIABLE, Inheritance, Lines, line, peek_inheritance, take_inheritance
from tracd_cluster.workers.steps import Wish

LEFT = Inheritance(
    predecessor=7, link=3, ports={"tcp:port=80": 6, "unix:address=/run/é": 7}, output=(4, 5), pidfile="/run/pid",
    control=None, wish=Wish(4, 2, 2),
)  # fmt: skip


def test_it_is_taken_once() -> None:
    """No child of the successor's finds it."""
    variables = {VARIABLE: LEFT.encode(), "PATH": "/bin"}
    assert LEFT == peek_inheritance(variables)
    assert LEFT == take_inheritance(variables)
    assert {"PATH": "/bin"} == variables
    assert take_inheritance(variables) is None


def test_lines_in_any_pieces() -> None:
    """What has no end, or is no message, is refused."""
    data = line(here=7) + line(failed="é\n")
    lines = Lines()
    found = [message for byte in data for message in lines.feed(bytes([byte]))]
    assert [{"here": 7}, {"failed": "é\n"}] == found
    with pytest.raises(ValueError, match="no end"):
        Lines().feed(b"x" * 70_000)
    with pytest.raises(ValueError, match="no message"):
        Lines().feed(b"[]\n")
    with pytest.raises(ValueError, match=r".*"):
        Lines().feed(b"x\n")
