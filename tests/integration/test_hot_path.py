"""The hot path is short, and its length is counted: calls repeat exactly where seconds do not."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

BUDGET = 140
"""Python calls of one proxied request on a plain port, the reactor's own included."""

WARM = 200
"""Requests before it counts, as counted_front.py has it."""
REQUESTS = 1000
REQUEST = (
    b"GET /wiki/WikiStart HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    b"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Cookie: trac_form_token=abc; trac_session=def\r\nConnection: keep-alive\r\n\r\n"
)


def test_a_proxied_request_stays_within_its_budget_of_calls() -> None:
    """A page with a browser's seven header fields costs the front no more calls than it may."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "tests.integration.counted_front", str(port), str(REQUESTS)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as front:
        assert front.stdout is not None
        try:
            assert "ready" == front.stdout.readline().strip()
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                for _ in range(WARM + REQUESTS - 1):
                    client.sendall(REQUEST)
                    assert client.recv(65536).endswith(b"\r\n\r\nhello\n")
                client.sendall(REQUEST)  # with the last one the front prints and ends
                calls = float(front.stdout.readline())
        finally:
            front.kill()
    assert 30 < calls <= BUDGET
