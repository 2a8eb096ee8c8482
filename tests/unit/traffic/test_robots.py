"""What robots may read."""

from __future__ import annotations

import re

import pytest

from tracd_cluster.settings.kinds import KINDS
from tracd_cluster.traffic.kinds import Kinds
from tracd_cluster.traffic.robots import robots_txt


def may_read(text: bytes, target: str) -> bool:
    """Decide as RFC 9309 has it, where all that is said is what is not allowed."""
    rules = [line.partition(": ")[2] for line in text.decode().splitlines() if line.startswith("Disallow: ")]
    patterns = [re.escape(rule).replace(r"\*", ".*").replace(r"\$", r"\Z") for rule in rules]
    return not any(re.match(pattern, target) for pattern in patterns)


FOR_ROBOTS = (
    "/", "/wiki", "/wiki/WikiStart", "/wiki/changeset-policy", "/ticket/1", "/timeline", "/report", "/report/1",
    "/roadmap", "/milestone/1.0", "/browser", "/browser/trunk/a.py", "/raw-attachment/wiki/Start/a.png",
    "/chrome/common/a.css",
    "/about", "/attachment/ticket/1/a", "/blog",
)  # fmt: skip
NOT_FOR_ROBOTS = (
    "/changeset/1", "/changeset", "/changeset?old=1", "/changeset/1/trunk", "/log/trunk", "/log?rev=1", "/export/1/a",
    "/diff?a=b", "/query", "/query?status=new", "/search?q=a", "/zip-attachment/wiki/a/", "/timeline?daysback=90",
    "/timeline?ticket=on&format=rss", "/report/1?asc=1", "/wiki/a?version=3", "/wiki/a?action=diff&version=3",
    "/ticket/1?format=csv", "/browser/a?rev=3", "/browser/a?order=size&rev=3", "/browser/a?annotate=blame", "/login",
    "/login?referer=a", "/newticket", "/prefs/localization", "/admin",
)  # fmt: skip


@pytest.mark.parametrize(
    ("base_path", "single", "projects"),
    [
        ("", True, [""]),
        ("/trac", True, ["/trac"]),
        ("", False, ["/alpha", "/beta"]),
        ("/trac", False, ["/trac/alpha"]),
        ("", None, ["", "/alpha"]),
    ],
)
def test_robots_may_read_what_has_an_end(base_path: str, single: bool | None, projects: list[str]) -> None:
    """In every project, wherever it is; and nothing beside them."""
    text = robots_txt(base_path, single)
    for project in projects:
        for target in FOR_ROBOTS:
            assert may_read(text, project + target), target
        for target in NOT_FOR_ROBOTS:
            assert not may_read(text, project + target), target
    assert may_read(text, "/elsewhere/it/is/not/ours")
    assert b"alpha" not in text


def test_a_wiki_page_called_like_a_module_is_a_page() -> None:
    """In one of several projects too."""
    assert may_read(robots_txt("", False), "/alpha/wiki/logbook")
    assert may_read(robots_txt("", False), "/alpha/wiki/Search/searching")
    assert may_read(robots_txt("", True), "/wiki/log")


def test_no_kind_is_forgotten() -> None:
    """Of each there are pages that are not for robots."""
    kinds = {Kinds().kind_of(target.encode()) for target in NOT_FOR_ROBOTS}
    assert KINDS.keys() <= kinds


def test_it_is_a_file_that_robots_understand() -> None:
    """For all of them, and nothing but rules."""
    first, *lines = robots_txt("/trac", False).decode("ascii").splitlines()
    assert first.startswith("# ")
    assert ["User-agent: *", "Crawl-delay: 10"] == lines[:2]
    assert all(re.fullmatch(r"Disallow: /trac/\S+", line) for line in lines[2:])
    assert len(lines) == len(set(lines))
