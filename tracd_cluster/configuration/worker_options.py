"""The options that say how many workers there are, how long each stays, and how long it may take for a request."""

from __future__ import annotations

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option, flag, seconds
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.pool import PoolSettings

FRONT, POOL = FrontSettings(), PoolSettings()

WORKERS: tuple[Option, ...] = (
    Option(
        names=("--workers",), group="workers", read=values.workers, metavar="N",
        default=(values.processors(), values.processors()), write=values.workers_text,
        help="worker processes; two numbers as in 2..8 let the pool grow and shrink",
        shown="auto, one per CPU",
    ),
    seconds("--grow-after", POOL.grow_after, "with --workers A..B: one more when a request has waited so long",
            "workers"),
    seconds("--shrink-after", POOL.shrink_after, "with --workers A..B: one fewer when not needed for so long",
            "workers"),
    Option(
        names=("--max-requests",), group="workers", read=values.positive, metavar="N",
        help="replace a worker after N requests, or up to a fifth fewer", shown="never",
    ),
    Option(
        names=("--max-memory",), group="workers", read=values.size, metavar="SIZE",
        help="replace a worker whose memory (PSS) has grown beyond this", shown="never",
    ),
    Option(
        names=("--worker-lifetime",), group="workers", read=values.seconds, metavar="SECONDS",
        help="replace a worker after this time, or up to a fifth sooner", shown="never",
    ),
    seconds("--start-timeout", POOL.start_timeout, "longest time for Trac to get ready in a new process", "workers"),
    seconds("--request-timeout", FRONT.request_timeout, "longest time for one request; then 504, and a new worker",
            "workers"),
    Option(
        names=("--request-timeout-for",), group="workers", read=values.timeout_for, metavar="PART=S",
        repeatable=True, default=(), write=lambda one: f"{one[0]}={one[1]:g}",
        help="the same where the URL contains PART, as in '/report/*format=csv=600'; repeatable",
    ),
    flag("--compress-pages", group="workers",
         text="compress what Trac renders; its size then tells of secrets in it to who listens (BREACH)"),
)  # fmt: skip
