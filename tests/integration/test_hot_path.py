"""The hot path is short, and its length is counted: calls repeat exactly where seconds do not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path
from time import time

from tests.processes import free_port, wait_until
from tracd_cluster.front.demo_certificate import keep

BUDGET = 140
"""Python calls of one proxied request on a plain port, the reactor's own included."""

ENCRYPTED_BUDGET = 180
"""The same on a port that speaks TLS."""

STATIC_BUDGET = 60
"""Python calls of a static file from memory, asked for by wrk, whose requests have a Host and nothing else."""

BROWSER_STATIC_BUDGET = 70
"""The same asked for by a browser, with nine header fields more: of each, llhttp tells in a call of its own."""

WARM = 200
"""Requests before it counts, as counted_front.py has it."""
REQUESTS = 1000
REQUEST = (
    b"GET /wiki/WikiStart HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    b"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Cookie: trac_form_token=abc; trac_session=def\r\nConnection: keep-alive\r\n\r\n"
)
STATIC_REQUEST = b"GET /chrome/site/harbour.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BROWSER_STATIC_REQUEST = (
    b"GET /chrome/site/harbour.css HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/css,*/*;q=0.1\r\nSec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: style\r\nReferer: http://127.0.0.1/wiki\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nCookie: trac_form_token=abc; trac_session=def\r\n\r\n"
)


def calls_of_a_request(
    *arguments: str, context: ssl.SSLContext | None = None, request: bytes = REQUEST, end: bytes = b"\r\n\r\nhello\n"
) -> float:
    """Run a front that counts, and give its calls for each of many requests."""
    port = free_port()
    program = [sys.executable, "-m", "tests.integration.counted_front", str(port), str(REQUESTS), *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as front:
        assert front.stdout is not None
        try:
            assert "ready" == front.stdout.readline().strip()
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            if context is not None:
                client = context.wrap_socket(client, server_hostname="localhost")
            with client:
                if request is not REQUEST:
                    wait_until(lambda: b"\r\nVary:" in exchange(client, STATIC_REQUEST), 10, "a file in memory")
                for _ in range(WARM + REQUESTS):
                    client.sendall(request)
                    if not client.recv(65536).endswith(end):
                        break
                # With the last one the front prints and ends.
                return float(front.stdout.readline())
        finally:
            front.kill()


def exchange(client: socket.socket, request: bytes) -> bytes:
    """Send a request, and give what comes back at once."""
    client.sendall(request)
    return client.recv(65536)


def test_a_proxied_request_stays_within_its_budget_of_calls() -> None:
    """A page with a browser's seven header fields costs the front no more calls than it may."""
    assert 30 < calls_of_a_request() <= BUDGET


def test_an_encrypted_request_stays_within_its_budget_of_calls(tmp_path: Path) -> None:
    """Encryption is OpenSSL's work, not Python's."""
    pair = keep(str(tmp_path), time())
    context = ssl.create_default_context(cafile=pair.certificate)
    assert 30 < calls_of_a_request(str(tmp_path), context=context) <= ENCRYPTED_BUDGET


def test_a_static_file_stays_within_its_budget_of_calls(tmp_path: Path) -> None:
    """What is in memory costs the front little more than reading the request."""
    file = tmp_path / "harbour.css"
    file.write_bytes(b"body { color: navy }\n" * 400)
    plain = calls_of_a_request(str(file), request=STATIC_REQUEST, end=b"navy }\n")
    browsers = calls_of_a_request(str(file), request=BROWSER_STATIC_REQUEST, end=b"")
    assert 25 < plain <= STATIC_BUDGET
    assert plain < browsers <= BROWSER_STATIC_BUDGET
