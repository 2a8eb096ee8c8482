"""Files whose address is known, from memory and from disk, and what is told of them."""

from __future__ import annotations

from pathlib import Path

from tests.unit.front.static import CSS, PATH, StaticFront, get
from tests.unit.front.wire import Wire
from tracd_cluster.front.head import Head
from tracd_cluster.front.known import from_disk, from_memory
from tracd_cluster.front.record import Record
from tracd_cluster.front.reply import Reply

HEAD = Head(b"GET", "1.1", PATH, [(b"Host", b"x")])


def test_from_memory_and_from_disk(tmp_path: Path) -> None:
    """The same file, by two ways; and once it is another one there is nothing, and no address."""
    static = StaticFront(tmp_path)
    client = Wire(static.front).feed(get()).connection
    static.lane.say(static.named())
    entry = static.learned.find(HEAD, static.front.now)
    assert entry is not None

    record, reply = Record(0.0, "", HEAD, b"7-1"), Reply(HEAD, b"7-1", True, False, b"http")
    out = from_memory(static.front, client, entry, record, reply, b"")
    assert out.endswith(b"\r\nX-Request-ID: 7-1\r\n\r\n" + CSS)
    assert ("memory", 200, len(out)) == (record.by, record.status, record.sent)

    told: list[bool] = []
    wire = Wire(static.front)
    sending = from_disk(static.front, wire.connection, entry, record, b"", told.append)
    assert sending is not None
    sending.begin(reply)
    assert wire.take().endswith(b"\r\n\r\n" + CSS)
    assert ("file", [True]) == (record.by, told)

    static.put(b"another")
    record = Record(0.0, "", HEAD, b"7-2")
    assert from_disk(static.front, wire.connection, entry, record, b"", told.append) is None
    assert ("front", 0) == (record.by, static.learned.addresses)
