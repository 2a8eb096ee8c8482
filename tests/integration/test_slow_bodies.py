"""Bodies that drip, against real processes: they are cut off, and slow ones are not."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.integration.conftest import StartCluster

HEAD = b"POST /newticket HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
SIZE = 60_000


def send(port: int, piece: int, most: int) -> tuple[int, bytes]:
    """Send a body in pieces a tenth of a second apart, so many at the most; give how many, and the answer's begin."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(HEAD % SIZE)
        for number in range(min(most, SIZE // piece)):
            client.settimeout(0.1)
            try:
                return number, client.recv(100)
            except TimeoutError:
                client.settimeout(30)
                client.sendall(b"x" * piece)
        return SIZE // piece, client.recv(100)


def test_a_body_that_drips_is_cut_off_and_a_slow_one_is_not(env: Path, start_cluster: StartCluster) -> None:
    """Ten bytes a second are no upload; some thousands are one, though it takes longer than a pause may."""
    cluster = start_cluster(
        *("--workers", "1", "-s", str(env), "--body-timeout", "1", "--min-body-rate", "1000"),
    )
    pieces, answer = send(cluster.port, 1, 300)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert pieces < 300
    pieces, answer = send(cluster.port, 2000, 100)
    assert 30 == pieces
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_who_drips_is_let_be_without_a_rate(env: Path, start_cluster: StartCluster) -> None:
    """For links that are as bad as that."""
    cluster = start_cluster(*("--workers", "1", "-s", str(env), "--body-timeout", "1", "--min-body-rate", "0"))
    pieces, answer = send(cluster.port, 1, 60)
    assert SIZE == pieces
    assert answer.startswith(b"HTTP/1.1 408 ")  # it has stopped then
