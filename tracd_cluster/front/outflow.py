"""What is on its way to one client: written at once while it reads, kept while it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracd_cluster.balancer import Lane
from tracd_cluster.front.client import Client

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front

WRITE_SIZE = 64 * 1024
"""Bytes written at a time to a client that reads slowly: each time is a sign of life, for its deadline."""


class Outflow:
    """The bytes of one answer, from a worker that is as fast as it can be to a client that is as slow as it likes.

    Up to the front's ``answer_memory`` they are kept here; beyond, the worker's lane is made to wait.
    """

    __slots__ = ("_client", "_front", "_kept", "_size")

    def __init__(self, front: Front, client: Client) -> None:
        self._front = front
        self._client = client
        self._kept: list[bytes] = []
        self._size = 0

    def put(self, out: bytes, lane: Lane | None) -> bool:
        """Write, or keep for later; say whether nothing is left to be written."""
        if not self._client.paused:
            if out:
                self._client.write(out)
            return True
        self._kept.append(out)
        self._size += len(out)
        self._client.deadline = self._front.now + self._front.body_timeout
        if self._size > self._front.answer_memory and lane is not None:
            lane.pause()
        return False

    def resume(self, lane: Lane | None) -> bool:
        """Go on, since the client has taken what was written; say whether nothing is left."""
        if not self._kept:
            return True
        kept, self._kept = memoryview(b"".join(self._kept)), []
        while kept and not self._client.paused:
            self._client.deadline = self._front.now + self._front.body_timeout
            self._client.write(bytes(kept[:WRITE_SIZE]))
            kept = kept[WRITE_SIZE:]
        self._size = len(kept)
        if lane is not None and self._size <= self._front.answer_memory:
            lane.resume()
        if kept:
            self._kept.append(bytes(kept))
        return not kept

    def drop(self) -> None:
        """Forget what is kept: the client has gone."""
        self._kept = []
        self._size = 0
