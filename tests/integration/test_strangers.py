"""Strangers share pages, against real Trac: a crowd costs one rendering, and nobody sees what is another one's."""

from __future__ import annotations

import http.client
import os
import re
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
import requests

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import CopyEnvironment, StartCluster
from tests.integration.dropin.accounts import basic, htpasswd
from tests.processes import wait_until

PLUGIN = '''
import itertools, os
from trac.core import Component, implements
from trac.web.api import IRequestFilter, IRequestHandler

NUMBERS = itertools.count()
HOW = {
    "plain": lambda req: None,
    "language": lambda req: req.languages,
    "address": lambda req: req.remote_addr,
    "browser": lambda req: req.get_header("User-Agent"),
    "referer": lambda req: req.get_header("Referer"),
    "environ": lambda req: req.environ["HTTP_USER_AGENT"],
    "vary": lambda req: req.send_header("Vary", "User-Agent"),
    "private": lambda req: req.send_header("Cache-Control", "private"),
    "cookie": lambda req: req.outcookie.__setitem__("theirs", "1"),
    "token": lambda req: req.form_token,
    "session": lambda req: req.session.sid,
}

class Mirror(Component):
    """Pages that are each made anew, and look at the visitor in one way."""
    implements(IRequestFilter, IRequestHandler)

    def match_request(self, req):
        return req.path_info.startswith("/mirror/")

    def process_request(self, req):
        what = HOW[req.path_info[8:]](req)
        page = f"<html>{os.getpid()}-{next(NUMBERS)} {what}</html>".encode()
        req.send(piece for piece in (page,))

    def pre_process_request(self, req, handler):
        with open(os.path.join(self.env.path, "rendered"), "a") as file:
            file.write(req.path_info + "\\n")
        return handler

    def post_process_request(self, req, template, data, metadata):
        return template, data, metadata
'''
SESSION = re.compile(r"trac_(?:session|form_token)=([0-9a-f]{24})")


def with_plugin(env: Path) -> Path:
    """Give an environment that counts what is rendered, and has pages that look at their visitor."""
    (env / "plugins" / "mirror.py").write_text(PLUGIN)
    return env


def rendered(env: Path, path: str) -> int:
    """Count how often a page was made."""
    return (env / "rendered").read_text().splitlines().count(path)


@pytest.fixture(scope="module")
def site(module_env: Path, start_module_cluster: StartCluster) -> ClusterProcess:
    """A service with the plugin."""
    with_plugin(module_env)
    return start_module_cluster("--workers", "2", "-s", str(module_env))


def get(port: int, path: str, **fields: str) -> tuple[http.client.HTTPMessage, str]:
    """Get a page on a connection of its own: its head and its body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
        answer = connection.getresponse()
        assert 200 == answer.status, path
        return answer.headers, answer.read().decode()


def test_a_crawler_s_flood_on_one_page_costs_one_rendering_in_each_period(
    site: ClusterProcess, module_env: Path
) -> None:
    """Three seconds of twenty connections, as fast as they can."""
    began = monotonic()

    def hammer(number: int) -> int:
        answers = 0
        with closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)) as connection:
            while monotonic() < began + 3:
                connection.request("GET", "/timeline", headers={"User-Agent": f"crawler {number}"})
                answer = connection.getresponse()
                assert answer.read().rstrip().endswith(b"</html>")
                assert 200 == answer.status
                answers += 1
        return answers

    with ThreadPoolExecutor(20) as crawlers:
        answers = sum(crawlers.map(hammer, range(20)))
    assert answers > 200
    # One more for the beginning, and one for a machine with more to do than this.
    assert 1 <= rendered(module_env, "/timeline") <= (monotonic() - began) / 2 + 2


@pytest.mark.parametrize("page", ["/", "/wiki/WikiStart", "/timeline", "/report/1", "/roadmap", "/browser", "/about"])
def test_trac_s_own_pages_are_shared(site: ClusterProcess, page: str) -> None:
    """The second stranger is given the same page, without any cookie of the first one's."""
    (first, text), (second, copy) = [get(site.port, page, Accept_Language="en-GB") for _ in range(2)]
    assert text == copy
    assert second["Age"] is not None
    assert SESSION.search(str(first))
    assert not SESSION.search(str(second) + copy)


@pytest.mark.parametrize("page", ["/ticket/1", "/query", "/prefs"])
def test_pages_with_a_form_token_are_made_for_each(site: ClusterProcess, page: str) -> None:
    """A token proves that a form was filled in by the one it was given to."""
    tokens = []
    for _ in range(2):
        head, text = get(site.port, page)
        assert head["Age"] is None
        [token] = [each for each in SESSION.findall(str(head)) if each in text]
        tokens.append(token)
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize(
    "how", ["address", "browser", "referer", "environ", "vary", "private", "cookie", "token", "session"]
)
def test_a_plugin_s_page_that_looks_at_its_visitor_is_made_for_each(site: ClusterProcess, how: str) -> None:
    """Or that says itself that it is his."""
    pages = [get(site.port, f"/mirror/{how}", User_Agent=f"browser {number}")[1] for number in range(2)]
    assert pages[0] != pages[1]


@pytest.mark.parametrize("how", ["plain", "language"])
def test_a_plugin_s_page_that_does_not_is_shared(site: ClusterProcess, how: str) -> None:
    """So the pages above differ for a reason."""
    pages = [get(site.port, f"/mirror/{how}", User_Agent=f"browser {number}")[1] for number in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    "fields",
    [{"Cookie": "a=b"}, {"Authorization": "Basic YTpi"}, {"X_Plugin": "1"}, {"Accept_Language": "de"}, {"Host": "b"}],
    ids=str,
)
def test_who_is_no_stranger_or_another_one_has_his_own_page(site: ClusterProcess, fields: Mapping[str, str]) -> None:
    """Even right after a stranger has had it."""
    _, text = get(site.port, "/mirror/plain?x=1")
    assert text == get(site.port, "/mirror/plain?x=1")[1]
    assert text != get(site.port, "/mirror/plain?x=1", **fields)[1]


# -- people among strangers

PAGES = ("/wiki/WikiStart", "/timeline?format=rss", "/about", "/report/1", "/search", "/roadmap")


@dataclass
class Visitor:
    """Somebody who looks at pages, what there must be in them and what not."""

    host: str
    scheme: str
    project: str
    language: str
    must: tuple[str, ...]
    must_not: tuple[str, ...]
    browser: requests.Session = field(default_factory=requests.Session)
    given: list[str] = field(default_factory=list)
    """Sessions and tokens that it was given."""
    shared: int = 0

    def look(self, port: int, page: str) -> None:
        """Look at a page, closely."""
        fields = {"Host": self.host, "X-Forwarded-Proto": self.scheme, "Accept-Language": self.language}
        url = f"http://127.0.0.1:{port}/{self.project}{page}"
        answer = self.browser.get(url, headers=fields, timeout=30, cookies=self.state())
        assert 200 == answer.status_code
        self.shared += "Age" in answer.headers
        head = str(answer.headers)
        self.given += SESSION.findall(head)
        self.browser.cookies.clear()
        seen = head + answer.text
        if "rss" in page:
            assert f"{self.scheme}://{self.host}/{self.project}/" in seen
        elif page == "/about":
            for text in self.must:
                assert text in seen, (self, text)
        for text in self.must_not:
            assert text not in seen, (self, text)

    def state(self) -> dict[str, str]:
        """Give the cookies that it comes with."""
        return {}


@dataclass
class Person(Visitor):
    """One with cookies."""

    cookies: dict[str, str] = field(default_factory=dict)

    def state(self) -> dict[str, str]:
        return self.cookies


def signed_in(port: int, project: str, user: str) -> dict[str, str]:
    """Sign in, and give the cookies."""
    browser = requests.Session()
    browser.get(f"http://127.0.0.1:{port}/{project}/login", headers=basic(user, "harbour"), timeout=30)
    return dict(browser.cookies)


def with_preferences(port: int, project: str) -> dict[str, str]:
    """Choose a language in the preferences, and give the cookies."""
    browser, page = requests.Session(), f"http://127.0.0.1:{port}/{project}/prefs/localization"
    browser.get(page, timeout=30)
    form = {"__FORM_TOKEN": browser.cookies["trac_form_token"], "language": "fr", "action": "save"}
    browser.post(page, form, timeout=30)
    return dict(browser.cookies)


def test_people_and_strangers_never_see_each_other_s(
    copy_env: CopyEnvironment, start_cluster: StartCluster, tmp_path: Path
) -> None:
    """Two projects and hosts, http and https, three languages, preferences and users, all at the same pages."""
    envs = [str(copy_env(name)) for name in ("alpha", "beta")]
    users = htpasswd(tmp_path / "users", {"quokka": "harbour", "zebu": "harbour"})
    options = ("--basic-auth", f"*,{users},harbour", "--trusted-proxy", "127.0.0.1", "--workers", "2")
    cluster = start_cluster(*options, *envs)
    words = {"en": "Login", "de": "Anmelden", "fr": "S&#39;authentifier"}
    names = ("quokka", "zebu", "logged in as")
    visitors: list[Visitor] = [
        Visitor(host, scheme, project, language, (words[language],), names)
        for host in ("a.example", "b.example")
        for scheme in ("http", "https")
        for project in ("alpha", "beta")
        for language in ("en", "de")
        for _ in range(2)
    ]
    for project in ("alpha", "beta"):
        for user in ("quokka", "zebu"):
            other = "zebu" if user == "quokka" else "quokka"
            cookies = signed_in(cluster.port, project, user)
            visitors.append(Person("a.example", "http", project, "en", (user,), (other,), cookies=cookies))
        cookies = with_preferences(cluster.port, project)
        french = Person("a.example", "http", project, "en", ("propos",), (*names, "About Trac"), cookies=cookies)
        visitors.append(french)

    def visit(visitor: Visitor) -> None:
        for page in PAGES:
            visitor.look(cluster.port, page)

    for _ in range(2):
        with ThreadPoolExecutor(len(visitors)) as crowd:
            list(crowd.map(visit, visitors))
    given = [each for visitor in visitors for each in visitor.given]
    assert len(given) == len(set(given)), "two visitors were given the same session or token"
    assert 0 == sum(visitor.shared for visitor in visitors if isinstance(visitor, Person))
    strangers = [visitor for visitor in visitors if not isinstance(visitor, Person)]
    assert sum(visitor.shared for visitor in strangers) >= len(strangers) * len(PAGES) // 2


# -- where workers fail


def test_strangers_see_what_there_was_while_there_is_no_worker(env: Path, start_cluster: StartCluster) -> None:
    """All processes but the front are killed: a stranger is shown the page at once, a person when it can be made."""
    cluster = start_cluster("--workers", "2", "-s", str(with_plugin(env)))
    _, text = get(cluster.port, "/mirror/plain")
    killed = [cluster.template_pid(), *cluster.wait_for_workers(2)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    before = rendered(env, "/mirror/plain")
    for _ in range(5):
        head, again = get(cluster.port, "/mirror/plain")
        assert (text, True) == (again, head["Age"] is not None)
    assert before == rendered(env, "/mirror/plain")
    _, own = get(cluster.port, "/mirror/plain", Cookie="a=b")
    assert own != text

    def anew() -> bool:
        return get(cluster.port, "/mirror/plain")[1] != text

    wait_until(anew, 20, "a new page")


def test_each_is_served_by_himself_where_pages_are_not_kept(env: Path, start_cluster: StartCluster) -> None:
    """By option."""
    cluster = start_cluster("--page-cache", "0", "--workers", "1", "-s", str(with_plugin(env)))
    pages = [get(cluster.port, "/mirror/plain") for _ in range(2)]
    assert pages[0][1] != pages[1][1]
    assert SESSION.search(str(pages[1][0]))
