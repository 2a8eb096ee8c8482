"""The kinds of requests that are slow in any Trac, and what strangers get of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Policy(Enum):
    """What becomes of the requests of a kind."""

    ALLOW = "allow"
    """They are as any others."""
    SLOW = "slow"
    """Those of strangers and robots share a part of the workers, and wait for each other."""
    SIGN_IN = "sign-in"
    """Only who has signed in gets the page; others are asked to."""
    DENY = "deny"
    """Nobody gets it."""


KINDS = {
    "archive": "zip files of sources, changesets and attachments",
    "feed": "RSS of anything",
    "annotate": "who wrote which line of a file",
    "diff": "differences between any two versions: /diff, changesets with old, versions of wiki pages and tickets",
    "export": "any other form of a page: CSV, tab, plain text, raw files",
    "log": "the revisions of a file or folder",
    "revision": "files and folders as they were: the browser with rev",
    "changeset": "one changeset",
    "timeline": "the timeline",
    "query": "ticket queries",
    "report": "reports",
    "search": "searches",
}
"""Name -> what it is. The first that fits counts (traffic/kinds.py); all are slow unless the options say otherwise."""

LEARNED = "learned"
"""What stands for all routes that have been measured to be slow (traffic/measured.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindsSettings:
    """What strangers get of pages that are slow, and what robots are told."""

    policies: tuple[tuple[str, Policy], ...] = ()
    """A kind, LEARNED, or a route as ``/burndown``, and its policy; of two for the same the last one counts."""
    robots: bool = True
    """Have a robots.txt if the site has none."""
