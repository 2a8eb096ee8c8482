"""Which hosts are served, by default and by option, and where clients are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.dropin.server import OURS, Reply, Server
from tests.integration.proxies.arrangements import BASE_URL
from tests.integration.proxies.conftest import Town
from tests.integration.proxies.visitor import NAME, Visitor
from tests.processes import wait_until

LEARNED = f"Serving only {NAME}; --allowed-host says otherwise"
EVIL = ("evil.example", f"{NAME}.evil.example", "x" + NAME, "192.0.2.1:80")


def ask(server: Server, host: str, path: str = "/about") -> Reply:
    """Ask for a page of a host."""
    return server.get(path, {"Host": host})


@contextmanager
def served(town: Town, name: str, *options: str, **base_urls: str) -> Iterator[Server]:
    """Serve projects, each with this [trac] base_url, for a moment."""
    envs = [str(town.project(f"{name}/{env}", {"base_url": url})) for env, url in base_urls.items()]
    server = Server(town.folder, OURS, *options, *envs)
    try:
        yield server.wait_until_serving()
        assert 0 == server.interrupt(), server.stderr
    finally:
        server.kill()


def test_environments_say_which_hosts_are_theirs(town: Town) -> None:
    """With [trac] base_url in all of them other hosts get 421, which the start tells; loopback names go on."""
    server = town.inner("named")
    assert LEARNED in server.stderr
    for host in (NAME, f"{NAME}:1234", NAME.upper(), f"{NAME}.", "localhost", "127.0.0.1:8000", "[::1]"):
        assert 200 == ask(server, host).status, host
    for host in EVIL:
        reply = ask(server, host)
        assert (421, "") == (reply.status, reply.cookie("trac_form_token")), host
        assert "evil" not in reply.text


@pytest.mark.parametrize("host", EVIL)
def test_a_proxy_passes_on_what_it_was_asked_for(town: Town, host: str) -> None:
    """The host that counts is that of the client, whoever asks us."""
    site = town.site("nginx named")
    with Visitor(site) as visitor:
        assert 421 == visitor.ask("GET", "/about", headers={"Host": host}).status_code
        assert 200 == visitor.ask("GET", "/about").status_code


def test_redirects_may_use_the_base_url(town: Town) -> None:
    """[trac] use_base_url_for_redirect: to the address that all should use, by whichever name one has come."""
    site = town.site("nginx named")
    with Visitor(site) as visitor:
        answer = visitor.ask("GET", "/wiki/", allow_redirects=False)
        assert f"{BASE_URL}/wiki" == answer.headers["Location"]
    assert f"{BASE_URL}/wiki" == ask(town.inner("named"), "localhost", "/wiki/").headers["Location"]


def test_any_host_by_option(town: Town) -> None:
    """--allowed-host '*' is for those who know what stands in front."""
    with served(town, "any", "--allowed-host", "*", one=BASE_URL) as server:
        for host in (NAME, *EVIL):
            assert 200 == ask(server, host, "/one/about").status
        assert "Serving only" not in server.stderr


def test_hosts_by_option(town: Town) -> None:
    """Those of the option take the place of those of the environments; the others are sent to the canonical one."""
    options = ("--allowed-host", "*.example.net", "--canonical-host", "www.example.net:8080")
    with served(town, "option", *options, one=BASE_URL) as server:
        assert 200 == ask(server, "a.example.net", "/one/about").status
        for host in (NAME, *EVIL):
            reply = ask(server, host, "/one/about?a=%20b")
            assert (308, "http://www.example.net:8080/one/about?a=%20b") == (reply.status, reply.headers["Location"])


def test_one_environment_that_does_not_say(town: Town) -> None:
    """Nobody can tell then which hosts are meant: any will do, as with tracd."""
    with served(town, "some", one=BASE_URL, two="") as server:
        wait_until(lambda: ask(server, NAME, "/two/about").status == 200, 10, "the second project")
        for host in (NAME, *EVIL):
            assert 200 == ask(server, host, "/two/about").status
        assert "Serving only" not in server.stderr
