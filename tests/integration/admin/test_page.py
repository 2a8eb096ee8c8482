"""The status page in a real browser: it shows what happens while it happens, and its buttons do what they say."""

from __future__ import annotations

import http.client
import os
import re
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from tests.integration.admin.visitor import PASSWORD, Visitor, basic, password_file
from tests.integration.conftest import StartCluster
from tests.integration.daemon import Daemon
from tests.integration.dropin.accounts import htpasswd
from tests.integration.dropin.browser import Browser, chromium
from tests.integration.gate import Gate
from tests.processes import free_port, wait_until

USER = "<i>ines</i> & co"
"""A name that would be seen if it were taken for markup."""

pytestmark = pytest.mark.needs("chromium", "chromedriver")


class Shown:
    """A service, and a browser that has its page open."""

    def __init__(self, daemon: Any, browser: Browser, port: int) -> None:
        self.daemon = daemon
        self.browser = browser
        self.port = port

    def open(self) -> None:
        """Open the page, and wait until it shows something."""
        self.browser.open(f"http://localhost:{self.port}/-/")
        self.wait_for("#glance", "Workers ready")

    def text(self, selector: str) -> str:
        """Give what is to be read in a part of the page at this moment."""
        found = self.browser.driver.execute_script(
            "return document.querySelector(arguments[0])?.innerText ?? ''", selector
        )
        return str(found)

    def wait_for(self, selector: str, *words: str, deadline: float = 20) -> None:
        """Wait until all of this is to be read, without a reload."""
        try:
            wait_until(lambda: all(word in self.text(selector) for word in words), deadline, f"{words} in {selector}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {self.text(selector)!r}") from None

    def press(self, selector: str) -> None:
        """Press a button."""
        self.browser.find(f"{selector}:enabled").click()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Have a worker at ``/wait``, until this ends, but for a client that leaves before its answer."""
        with Gate() as gate, self.under_way(gate.target):
            yield

    @contextmanager
    def under_way(self, path: str) -> Iterator[None]:
        """Have a worker at a request of ``USER``'s."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=30)) as client:
            client.request("GET", path, headers={"Authorization": basic("harbour", USER)})
            yield

    def worker_at(self, path: str) -> int:
        """Give the process that is at a request."""
        workers = self.daemon.report()["workers"]
        [found] = [worker["pid"] for worker in workers for asked in worker["asked"] if asked["path"] == path]
        return int(found)

    def ready(self) -> list[int]:
        """Give the processes of the workers that are ready."""
        return [worker["pid"] for worker in self.daemon.report()["workers"] if worker["life"] == "ready"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A service whose users have to sign in, and a browser whose dialog is answered with the admin password."""
    folder = tmp_path_factory.mktemp("s")
    port = free_port()
    users = htpasswd(folder / "users", {USER: "harbour"}, "apr1")
    words = ("--basic-auth", f"*,{users},the harbour", "--require-login", "--workers", "2")
    admin = ("--admin", f"127.0.0.1:{port}", "--admin-password-file", str(password_file(folder)))
    daemon = Daemon(folder, *words, *admin, "--application", "tests.integration.apps:misbehaving")
    try:
        daemon.wait_until_ready(2)
        with chromium("operator", PASSWORD) as browser:
            yield Shown(daemon, browser, port)
        daemon.stop()  # with the page open a moment ago
    finally:
        daemon.kill()


@pytest.fixture
def shown(service: Shown) -> Iterator[Shown]:
    """The page, freshly opened; afterwards the browser must have had nothing to complain of."""
    service.open()
    service.browser.complaints()
    yield service
    assert [] == service.browser.complaints()


def test_it_shows_who_is_at_what(shown: Shown) -> None:
    """Method, path, user and time, which goes on by itself; nothing a client sends is taken for markup."""
    assert [("basic", "tracd-cluster")] == shown.browser.dialog.asked
    shown.wait_for("#worker-rows", "idle")
    with shown.waiting():
        shown.wait_for("#worker-rows", "GET /wait", USER, deadline=5)
        wait_until(lambda: re.search(r"[1-5]\.\d s, ", shown.text("#worker-rows")), 5, "a time that goes on")
        shown.wait_for("#glance", "1 at work")
    shown.wait_for("#slow-rows", "GET /wait", USER, "left")
    shown.wait_for("#class-rows", "people", "visitors", "strangers", "robots")
    assert [] == shown.browser.driver.find_elements(By.CSS_SELECTOR, "main i")


def test_a_crash_appears(shown: Shown) -> None:
    """With how it came about and what was under way; a worker takes the place of the one that has gone."""
    with shown.under_way("/hang"):
        shown.wait_for("#worker-rows", "GET /hang")
        victim = shown.worker_at("/hang")
        os.kill(victim, signal.SIGKILL)
        shown.wait_for("#crash-list", f"pid {victim}) was killed by SIGKILL")
    shown.browser.find("#crash-list summary").click()
    shown.wait_for("#crash-list", "Under way: GET /hang")
    shown.wait_for("#glance", "2 of 2")
    # The request went to another worker, which hangs as well, though its client has left.
    os.kill(shown.worker_at("/hang"), signal.SIGKILL)
    wait_until(lambda: not any(w["asked"] for w in shown.daemon.report()["workers"]), 10, "workers that are free")
    assert 1 == len(shown.browser.driver.find_elements(By.CSS_SELECTOR, "#crash-list details[open]"))


def test_the_buttons(shown: Shown) -> None:
    """New workers, then one more, then settings anew; what was asked for is said at once, what comes of it is seen."""
    before = set(shown.ready())
    shown.press("#restart")
    shown.wait_for("#said", "has been asked for")
    shown.wait_for("#glance", "2 of 2", "serves")
    wait_until(lambda: len(shown.ready()) == 2 and not before & set(shown.ready()), 20, "other workers")
    count = shown.browser.find("#count")
    assert "2" == count.get_attribute("value")
    count.clear()
    count.send_keys("3")
    shown.press("#scale button")
    shown.wait_for("#said", ": 3 workers are wanted")
    shown.wait_for("#glance", "3 of 3")
    assert 3 == len(shown.ready())
    shown.press("#reload")
    shown.wait_for("#said", "New workers are starting: generation")
    shown.wait_for("#glance", "serves")
    Visitor(shown.port, PASSWORD).do({"command": "scale", "count": 2, "wait": False})
    shown.wait_for("#glance", "2 of 2")


def test_it_is_readable_on_a_phone(shown: Shown) -> None:
    """Nothing is cut off or has to be moved to the side, at any width, in the light and in the dark."""
    driver: Any = shown.browser.driver
    with shown.waiting():
        shown.wait_for("#worker-rows", "GET /wait")
        for width in (320, 390, 700, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            script = "return [innerWidth, document.documentElement.scrollWidth]"
            inner, needed = driver.execute_script(script)
            assert needed <= inner == width
    grounds = set()
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        script = "return getComputedStyle(document.body).backgroundColor"
        grounds.add(driver.execute_script(script))
    assert 2 == len(grounds)
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_is_reached_by_keys(shown: Shown) -> None:
    """In the order in which it is to be read."""
    shown.browser.find("#restart:enabled")
    driver: Any = shown.browser.driver
    reached = []
    for _ in range(5):
        driver.switch_to.active_element.send_keys("\t")
        reached.append(driver.execute_script("return document.activeElement.textContent.trim()"))
    assert ["Restart workers", "Reload settings", "", "Scale"] == reached[:4]


def test_it_goes_on_after_an_upgrade(service: Shown) -> None:
    """The page that is open shows the new front, and its buttons work there, without a reload."""
    service.open()
    old = service.daemon.pid
    done = service.daemon.ctl("upgrade")
    assert 0 == done.returncode, f"{done.stderr}\n{service.daemon.log}"
    assert old != service.daemon.pid
    service.wait_for("#process", f"Process {service.daemon.pid}")
    service.press("#restart")
    service.wait_for("#said", "generation 2 has been asked for")
    service.wait_for("#state", "serving")


def test_a_change_that_is_refused_is_told_of(env: Path, tmp_path: Path, start_cluster: StartCluster) -> None:
    """With real Trac: settings that cannot be read keep the old workers, and the page says what is wrong."""
    port = free_port()
    words = ("--admin", str(port), "--admin-password-file", str(password_file(tmp_path)), "--workers", "1")
    cluster = start_cluster(*words, "-s", str(env))
    ini = env / "conf" / "trac.ini"
    with chromium("operator", PASSWORD) as browser:
        page = Shown(cluster, browser, port)
        page.open()
        assert "" == page.text("#failure")
        ini.write_text(ini.read_text() + "\nnonsense\n")
        page.wait_for("#failure", "was not taken", "trac.ini")
        page.wait_for("#glance", "1 of 1", "was not taken")
        page.wait_for("#state", "serving")
        assert 200 == cluster.get("/about").status
        assert [] == browser.complaints()
