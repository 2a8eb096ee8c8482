"""Somebody who uses the site: at an address of their own, and looking closely at all they get."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

NAME = "trac.example.org"
ADDRESS = "127.0.0.2"
OTHER = "127.0.0.3"
LINK = re.compile(r"""(?:href|src|action|content|url|template)=["']((?:https?:/)?/[^"']*)["']""", re.IGNORECASE)
ELSEWHERE = ("trac.edgewall.org", "www.edgewall.org", "www.python.org")
"""What Trac's pages link to of the rest of the world."""


@dataclass(frozen=True)
class Site:
    """What the world knows: the address of a project; and ``inner``, our port, which it is not to know."""

    scheme: str
    port: int
    path: str
    inner: int
    authority: str
    """File of the certificate that its own is issued by."""

    @property
    def root(self) -> str:
        """The address of its host."""
        return f"{self.scheme}://{NAME}:{self.port}"

    @property
    def url(self) -> str:
        """The address of its front page, without the slash."""
        return self.root + self.path


class Loopback(HTTPAdapter):
    """Finds every host on this machine, and comes from an address of the caller's choice."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *sizes: Any, **how: Any) -> None:
        super().init_poolmanager(*sizes, source_address=(self._address, 0), **how)

    def build_connection_pool_key_attributes(self, *request: Any, **how: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*request, **how)
        name = host["host"]
        names = {"server_hostname": name, "assert_hostname": name} if host["scheme"] == "https" else {}
        return {**host, "host": "127.0.0.1"}, {**pool, **names}

    def add_headers(self, request: requests.PreparedRequest, **how: Any) -> None:
        request.headers.setdefault("Host", urlsplit(request.url or "").netloc)


class Visitor:
    """A client with cookies; every answer that it gets is checked for what only insiders should know."""

    def __init__(self, site: Site, address: str = ADDRESS) -> None:
        self.site = site
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = site.authority
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, Loopback(address))

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    @property
    def cookies(self) -> dict[str, str]:
        """What it would send, by name."""
        return {cookie.name: cookie.value or "" for cookie in self._session.cookies}

    @property
    def token(self) -> str:
        """What Trac's forms have to bring back."""
        return self.cookies["trac_form_token"]

    def get(self, path: str, **how: Any) -> requests.Response:
        """Get a page of the project."""
        return self.send("GET", path, **how)

    def post(self, path: str, data: Mapping[str, str], **how: Any) -> requests.Response:
        """Send a form of the project."""
        return self.send("POST", path, data=data, **how)

    def send(self, method: str, path: str, **how: Any) -> requests.Response:
        """Send a request and look at all answers on the way to the page it leads to."""
        answer = self.ask(method, path, **how)
        for each in (*answer.history, answer):
            self._look_at(each)
        return answer

    def ask(self, method: str, path: str, **how: Any) -> requests.Response:
        """Send a request without a look at what comes."""
        return self._session.request(method, urljoin(self.site.root, self.site.path + path), timeout=30, **how)

    def _look_at(self, answer: requests.Response) -> None:
        site = self.site
        for line in answer.raw.headers.getlist("Set-Cookie"):
            check_cookie(line, site)
        if location := answer.headers.get("Location"):
            assert location.startswith((site.url, f"{site.path}/")), location
        binary = "text" not in answer.headers.get("Content-Type", "text") or "raw-attachment" in (answer.url or "")
        shown = str(answer.headers) + ("" if binary else answer.text)
        assert "127.0.0.1" not in shown, shown
        assert f":{site.inner}" not in shown or site.inner == site.port, shown
        assert not re.search(rf"(?<!{site.scheme})://{re.escape(NAME)}", shown), shown
        if not binary:
            for link in LINK.findall(answer.text):
                known = link.startswith((site.url, f"{site.path}/")) or urlsplit(link).hostname in ELSEWHERE
                assert known, link


def check_cookie(line: str, site: Site) -> None:
    """Look at what a cookie is bound to."""
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert "samesite=lax" in attributes, line
    assert ("secure" in attributes) == (site.scheme == "https"), line
    assert f"path={site.path or '/'}" in attributes, line
    assert not any(attribute.startswith("domain") for attribute in attributes), line
