"""The options that say what strangers get and leave: visitors without a cookie, most of whom are crawlers."""

from __future__ import annotations

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option, flag
from tracd_cluster.settings.cache import CacheSettings

CACHE = CacheSettings()

STRANGERS: tuple[Option, ...] = (
    Option(
        names=("--page-cache",), group="strangers", read=values.delay, metavar="SECONDS", default=CACHE.period,
        help="strangers (no cookie, no login) get the same page for so long, made once; 0 for never",
        shown=f"{CACHE.period:g}",
    ),
    Option(
        names=("--page-memory",), group="strangers", read=values.size, metavar="SIZE", default=CACHE.memory,
        help="memory for the pages of strangers", shown="16M",
    ),
    Option(
        names=("--stale-if-error",), group="strangers", read=values.delay, metavar="SECONDS", default=CACHE.stale,
        help="strangers get a page up to so old where no worker can make a new one; 0 for never",
        shown=f"{CACHE.stale:g}",
    ),
    flag("--store-visitors", group="strangers",
         text="store strangers in the database at once, as Trac does, not when they come back with their cookie"),
)  # fmt: skip
