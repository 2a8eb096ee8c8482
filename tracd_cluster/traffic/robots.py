"""A robots.txt for sites that have none: robots may read what people read, and not walk what has no end.

Rules are those of RFC 9309: a path, with ``*`` for anything and ``$`` for the end.
"""

from __future__ import annotations

from collections.abc import Iterator

PATH = b"/robots.txt"

DELAY = 10
"""Seconds between two requests of one robot; not in the standard, but many go by it."""

MODULES = (
    "admin", "changeset", "diff", "export", "log", "login", "logout", "newticket", "prefs", "query", "search",
    "zip-attachment",
)  # fmt: skip
"""What is without end, or only for people."""
ARGUMENTS = ("action", "annotate", "format", "rev", "version")
"""Arguments that make another form, or an older one, of a page that is read without."""
BARE = ("report", "timeline")
"""Modules whose pages are for robots as long as nothing is asked of them."""

HEADING = "# This site has no robots.txt of its own; this one is tracd-cluster's.\n"


def robots_txt(base_path: str, single: bool | None) -> bytes:
    """Write it; ``single`` says that the one project is at the base path, None that projects may be anywhere."""
    rules = dict.fromkeys(rule for project in _projects(base_path, single) for rule in _rules(project))
    lines = "".join(f"Disallow: {rule}\n" for rule in rules)
    return f"{HEADING}User-agent: *\nCrawl-delay: {DELAY}\n{lines}".encode("ascii")


def _projects(base_path: str, single: bool | None) -> Iterator[str]:
    """Give how the paths of projects begin; without their names, which may be nobody's business."""
    if single is not False:
        yield base_path
    if not single:
        yield f"{base_path}/*"


def _rules(project: str) -> Iterator[str]:
    for module in MODULES:
        # A wiki page of one project may be called like a module: behind a star only whole segments count.
        ends = ("$", "/", "?") if project.endswith("*") else ("",)
        yield from (f"{project}/{module}{end}" for end in ends)
    for module in BARE:
        yield f"{project}/{module}*?"
    for argument in ARGUMENTS:
        yield f"{project.removesuffix('/*')}/*?*{argument}="
