"""The same walk in a browser, which believes what it is told of hosts, schemes, paths and cookies."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.integration.dropin.browser import Browser, chromium
from tests.integration.proxies.conftest import PASSWORD
from tests.integration.proxies.test_walk import CONTENT
from tests.integration.proxies.visitor import NAME, Site

FETCH = """
const [link, done] = arguments;
fetch(link).then(answer => answer.blob()).then(body => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(body);
});
"""
"""Downloads as a page does, with its cookies, and gives the content in base 64."""


@pytest.mark.needs("chromium", "chromedriver")
@pytest.mark.parametrize("name", ["alone", "nginx", "nginx below", "haproxy", "haproxy tcp 2", "apache"])
def test_a_walk_in_a_browser(site: Site, tmp_path: Path) -> None:
    """Login by the dialog, ticket, attachment, download, logout, and nothing to complain about."""
    upload = tmp_path / "lamp.bin"
    upload.write_bytes(CONTENT)
    here = (f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--ignore-certificate-errors")
    with chromium("admin", PASSWORD, *here) as browser:
        browser.open(f"{site.url}/about")
        browser.click(f"#metanav a[href='{site.path}/login']")
        assert [("basic", "the harbour")] == browser.dialog.asked
        assert f"{site.url}/about" == browser.driver.current_url
        assert "logged in as admin" in browser.text("#metanav")

        browser.open(f"{site.url}/newticket")
        browser.find("#field-summary").send_keys("The lamp at the pier is out")
        browser.click("#propertyform input[name='submit']")
        assert browser.driver.current_url.startswith(f"{site.url}/ticket/")
        number = browser.driver.current_url.partition("#")[0].rpartition("/")[2]

        browser.open(f"{site.url}/attachment/ticket/{number}/?action=new")
        browser.find("input[name='attachment']").send_keys(str(upload))
        browser.click("#attachment input.trac-disable")
        assert f"{site.url}/attachment/ticket/{number}/" == browser.driver.current_url
        browser.open(f"{site.url}/ticket/{number}")
        link = browser.find("#attachments a.trac-rawlink").get_attribute("href") or ""
        assert f"{site.url}/raw-attachment/ticket/{number}/lamp.bin" == link
        assert CONTENT == download(browser, link)

        check_cookies(browser, site)
        browser.click("#logout button")
        assert "logged in as" not in browser.text("#metanav")
        browser.open(f"{site.url}/ticket/{number}")
        assert "logged in as" not in browser.text("#metanav")
        assert [] == browser.complaints()


def download(browser: Browser, link: str) -> bytes:
    """Get a file as the page itself would."""
    return base64.b64decode(browser.driver.execute_async_script(FETCH, link))


def check_cookies(browser: Browser, site: Site) -> None:
    """Look at what the browser has made of the cookies."""
    found = {cookie["name"]: cookie for cookie in browser.driver.get_cookies()}
    assert {"trac_auth", "trac_form_token"} <= set(found)
    for cookie in found.values():
        assert (NAME, site.path or "/", site.scheme == "https", "Lax") == (
            cookie["domain"],
            cookie["path"],
            cookie["secure"],
            cookie["sameSite"],
        )
