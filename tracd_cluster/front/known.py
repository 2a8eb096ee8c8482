"""Static files whose address is known (learned.py), sent from memory or from disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracd_cluster.front.client import Client
from tracd_cluster.front.forms import Entry
from tracd_cluster.front.named import FileChanged
from tracd_cluster.front.record import Record
from tracd_cluster.front.reply import Reply
from tracd_cluster.front.sending import Done, Sending

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front


def from_memory(front: Front, client: Client, entry: Entry, record: Record, reply: Reply, user: bytes) -> bytes:
    """Make the whole answer of a file that is in memory."""
    head = record.head
    assert head is not None
    lines = b"%b%bX-Request-ID: %b\r\n" % (
        client.standing.lines, reply.connection_line(front.draining), record.request_id,
    )  # fmt: skip
    out = front.learned.answer(entry, head, user, lines, front.now)
    record.by = "memory"
    record.status = int(out[9:12])
    record.sent = len(out)
    return out


def from_disk(front: Front, client: Client, entry: Entry, record: Record, user: bytes, done: Done) -> Sending | None:
    """Give what sends a file that is not in memory; None, and forget its address, if it is not there any more."""
    head = record.head
    assert head is not None
    try:
        sending = Sending(front, client, head, record, entry.named, entry.fields(user), done)
    except (OSError, FileChanged):
        front.learned.drop(head.path)
        return None
    record.by = "file"
    return sending
