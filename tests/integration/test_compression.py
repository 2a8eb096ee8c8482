"""Pages compressed by real workers, as a browser, a crawler and a cache meet them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.integration.cluster import Answer, ClusterProcess
from tests.integration.conftest import StartCluster

GZIP = {"Accept-Encoding": "gzip, deflate"}
SOMEBODY = {"Cookie": "somebody=1"}
"""Whoever brings a cookie is no stranger, and has each page made for himself."""
TOKEN = re.compile(rb"[0-9a-f]{24}")


@pytest.fixture(scope="module")
def cluster(module_env: Path, start_module_cluster: StartCluster) -> ClusterProcess:
    """A service that compresses pages."""
    return start_module_cluster("--compress-pages", "--page-cache", "600", "-s", str(module_env), "--workers", "1")


def plain(answer: Answer) -> bytes:
    """Give what a compressed answer says, but for what is new each time."""
    assert "gzip" == answer.headers["content-encoding"]
    assert str(len(answer.body)) == answer.headers.get("content-length", str(len(answer.body)))
    return TOKEN.sub(b"token", gzip.decompress(answer.body))


@pytest.mark.parametrize("path", ["/wiki/WikiFormatting", "/ticket/1", "/report/1", "/wiki/WikiFormatting?format=txt"])
def test_a_page_is_the_same_compressed(cluster: ClusterProcess, path: str) -> None:
    """And a third of its size, or less; who does not take it gets it in clear."""
    clear = cluster.get(path, SOMEBODY)
    coded = cluster.get(path, SOMEBODY | GZIP)
    assert (200, 200) == (clear.status, coded.status)
    assert TOKEN.sub(b"token", clear.body) == plain(coded)
    assert len(coded.body) * 2.5 < len(clear.body)
    assert "content-encoding" not in clear.headers
    assert "Accept-Encoding" == clear.headers["vary"] == coded.headers["vary"]


def test_strangers_share_a_compressed_page(cluster: ClusterProcess) -> None:
    """Each form for those who want it; what has a token in it is made for each, in any form."""
    for fields in ({}, GZIP):
        first, second = (cluster.get("/about", fields) for _ in range(2))
        assert ("age" in first.headers, "age" in second.headers) == (False, True)
        assert first.body == second.body
        assert ("content-encoding" in second.headers) == bool(fields)
        ticket = [cluster.get("/ticket/1", fields) for _ in range(2)]
        assert not any("age" in answer.headers for answer in ticket)
    assert TOKEN.sub(b"token", cluster.get("/about").body) == plain(cluster.get("/about", GZIP))


def test_what_is_not_rendered_is_as_ever(cluster: ClusterProcess) -> None:
    """Heads, files, and pages that have not changed."""
    head = cluster.request("HEAD", "/about", headers=SOMEBODY | GZIP)
    assert (200, b"", "Accept-Encoding") == (head.status, head.body, head.headers["vary"])
    css = cluster.get("/chrome/common/css/trac.css", SOMEBODY)
    assert "content-encoding" not in css.headers
    again = {"If-None-Match": css.headers["etag"]}
    assert 304 == cluster.get("/chrome/common/css/trac.css", SOMEBODY | again).status
    picture = cluster.get("/chrome/common/trac_banner.png", GZIP)
    assert (200, False) == (picture.status, "content-encoding" in picture.headers)
    feed = cluster.get("/timeline?format=rss", SOMEBODY | GZIP)
    etag = feed.headers.get("etag")
    assert plain(feed).rstrip().endswith(b"</rss>")
    assert etag is None or etag.startswith("W/")
