"""One walk through the site, in every arrangement; nothing on the way tells what stands behind."""

from __future__ import annotations

import random
import re

import pytest
import requests

from tests.integration.dropin.accounts import who
from tests.integration.proxies.arrangements import ARRANGEMENTS, HTTP_PROXIES, WALKED
from tests.integration.proxies.conftest import PASSWORD, Town
from tests.integration.proxies.visitor import ADDRESS, NAME, OTHER, Site, Visitor
from tests.processes import wait_until

everywhere = pytest.mark.parametrize("name", WALKED)
CONTENT = random.Random(1).randbytes(3 << 20)
"""More than nginx takes unless it is told to."""
FORGED = {
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Server": "evil.example",
    "X-Real-IP": "192.0.2.66",
    "Forwarded": "for=192.0.2.66;proto=gopher;host=evil.example",
    "Remote-User": "admin",
    "Remote_User": "admin",
    "Tracd-Cluster-User": "admin",
}


def log_in(visitor: Visitor, user: str = "admin") -> requests.Response:
    """Log in from a page, and come back to it."""
    page = visitor.get("/login", auth=(user, PASSWORD), headers={"Referer": f"{visitor.site.url}/about"})
    assert f"{visitor.site.url}/about" == page.url
    assert user == who(page.text)
    return page


@everywhere
def test_a_walk(site: Site) -> None:
    """Front page, login, ticket, attachment, download, wiki, feeds, jumps, logout."""
    with Visitor(site) as visitor:
        front_page = visitor.get("/")
        assert 200 == front_page.status_code
        assert "" == who(front_page.text)
        style = re.search(r'href="([^"]*/chrome/common/css/trac\.css)"', front_page.text)
        assert style is not None
        assert style[1].startswith(f"{site.path}/")
        assert 200 == visitor.get("/chrome/common/css/trac.css").status_code

        challenge = visitor.get("/login")
        assert (401, True) == (challenge.status_code, challenge.headers["WWW-Authenticate"].startswith("Basic "))
        log_in(visitor)

        assert 200 == visitor.get("/newticket").status_code
        ticket = visitor.post(
            "/newticket",
            {
                "__FORM_TOKEN": visitor.token,
                "field_summary": "The lamp is out",
                "field_description": "Since ''yesterday'', see wiki:Lamps",
                "submit": "Create ticket",
            },
        )
        found = re.fullmatch(rf"{re.escape(site.url)}/ticket/(\d+)", ticket.url.partition("#")[0])
        assert found is not None, ticket.url
        number = found[1]
        assert "The lamp is out" in ticket.text

        assert 200 == visitor.get(f"/attachment/ticket/{number}/?action=new").status_code
        attached = visitor.post(
            f"/attachment/ticket/{number}/",
            {"__FORM_TOKEN": visitor.token, "action": "new", "realm": "ticket", "id": number, "description": ""},
            files={"attachment": ("lamp.bin", CONTENT)},
        )
        assert (200, True) == (attached.status_code, "lamp.bin" in attached.text)
        assert attached.url.startswith(f"{site.url}/")
        assert CONTENT == visitor.get(f"/raw-attachment/ticket/{number}/lamp.bin").content

        assert 200 == visitor.get(f"/wiki/Lamp{number}?action=edit").status_code
        page = visitor.post(
            f"/wiki/Lamp{number}",
            {"__FORM_TOKEN": visitor.token, "action": "edit", "version": "0", "text": f"See #{number}.", "save": "1"},
        )
        assert f"{site.url}/wiki/Lamp{number}" == page.url.partition("?")[0]
        assert f'href="{site.path}/ticket/{number}"' in page.text

        assert f"{site.url}/ticket/{number}" == visitor.get(f"/search?q=%23{number}").url
        assert f"<link>{site.url}/ticket/{number}" in visitor.get("/timeline?ticket=on&format=rss").text
        assert f'template="{site.url}/search?' in visitor.get("/search/opensearch").text

        out = visitor.post("/logout", {"__FORM_TOKEN": visitor.token})
        assert "" == who(out.text)
        assert "" == who(visitor.get("/about").text)


@everywhere
def test_the_client_is_who_it_is(name: str, town: Town, site: Site) -> None:
    """Trac binds the login to the client's address (check_auth_ip), and the log names it."""
    number = list(ARRANGEMENTS).index(name)
    address, user = f"127.0.1.{1 + number}", f"guest{number}"
    with Visitor(site, address) as visitor, Visitor(site, OTHER) as thief:
        log_in(visitor, user)
        stolen = {"Cookie": "; ".join(f"{key}={value}" for key, value in visitor.cookies.items())}
        assert "" == who(thief.get("/about", headers=stolen).text)
        assert user == who(visitor.get("/about").text)
        assert 401 == visitor.get("/login", auth=(user, "a guess")).status_code
    wait_until(lambda: f"Login from {address} for user '{user}'" in town.log(name), 10, "the login in the log")
    wait_until(lambda: f"Login failed from {address} for user '{user}'" in town.log(name), 10, "the guess in the log")


@everywhere
def test_nobody_forges(name: str, town: Town, site: Site) -> None:
    """Whatever a client says of itself by fields, or of how it has come, changes nothing: neither links nor names."""
    with Visitor(site) as visitor:
        log_in(visitor)
        for part in (*({key: value} for key, value in FORGED.items()), FORGED):
            with Visitor(site) as stranger:
                page = stranger.get("/about", headers=part)
                assert (200, "") == (page.status_code, who(page.text)), part
                feed = stranger.get("/timeline?ticket=on&format=rss", headers=part)
                assert f"<link>{site.url}/" in feed.text
                assert "evil" not in page.text + feed.text
                assert 401 == stranger.get("/login", headers=part).status_code
            assert "admin" == who(visitor.get("/about", headers=part).text), "the login is bound to the true address"
        assert 401 == visitor.get("/login", auth=("nobody", "a guess"), headers=FORGED).status_code
    wait_until(lambda: f"Login failed from {ADDRESS} for user 'nobody'" in town.log(name), 10, "the guess in the log")
    assert "192.0.2.66" not in town.log(name)


@everywhere
def test_a_path_arrives_as_it_was_written(site: Site) -> None:
    """Nobody on the way decodes it, or encodes it in a way of their own."""
    with Visitor(site) as visitor:
        page = visitor.get("/wiki/%C3%9F%2Fa%3Bb%26c%25d+e%20%5C?action=edit&x=%2F%E2%82%AC")
        assert 200 == page.status_code
        title = re.search(r"<title>(.*?)</title>", page.text, re.DOTALL)
        assert title is not None
        assert "ß/a;b&amp;c%d+e \\" in title[1]
        # Trac sends on to the name with one slash; if nobody has to be sent, somebody has made two of them one.
        assert 1 == len(visitor.get("/wiki/a//b").history)


@everywhere
def test_a_host_without_its_port(site: Site) -> None:
    """A client that names the host alone gets links without a port, neither ours nor one that it makes up."""
    with Visitor(site) as visitor:
        feed = visitor.ask("GET", "/timeline?ticket=on&format=rss", headers={"Host": NAME, **FORGED}).text
        assert f"<link>{site.scheme}://{NAME}{site.path}/ticket/" in feed
        assert [] == re.findall(r"evil|gopher|:666|127\.0\.0\.1|:\d{5}/", feed)


@pytest.mark.parametrize("name", HTTP_PROXIES)
def test_plain_http_leads_to_https(name: str, town: Town, site: Site) -> None:
    """The proxy's other port sends clients to the same page by HTTPS."""
    plain = Site("http", town.places[name].plain, site.path, site.inner, site.authority)
    with Visitor(plain) as visitor:
        answer = visitor.ask("GET", "/wiki/WikiStart?a=b", allow_redirects=False)
        assert answer.status_code in (301, 308)
        assert re.fullmatch(rf"https://{NAME}(:\d+)?{site.path}/wiki/WikiStart\?a=b", answer.headers["Location"])


@pytest.mark.parametrize("name", HTTP_PROXIES)
def test_our_own_port_believes_no_stranger(name: str, site: Site) -> None:
    """Who finds the way around the proxy gains nothing by speaking as it does."""
    around = Site("http", site.inner, site.path, site.inner, site.authority)
    with Visitor(around) as visitor:
        assert (200, "") == ((page := visitor.get("/about", headers=FORGED)).status_code, who(page.text))
        assert 401 == visitor.get("/login", headers=FORGED).status_code
