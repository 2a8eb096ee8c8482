"""The page of options: it is what the table says, and what it says of HUP is so."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from tests.docs.options_page import CALLED, PAGE, WITHOUT_EFFECT, live, page
from tracd_cluster.changes import LIVE, NOT_LIVE, changes
from tracd_cluster.configuration.config import make_settings
from tracd_cluster.configuration.config_file import in_file
from tracd_cluster.configuration.options import ENVS, OPTIONS
from tracd_cluster.settings.foreign import Upstream

FILED = [option for option in in_file() if option.name not in WITHOUT_EFFECT]

VALUES: dict[str, Any] = (
    {option.name: True for option in FILED if option.read is None and option.name != "http11"}
    | {option.name: 77 for option in FILED if option.metavar in ("N", "SECONDS", "SIZE")}
    | {"workers": (7, 9), "client-cert": "optional", "keyfile": "/key.pem", "base-path": "/trac", "umask": 0o77,
       "secret-file": "/secret", "logfile": "/log", "log-format": "json", "access-log": "/log", "envs": ("/c", "/d"),
       "env-parent-dir": "/srv", "canonical-host": "trac.example.org", "allowed-host": ("trac.example.org",),
       "control": "/control", "user": 0, "group": 0, "upstream-ca": "/ca.pem"}
)  # fmt: skip
"""Option -> another value than it had, wherever one is to be had without files or other hosts."""
BEFORE: dict[str, Any] = {"port": 8000, "envs": ("/srv/a", "/srv/b"), "https_port": 8443, "certfile": "/cert.pem"}
UPSTREAMS: dict[str, Any] = {"envs": (), "upstream": (Upstream(scheme="http", host="elsewhere", port=80),)}
COMPANY: dict[str, dict[str, Any]] = {
    "proxy-protocol": {"trusted_proxy": (ip_network("10.0.0.0/8"),)},
    "single-env": {"envs": ("/srv/a",)},
    "upstream-connections": UPSTREAMS,
    "upstream-ca": UPSTREAMS,
}
"""Option -> what it cannot be without."""


def test_the_page_is_what_the_table_says() -> None:
    """Whoever changes an option makes the page anew."""
    assert page() == PAGE.read_text(encoding="utf-8"), "docs/options.md is stale: make docs"


def test_every_option_is_there() -> None:
    """And none that --help hides."""
    text = page()
    for option in OPTIONS:
        assert option.hidden or f"`{option.names[-1]}" in text
    assert "--application" not in text


def test_every_option_has_a_name_that_the_log_has() -> None:
    """What HUP says has changed, or needs a restart, is found on the page."""
    assert set(CALLED.values()) <= {*LIVE.values(), *NOT_LIVE.values()}
    assert [] == [option.name for option in FILED if CALLED.get(option.name) == option.name]


@pytest.mark.parametrize("name", sorted(VALUES))
def test_what_the_page_says_of_hup_is_so(name: str) -> None:
    """Two files that differ in one option are compared as HUP does."""
    option = next(option for option in FILED if option.name == name)
    before = {each.key: each.default for each in (ENVS, *OPTIONS)} | BEFORE | COMPANY.get(name, {})
    found = changes(make_settings(before), make_settings(before | {option.key: VALUES[name]}))
    assert found.live or found.refused
    assert live(option) == (not found.refused), found
