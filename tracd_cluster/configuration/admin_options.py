"""The options of the admin listener, and of health on the public ports."""

from __future__ import annotations

from tracd_cluster.configuration import addresses, values
from tracd_cluster.configuration.option import Option, flag

ADMIN: tuple[Option, ...] = (
    Option(
        names=("--admin",), group="watching", read=addresses.admin, metavar="ADDRESS", repeatable=True, is_path=True,
        default=(), write=str, help="status page, metrics, health at port, host:port[;open], unix:/path; repeatable",
    ),
    Option(
        names=("--admin-password-file",), group="watching", read=values.existing_file, metavar="FILE", is_path=True,
        help="password of the --admin ports, in its first line; without, no status page there",
    ),
    flag("--public-health", group="watching", text="answer /-/healthz and /-/readyz on the public ports too"),
)  # fmt: skip
