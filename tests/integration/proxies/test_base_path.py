"""A base path with several projects below it: all of the site is inside, and nothing outside gets to Trac."""

from __future__ import annotations

import re
import socket
from contextlib import closing

import pytest

from tests.integration.proxies.arrangements import ARRANGEMENTS, BASE_PATH
from tests.integration.proxies.conftest import PASSWORD, Town
from tests.integration.proxies.visitor import NAME, Site, Visitor

below = pytest.mark.parametrize("name", [name for name, each in ARRANGEMENTS.items() if each.inner == "below"])
PAGES = (
    "", "/", "/wiki", "/wiki/TitleIndex", "/wiki/WikiStart?action=history", "/wiki/WikiStart?action=edit",
    "/ticket/1", "/ticket/1?format=rss", "/newticket", "/query", "/query?status=new&format=rss", "/report",
    "/report/1", "/timeline", "/timeline?format=rss", "/roadmap", "/search?q=lamp", "/search/opensearch",
    "/attachment/ticket/1/", "/about", "/prefs", "/prefs/localization", "/admin", "/admin/general/basics",
    "/admin/ticket/components", "/nothing",
)  # fmt: skip
STATIC = re.compile(r"""(?:href|src)=["'](/[^"']*/(?:chrome|site)/[^"'?]+)""")
OUTSIDE = (
    b"/", b"/wiki", b"/one/about", b"/some", b"/some/", b"/some/pathx", b"/some/pathx/one/about",
    b"/SOME/PATH/one/about", b"//some/path/one/about", b"/some//path/one/about", b"/some%2fpath/one/about",
    b"/%73ome/path/one/about", b"/some/path%2fone/about", b"/some/path;/one/about", b"/some/path;x/one/about",
    b"/x/../some/path/one/about", b"/some/path/../one/about", b"/some/path/../../one/about",
    b"/some/path/%2e%2e/one/about", b"/some/path/.%2E/x", b"/some/path/..%2fone/about",
    b"/some/path%2f..%2fone/about", b"/some/path/one/..%2f..%2f..%2fabout", b"/some/path/%2f../one",
    b"/some/path/./one/about", b"/%2e/some/path/one/about", b"/some/path/one%00/about", b"/some%252fpath/one/about",
    b"/%2573ome/path/one/about", b"http://evil.example/one/about", b"*", b"some/path/one",
)  # fmt: skip
DOUBLY = (b"/some/path/one/%252e%252e/x", b"/some/path/one/..%252f..%252fx", b"/some/path/%252e%252e/one/about")
"""Inside, whoever decodes them once: Trac sees names with a percent sign."""


@below
def test_every_kind_of_page_is_inside(site: Site) -> None:
    """Its links, redirects and cookies are too (Visitor looks at them), and its files are there."""
    with Visitor(site) as visitor:
        visitor.get("/login", auth=("admin", PASSWORD), headers={"Referer": f"{site.url}/about"})
        files: set[str] = set()
        for page in PAGES:
            answer = visitor.get(page)
            assert answer.status_code == (404 if page == "/nothing" else 200), page
            files.update(STATIC.findall(answer.text))
        assert len(files) > 20
        for file in files:
            assert 200 == visitor.ask("GET", file.removeprefix(site.path)).status_code, file


@below
def test_the_index(site: Site) -> None:
    """It lists both projects; without its slash it is one redirect away."""
    index = Site(site.scheme, site.port, BASE_PATH, site.inner, site.authority)
    with Visitor(index) as visitor:
        assert {f"{BASE_PATH}/one", f"{BASE_PATH}/two"} <= set(re.findall(r'href="([^"]+)"', visitor.get("/").text))
        answer = visitor.get("?a=b")
        assert [308] == [each.status_code for each in answer.history]
        assert f"{index.url}/?a=b" == answer.url


@pytest.mark.parametrize("target", [*OUTSIDE, *DOUBLY])
def test_nothing_steps_outside(town: Town, target: bytes) -> None:
    """However it is written, what is not inside gets no page of Trac's."""
    site = town.site("alone below")
    answer = raw(site.port, b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (target, NAME.encode()))
    status = int(answer.split(b" ", 2)[1])
    from_trac = b"Set-Cookie: trac_" in answer or b"trac.css" in answer
    if target in DOUBLY:
        assert 404 == status
    else:
        assert (status in (400, 404), from_trac) == (True, False), answer


def raw(port: int, sent: bytes) -> bytes:
    """Send these bytes and give all that comes."""
    with closing(socket.create_connection(("127.0.0.1", port), 30)) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))
