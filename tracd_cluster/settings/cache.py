"""Pages kept for a moment for visitors who are nobody in particular, and what is never looked at for them."""

from __future__ import annotations

from dataclasses import dataclass

UNKEYED = frozenset(
    (
        "accept", "accept-charset", "cache-control", "connection", "dnt", "from", "keep-alive", "pragma", "priority",
        "referer", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode",
        "sec-fetch-site", "sec-fetch-user", "sec-gpc", "te", "upgrade-insecure-requests", "user-agent", "x-request-id",
    )
)  # fmt: skip
"""Header fields, in lower case, in which two strangers may differ and be given the same page.

A worker that has looked at one of them for a page says so, and then the page is for that visitor alone. Whoever sends
any other field but those that the key is made of is no stranger.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """How long pages are kept for strangers, and how many."""

    period: float = 2.0
    """For how long a page is as good as a new one; 0 keeps none."""
    memory: int = 16 << 20
    """Bytes that kept pages may take."""
    largest: int = 1 << 20
    """Bytes of the largest page that is kept."""
    stale: float = 600.0
    """How old a page may be that is given where no worker can make a new one."""
