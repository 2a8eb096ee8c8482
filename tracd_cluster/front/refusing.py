"""What is answered to what is no request, or never became one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracd_cluster.errors import ClientFault
from tracd_cluster.front.client import Client
from tracd_cluster.front.record import Record
from tracd_cluster.front.reply import CLOSE

if TYPE_CHECKING:
    from tracd_cluster.front.listener import Front


def refusal(front: Front, client: Client, fault: ClientFault) -> bytes:
    """Make the page, the last of its connection, and tell of it whoever wants to know."""
    record = Record(front.clock(), client.address, None, front.new_id())
    page = front.error_pages.page(
        fault.status, fault.reason, date_line=client.standing.lines, connection=CLOSE, request_id=record.request_id
    )
    record.status, record.sent = fault.status, len(page)
    if fault.refused_for:
        front.refused[fault.refused_for] += 1
    for tell in front.recorders:
        tell(record)
    return page
