"""Chromium, and somebody in front of it who answers its dialog for passwords."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import websocket  # selenium brings it
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.processes import wait_until

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--window-size=1200,1000",
)  # fmt: skip
PATIENCE = 30


class Dialog:
    """The browser's dialog for a user and a password, answered by the browser's own means (CDP, domain Fetch).

    What it was asked is in ``asked``: the scheme and the realm of each challenge.
    """

    def __init__(self, debugger: str, user: str, password: str) -> None:
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with without_proxy.open(f"http://{debugger}/json", timeout=PATIENCE) as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        self.asked: list[tuple[str, str]] = []
        self._credentials = {"response": "ProvideCredentials", "username": user, "password": password}
        self._number = 0
        self._socket = websocket.create_connection(
            page["webSocketDebuggerUrl"],
            timeout=PATIENCE,
            suppress_origin=True,
            http_no_proxy=["127.0.0.1", "localhost"],
        )
        self._send("Fetch.enable", handleAuthRequests=True)
        self._over = False
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._over = True
        self._socket.close()
        self._thread.join(PATIENCE)

    def _send(self, method: str, **parameters: Any) -> None:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))

    def _answer(self) -> None:
        try:
            while text := self._socket.recv():
                self._react(json.loads(text))
        except (OSError, ValueError, websocket.WebSocketException):
            if not self._over:
                raise

    def _react(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        if event.get("method") == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", requestId=about["requestId"])
        elif event.get("method") == "Fetch.authRequired":
            challenge = about["authChallenge"]
            self.asked.append((challenge["scheme"], challenge["realm"]))
            self._send("Fetch.continueWithAuth", requestId=about["requestId"], authChallengeResponse=self._credentials)


class Browser:
    """One window of Chromium, with nothing known from before."""

    def __init__(self, driver: webdriver.Chrome, dialog: Dialog) -> None:
        self.driver = driver
        self.dialog = dialog

    def open(self, url: str) -> None:
        """Go to an address."""
        self.driver.get(url)

    def find(self, selector: str) -> WebElement:
        """Wait for a part of the page."""
        found: WebElement = WebDriverWait(self.driver, PATIENCE).until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector)
        )
        return found

    def click(self, selector: str) -> None:
        """Click on a link or a button, which must be there, and wait for the page that it leads to."""
        element = self.find(selector)
        with self._another_page(f"the click on {selector}"):
            element.click()

    def text(self, selector: str) -> str:
        """Give what stands in a part of the page."""
        for _ in range(3):
            with suppress(StaleElementReferenceException):
                return self.find(selector).text
        return self.find(selector).text

    def complaints(self) -> list[str]:
        """Give what stands in its console since the last time: errors of scripts, and what it could not load."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def received(self) -> list[dict[str, Any]]:
        """Give the answers it has got since the last time, from servers and its own caches (CDP, domain Network)."""
        entries: list[dict[str, Any]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in entries]
        return [event["params"]["response"] for event in events if event["method"] == "Network.responseReceived"]

    def reload(self, forced: bool) -> None:
        """Load the page again; ``forced`` past all caches, as with the shift key."""
        with self._another_page("the page once more"):
            self.driver.execute_cdp_cmd("Page.reload", {"ignoreCache": forced})

    @contextmanager
    def _another_page(self, what: str) -> Iterator[None]:
        """Wait until what is done here has led to another page, and that is there wholly."""
        before = self._pages()
        yield
        wait_until(lambda: self._pages() not in ([], before) and self._is_complete(), PATIENCE, what)

    def _pages(self) -> list[str]:
        # Between two pages there is none: that is no failure.
        return [page.id for page in self.driver.find_elements(By.TAG_NAME, "html")]

    def _is_complete(self) -> bool:
        return bool(self.driver.execute_script("return document.readyState") == "complete")


@contextmanager
def chromium(user: str, password: str, *arguments: str) -> Iterator[Browser]:
    """Open a browser whose dialog is answered with this user and password; what it writes goes with it.

    ``arguments`` are more of its command line.
    """
    # pytest's folder has too long a name for Chromium's Unix socket.
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        options = webdriver.ChromeOptions()
        options.binary_location = _path_of("chromium")
        for argument in (*ARGUMENTS, *arguments, f"--user-data-dir={folder}/profile"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(_path_of("chromedriver"), env={**os.environ, "TMPDIR": folder})
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_page_load_timeout(PATIENCE)
            debugger = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
            with closing(Dialog(debugger, user, password)) as dialog:
                yield Browser(driver, dialog)
        finally:
            driver.quit()


def _path_of(program: str) -> str:
    path = shutil.which(program)
    assert path is not None
    return path
