"""A browser logs in by its own dialog, makes a ticket, and logs out: at both servers, by both methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.dropin.accounts import htdigest, htpasswd, set_option
from tests.integration.dropin.browser import chromium
from tests.integration.dropin.conftest import MakeProject, StartServer

PASSWORD = "harbour"
REALM = "the harbour"


@pytest.mark.needs("chromium", "chromedriver")
@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_ticket_by_somebody_who_logs_in(
    program: str, method: str, start: StartServer, project: MakeProject, tmp_path: Path
) -> None:
    """The dialog is for the realm of the option; whoever answers it is the reporter of the ticket, until logging out.

    With -s, the project that an entry is for is the folder's name.
    """
    env = project("one")
    set_option(env, "show_full_names", "false")
    if method == "basic":
        users = htpasswd(tmp_path / "users", {"admin": PASSWORD}, "apr1")
    else:
        users = htdigest(tmp_path / "users", REALM, {"admin": PASSWORD})
    option = {"basic": "--basic-auth", "digest": "--auth"}[method]
    server = start(program, option, f"one,{users},{REALM}", "-s", str(env), path="/about")
    with chromium("admin", PASSWORD) as browser:
        browser.open(f"{server.url}/about")
        assert "logged in as" not in browser.text("#metanav")
        assert [] == browser.dialog.asked

        browser.click("#metanav a[href='/login']")
        assert [(method, REALM)] == browser.dialog.asked
        assert f"{server.url}/about" == browser.driver.current_url
        assert "logged in as admin" in browser.text("#metanav")

        browser.open(f"{server.url}/newticket")
        browser.find("#field-summary").send_keys("The lamp at the pier is out")
        browser.find("#field-description").send_keys("Since ''yesterday''.")
        browser.click("#propertyform input[name='submit']")
        assert browser.driver.current_url.startswith(f"{server.url}/ticket/")
        assert "The lamp at the pier is out" in browser.text("#ticket .summary")
        assert "yesterday" == browser.text("#ticket .description i, #ticket .description em")
        assert "admin" == browser.text("#ticket td[headers='h_reporter']")
        ticket = browser.driver.current_url.partition("#")[0]

        browser.click("#logout button")
        assert "logged in as" not in browser.text("#metanav")
        assert "Login" == browser.text("#metanav a[href='/login']")
        browser.open(ticket)
        assert "logged in as" not in browser.text("#metanav")
        assert "The lamp at the pier is out" in browser.text("#ticket .summary")
        assert [(method, REALM)] == browser.dialog.asked
