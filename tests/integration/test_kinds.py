"""Pages that are not for everybody, against real Trac: who signs in there gets them, by whatever he signs in with."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.admin.visitor import Visitor
from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import CopyEnvironment, StartCluster
from tests.integration.dropin.accounts import basic, htdigest, htpasswd
from tests.integration.dropin.browser import chromium
from tests.integration.gate import Gate
from tests.processes import wait_until
from tracd_cluster.traffic.measured import AT_LEAST

PLUGIN = '''
import base64, os
from tests.integration.gate import go_through
from trac.core import Component, implements
from trac.web.api import IAuthenticator, IRequestHandler

class Badge(Component):
    """Signs in whoever shows a badge: by a cookie of its own, or by a password that no server looks at."""
    implements(IAuthenticator, IRequestHandler)

    def authenticate(self, req):
        if req.incookie.get("badge") and req.incookie["badge"].value == "quokka's":
            return "quokka"
        if req.get_header("Authorization") == "Basic " + base64.b64encode(b"quokka:badge").decode():
            return "quokka"

    def match_request(self, req):
        return req.path_info == "/burndown"

    def process_request(self, req):
        with open(os.path.join(self.env.path, "burnt"), "a") as file:
            file.write(req.authname + "\\n")
        go_through(os.path.join(self.env.path, "gate"))
        req.send(b"burnt down", "text/plain")
'''
ASKED = "Please sign in"


def session_of(cluster: ClusterProcess, project: str, user: str) -> requests.Session:
    """Sign in at Trac, and give what has its cookies."""
    browser = requests.Session()
    browser.trust_env = False
    answer = browser.get(f"{cluster.url}{project}/login", headers=basic(user, "harbour"), timeout=30)
    assert 200 == answer.status_code
    assert "trac_auth" in browser.cookies
    return browser


def logged_out(browser: requests.Session, url: str) -> None:
    """Sign out at Trac, but keep the cookie, as a thief would."""
    cookies = dict(browser.cookies)
    form = {"__FORM_TOKEN": browser.cookies["trac_form_token"]}
    assert 200 == browser.post(url, form, timeout=30).status_code
    browser.cookies.clear()
    browser.cookies.update(cookies)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A file of users."""
    return htpasswd(tmp_path / "users", {"quokka": "harbour"})


def test_who_signs_in_at_trac_gets_what_is_for_people(
    copy_env: CopyEnvironment, start_cluster: StartCluster, users: Path
) -> None:
    """In each project by its own login; a cookie that is nobody's, or nobody's any more, is none."""
    envs = [str(copy_env(name)) for name in ("alpha", "beta")]
    kinds = ("--kind", "timeline=sign-in", "--kind", "query=deny")
    cluster = start_cluster("--basic-auth", f"*,{users},harbour", "--base-path", "/trac", *kinds, *envs, wait=False)
    cluster.wait_until_serving("/trac/")
    page = "/trac/alpha/timeline"
    stranger = cluster.get(page)
    assert 403 == stranger.status
    assert ASKED in stranger.body.decode()
    assert 'href="/trac/alpha/login?referer=/trac/alpha/timeline"' in stranger.body.decode()
    assert 200 == cluster.get("/trac/alpha/wiki/WikiStart").status

    browser = session_of(cluster, "/trac/alpha", "quokka")
    answer = browser.get(cluster.url + page, timeout=30)
    assert (200, True) == (answer.status_code, "quokka" in answer.text)
    elsewhere = browser.get(cluster.url + page.replace("alpha", "beta"), timeout=30)
    assert (403, True) == (elsewhere.status_code, ASKED in elsewhere.text)
    assert "/trac/beta/login" in elsewhere.text
    assert 403 == cluster.get(page, {"Cookie": "trac_auth=0123456789abcdef0123456789abcdef"}).status
    assert 403 == cluster.get(page, {"Cookie": "trac_auth=" + "x" * 3000 + "; trac_session=abc"}).status
    assert 403 == cluster.get("/trac/alpha/%74imeline").status

    denied = browser.get(f"{cluster.url}/trac/alpha/query", timeout=30)
    assert (403, False) == (denied.status_code, ASKED in denied.text)

    logged_out(browser, f"{cluster.url}/trac/alpha/logout")
    assert 403 == browser.get(cluster.url + page, timeout=30).status_code


def test_who_has_signed_in_at_the_front_or_before_it_is_known(
    env: Path, start_cluster: StartCluster, users: Path
) -> None:
    """A password counts where the front looks at it, which is at the login unless it is wanted everywhere."""
    options = ("--kind", "timeline=sign-in", "-s", str(env))
    cluster = start_cluster("--basic-auth", f"*,{users},harbour", "--require-login", *options, wait=False)
    cluster.wait_until_serving()
    assert 200 == cluster.get("/timeline", basic("quokka", "harbour")).status
    assert 401 == cluster.get("/timeline", basic("quokka", "wrong")).status
    proxied = start_cluster("--trusted-proxy", "127.0.0.1", "--remote-user-header", "Remote-User", *options)
    assert 200 == proxied.get("/timeline", {"Remote-User": "quokka"}).status
    assert 403 == proxied.get("/timeline").status


@pytest.fixture
def plugged(env: Path) -> Path:
    """An environment with another way to sign in, and a page that takes as long as a test wants it to."""
    (env / "plugins" / "badge.py").write_text(PLUGIN)
    return env


def test_a_plugin_s_way_to_sign_in_is_as_good(plugged: Path, start_cluster: StartCluster) -> None:
    """Nobody has told the front of it; and a page that nobody gets is not even begun."""
    cluster = start_cluster("--kind", "/burndown=sign-in", "-s", str(plugged))
    for fields in ({"Cookie": "badge=quokka's"}, basic("quokka", "badge")):
        answer = cluster.get("/burndown", fields)
        assert (200, b"burnt down") == (answer.status, answer.body)
    for fields in ({}, {"Cookie": "badge=zebu's"}, {"Cookie": "trac_session=quokka"}, basic("quokka", "wrong")):
        answer = cluster.get("/burndown", fields)
        assert (403, True) == (answer.status, ASKED in answer.body.decode())
    assert ["quokka"] * 2 == (plugged / "burnt").read_text().split()
    # The lane is in step: what follows on the same connections is answered as ever.
    with closing(http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=30)) as connection:
        for number in range(6):
            connection.request("GET", "/burndown" if number % 2 else "/about", headers={"Cookie": f"a={number}"})
            answered = connection.getresponse()
            answered.read()
            assert (403 if number % 2 else 200) == answered.status


def test_what_is_slow_here_is_learned(plugged: Path, start_cluster: StartCluster, tmp_path: Path) -> None:
    """By metrics and by what the status page is made of; strangers are treated as the options say, others are not."""
    socket_ = tmp_path / "a"
    options = ("--workers", "2", "--threads", "13", "--kind", "learned=sign-in")
    cluster = start_cluster("--admin", f"unix:{socket_}", *options, "-s", str(plugged))
    cluster.wait_for_workers(2)
    operator = Visitor(socket_)
    badge = {"Cookie": "badge=quokka's"}
    assert 200 == cluster.get("/burndown").status

    def ask(path: str) -> int:
        return cluster.get(path, badge).status

    def slow() -> int:
        return sum(one["seconds"] > AT_LEAST for worker in operator.status()["workers"] for one in worker["asked"])

    with ThreadPoolExecutor(25) as people, Gate(plugged / "gate"):
        slowly = people.map(ask, ["/burndown"] * 25)
        wait_until(lambda: 25 == slow(), 20, "slow pages")
    assert {200} == set(slowly)
    with ThreadPoolExecutor(4) as people:
        assert {200} == set(people.map(ask, ["/wiki/WikiStart", "/ticket/1"] * 25))
    wait_until(lambda: 403 == cluster.get("/burndown").status, 20, "a route that has been learned")
    assert 200 == ask("/burndown")
    told = operator.status()
    assert ["/burndown"] == [learned["route"] for learned in told["learned"]]
    assert "sign-in" == told["policies"]["learned"]
    assert 'tracd_cluster_learned_slow_seconds{route="/burndown"}' in operator.ask("/-/metrics")[2].decode()


def test_slow_pages_of_strangers_hold_one_worker_of_three(
    plugged: Path, start_cluster: StartCluster, tmp_path: Path
) -> None:
    """However many want them; quick pages are made meanwhile, for strangers too, and people get slow ones at once."""
    socket_ = tmp_path / "a"
    options = ("--workers", "3", "--kind", "/burndown=slow", "--trusted-proxy", "127.0.0.1")
    cluster = start_cluster("--admin", f"unix:{socket_}", *options, "-s", str(plugged))
    cluster.wait_for_workers(3)
    operator = Visitor(socket_)

    def ask(number: int) -> int:
        # Each from an address of its own, for a page of its own.
        return cluster.get(f"/burndown?{number}", {"X-Forwarded-For": f"198.51.100.{number}"}).status

    def at_work() -> int:
        asked = [one["path"] for worker in operator.status()["workers"] for one in worker["asked"]]
        return asked.count("/burndown")

    with ThreadPoolExecutor(9) as others, Gate(plugged / "gate") as gate:
        flood = [others.submit(ask, number) for number in range(1, 9)]
        wait_until(lambda: 7 == operator.status()["line"]["waiting"], 20, "all but one of them in line")
        for number in range(20):
            assert 1 == at_work()
            assert 200 == cluster.get(f"/about?{number}").status
        person = others.submit(cluster.get, "/burndown", {"Cookie": "trac_session=0123456789abcdef01234567"})
        gate.wait_for(2)
        assert 2 == at_work()
        gate.open()
        assert 200 == person.result(30).status
        assert {200} == {each.result(30) for each in flood}


def test_policies_change_without_a_restart(env: Path, start_cluster: StartCluster, tmp_path: Path) -> None:
    """HUP reads them again."""
    file = tmp_path / "tracd-cluster.toml"
    file.write_text('kind = ["timeline=deny"]\n')
    cluster = start_cluster("--config", str(file), "-s", str(env))
    assert 403 == cluster.get("/timeline").status
    file.write_text('kind = ["timeline=allow", "log=deny"]\n')
    cluster.tree.signal(1)
    wait_until(lambda: 200 == cluster.get("/timeline").status, 20, "the timeline")
    assert 403 == cluster.get("/log").status
    assert "Changed: kind" in cluster.wait_for_log("Changed: kind")


@pytest.mark.needs("chromium", "chromedriver")
@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_stranger_signs_in_and_gets_what_he_wanted(
    copy_env: CopyEnvironment, start_cluster: StartCluster, tmp_path: Path, method: str
) -> None:
    """By the link of the page, in a real browser: back at the same address, with its query; then without being asked.

    The page can be read at any width, and nothing in the address gets into it as markup.
    """
    if method == "basic":
        option, users = "--basic-auth", htpasswd(tmp_path / "users", {"quokka": "harbour"}, "apr1")
    else:
        option, users = "--auth", htdigest(tmp_path / "users", "the harbour", {"quokka": "harbour"})
    envs = [str(copy_env(name)) for name in ("alpha", "beta")]
    cluster = start_cluster(option, f"*,{users},the harbour", "--kind", "timeline=sign-in", *envs)
    wanted = f"{cluster.url}/alpha/timeline?daysback=9&user=%22%3E%3Ci%3Ea%26b"
    with chromium("quokka", "harbour") as browser:
        browser.open(wanted)
        assert ASKED == browser.text("h1")
        assert [] == browser.driver.find_elements("css selector", "i")
        driver: Any = browser.driver
        for width in (320, 390, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            inner, needed = driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
            assert needed <= inner == width
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert [] == browser.dialog.asked

        browser.click("a")
        assert [(method, "the harbour")] == browser.dialog.asked
        assert wanted == browser.driver.current_url
        assert "logged in as" in browser.text("#metanav")
        assert "9" == browser.find("#prefs input[name='daysback']").get_attribute("value")
        browser.open(f"{cluster.url}/alpha/timeline")
        assert "Timeline" == browser.text("h1")
