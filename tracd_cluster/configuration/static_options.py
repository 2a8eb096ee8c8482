"""The options of static files: what is kept of them here, and how long browsers may keep them."""

from __future__ import annotations

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option
from tracd_cluster.settings.static import StaticSettings

STATIC: tuple[Option, ...] = (
    Option(
        names=("--static-memory",), group="static files", read=values.size, metavar="SIZE",
        default=StaticSettings().memory, shown="32M",
        help="static files kept in memory, plain and compressed; 0 sends each from disk",
    ),
    Option(
        names=("--static-max-age",), group="static files", read=values.lasting, metavar="SECONDS", default=0,
        shown="not said", help="how long browsers need not ask again for one; a year if its name has a hash",
    ),
)  # fmt: skip
