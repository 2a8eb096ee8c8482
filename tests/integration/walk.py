"""A browser's walk through Trac: signs in, writes a ticket, attaches and fetches a file; and what it may not see."""

from __future__ import annotations

import re
from typing import Any

import requests

from tests.integration.dropin.accounts import LOGGED_IN

TOKEN = re.compile(r'name="__FORM_TOKEN"[^>]* value="([0-9a-f]+)"')
FILE = bytes(range(256)) * 40
ADDRESSES = ("Location", "Content-Location", "Refresh", "Set-Cookie")


class Walk:
    """One walk from ``url``, the site's root without a slash at its end.

    ``hidden`` is what no redirect and no cookie may show; ``seen`` holds what they showed.
    """

    def __init__(self, url: str, *hidden: str, verify: str | None = None) -> None:
        self.url = url
        self.hidden = hidden
        self.seen: list[str] = []
        self._session = requests.Session()
        self._session.trust_env = False
        if verify is not None:
            self._session.verify = verify

    def ask(self, method: str, path: str, **how: Any) -> requests.Response:
        """Ask for one page, and look at what the answer shows."""
        answer = self._session.request(method, self.url + path, allow_redirects=False, timeout=30, **how)
        for name in ADDRESSES:
            for value in answer.raw.headers.getlist(name):
                self.seen.append(f"{name}: {value}")
                for hidden in self.hidden:
                    assert hidden not in value, f"{method} {path} shows {name}: {value}"
        return answer

    def page(self, path: str) -> str:
        """Get a page that is there; the base path itself is one slash further."""
        answer = self.ask("GET", path)
        if not path and answer.status_code == 308:
            answer = self.ask("GET", "/")
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text

    def go(self, answer: requests.Response) -> str:
        """Follow a redirect, which must lead to the same site; give its path below the root."""
        assert answer.status_code in (301, 302, 303), answer.status_code
        location = answer.headers["Location"]
        assert location.startswith(self.url), location
        path = location[len(self.url) :].partition("#")[0]
        self.page(path)
        return path

    def sign_in(self, user: str, password: str) -> None:
        """Sign in by the front's Basic authentication; the cookie alone is enough after that."""
        assert self.ask("GET", "/login").status_code == 401
        auth, headers = (user.encode(), password.encode()), {"Referer": f"{self.url}/wiki"}
        assert self.go(self.ask("GET", "/login", auth=auth, headers=headers)) == "/wiki"
        found = LOGGED_IN.search(self.page("/about"))
        assert found is not None
        assert found[1] == user

    def write_ticket(self, summary: str) -> str:
        """Write a ticket, and give its path."""
        token = self._token("/newticket")
        form = {"__FORM_TOKEN": token, "field_summary": summary, "field_type": "defect", "submit": "Create ticket"}
        path = self.go(self.ask("POST", "/newticket", data=form))
        assert summary in self.page(path)
        return path

    def attach(self, ticket: str) -> None:
        """Attach a file to a ticket, and fetch it again."""
        path = f"/attachment{ticket}/"
        form = {"__FORM_TOKEN": self._token(f"{path}?action=new"), "action": "new", "realm": "ticket"}
        form |= {"id": ticket.rpartition("/")[2], "description": "all bytes"}
        files = {"attachment": ("bytes.bin", FILE, "application/octet-stream")}
        self.go(self.ask("POST", f"{path}?action=new", data=form, files=files))
        assert self.ask("GET", f"/raw-attachment{ticket}/bytes.bin").content == FILE

    def sign_out(self) -> None:
        """Sign out, and be nobody."""
        self.go(self.ask("POST", "/logout", data={"__FORM_TOKEN": self._token("/about")}))
        assert LOGGED_IN.search(self.page("/about")) is None

    def all(self, user: str, password: str) -> None:
        """Walk all of it, and hang up."""
        with self._session:
            self.sign_in(user, password)
            self.attach(self.write_ticket(f"walked by {user}"))
            self.go(self.ask("GET", "/wiki/"))
            self.sign_out()
        assert any(line.startswith("Set-Cookie: trac_auth=") for line in self.seen)

    def _token(self, path: str) -> str:
        found = TOKEN.search(self.page(path))
        assert found is not None, path
        return found[1]
