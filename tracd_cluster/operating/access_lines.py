"""The lines of the access log: one for each request, whatever a client has put into it."""

from __future__ import annotations

import json
import re
from time import localtime, strftime
from urllib.parse import unquote

from tracd_cluster.front.head import Head
from tracd_cluster.front.record import Record
from tracd_cluster.operating.log_lines import timestamp

_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
"""What could end a quoted field, a line, or be taken for something else by a terminal."""


def combined(record: Record) -> str:
    """Write a record in the combined format of Apache and nginx, and behind it what only we know.

    Bytes are those of the whole answer (Apache's %O); bytes beyond ASCII, quotes and backslashes are escaped as nginx
    does. Times are seconds.
    """
    head = record.head
    request = f"{record.method} {record.target} HTTP/1.{int(head.http11)}" if head is not None else "-"
    by = record.worker if record.by == "worker" else record.by
    return (
        f"{record.address or 'unix:'} - {record.user.decode('ascii') or '-'} [{_when(record.arrived)}] "
        f'"{_escape(request)}" {record.status} {record.sent} "{_field(head, b"referer: ")}" '
        f'"{_field(head, b"user-agent: ")}" line={record.line_seconds:.3f} worker={record.worker_seconds:.3f} '
        f'total={record.total_seconds:.3f} by="{by}" generation={record.generation or "-"} '
        f"id={record.request_id.decode('ascii')}{'' if record.whole else ' broken'}"
    )


def as_json(record: Record) -> str:
    """Write a record as one JSON object without line breaks, everything beyond ASCII escaped."""
    head = record.head
    return json.dumps({
        "time": timestamp(record.arrived),
        "address": record.address,
        "user": unquote(record.user.decode("ascii")) or None,
        "method": record.method,
        "target": record.target,
        "protocol": f"HTTP/1.{int(head.http11)}" if head is not None else None,
        "host": head.host.decode("latin-1") if head is not None and head.host is not None else None,
        "status": record.status,
        "sent": record.sent,
        "received": record.received,
        "referer": _value(head, b"referer: "),
        "user_agent": _value(head, b"user-agent: "),
        "line_seconds": round(record.line_seconds, 6),
        "worker_seconds": round(record.worker_seconds, 6),
        "total_seconds": round(record.total_seconds, 6),
        "by": record.by,
        "worker": record.worker or None,
        "class": record.place.level.word if record.place is not None else None,
        "generation": record.generation or None,
        "id": record.request_id.decode("ascii"),
        "whole": record.whole,
    })  # fmt: skip


def _when(seconds: float) -> str:
    return strftime("%d/%b/%Y:%H:%M:%S %z", localtime(seconds))


def _value(head: Head | None, start: bytes) -> str | None:
    for line in head.lines if head is not None else ():
        if line[: len(start)].lower() == start:
            return line[len(start) : -2].decode("latin-1")
    return None


def _field(head: Head | None, start: bytes) -> str:
    return _escape(_value(head, start) or "-")


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02X}", text)
