"""What is told to those who ask whether the service lives, and whether to send clients here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

PREFIX = b"/-/"
LIVES = b"/-/healthz"
READY = b"/-/readyz"


def health(front: Front, path: bytes) -> tuple[int, str] | None:
    """Give the status and the words of an answer; None for a path that asks for neither."""
    if path == LIVES:
        return 200, "ok"
    if path != READY:
        return None
    why = why_not_ready(front)
    return (503, f"not ready: {why}") if why else (200, "ready")


def why_not_ready(front: Front) -> str:
    """Say why no clients are to be sent here; empty if they are.

    After an upgrade the old front still has connections on which it can be asked: their address is served.
    """
    if front.others_serve:
        return ""
    if front.withdrawn or front.draining:
        return "the service is stopping"
    if not front.balancer.available:
        return "no worker is ready"
    return ""
