"""No setting is forgotten: each is taken up while everything runs, or refused by name."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from tracd_cluster.changes import LIVE, NOT_LIVE, changes, flat
from tracd_cluster.settings.admin import AdminAddress
from tracd_cluster.settings.auth import AuthEntry, AuthSettings
from tracd_cluster.settings.foreign import ForeignSettings, Upstream
from tracd_cluster.settings.front import FrontSettings, TlsSettings
from tracd_cluster.settings.pool import CommandSettings, PoolSettings, ProjectSettings
from tracd_cluster.settings.process import ProcessSettings
from tracd_cluster.settings.whole import Settings

BEFORE = Settings(
    front=FrontSettings(),
    pool=PoolSettings(projects=ProjectSettings(env_paths=("/srv/a", "/srv/b"))),
    auth=AuthSettings(),
    process=ProcessSettings(),
)
UPSTREAM = Upstream(scheme="http", host="elsewhere", port=80)
ENTRY = AuthEntry(kind="basic", project="a", file="/srv/users", realm="r")
OTHERS: dict[str, Any] = {
    "front.endpoints": ("tcp:81",),
    "front.secure_endpoints": ("tcp:443",),
    "front.tls": TlsSettings(certificate="/c.pem"),
    "foreign.upstreams": (UPSTREAM, UPSTREAM),
    "foreign.resolver": ("10.0.0.1", 53),
    "pool.command": CommandSettings(words=("tracd",), folder="/"),
    "front.trusted_proxies": (ip_network("10.0.0.0/8"),),
    "front.remote_user": b"remote-user",
    "front.hosts": ("a.example",),
    "auth.entries": (ENTRY,),
    "auth.required": frozenset({"a"}),
    "auth.remote_user": b"remote-user",
    "pool.projects.env_paths": ("/srv/c",),
    "admin.addresses": (AdminAddress(reach="loopback", endpoint="tcp:port=9180:interface=127.0.0.1"),),
}
"""Values that differ from those before, where that is not to be had by counting."""


def another(name: str, value: Any) -> Any:
    """Give another value for a setting."""
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(value, bool):
        return not value
    if name in ("pool.max_requests", "pool.max_memory", "pool.lifetime"):
        return 1000
    if isinstance(value, int | float):
        return value + 1
    return "/another" if value is None or isinstance(value, str) else None


def with_other(settings: Settings, *names: str) -> Settings:
    """Change settings by their names."""
    for name in names:
        room, *way = name.split(".")
        part: Any = getattr(settings, room)
        value = another(name, dict(flat(BEFORE))[name])
        if len(way) == 2:
            part = replace(part, projects=replace(part.projects, **{way[1]: value}))
        else:
            part = replace(part, **{way[0]: value})
        settings = replace(settings, **{room: part})
    return settings


def test_every_setting_is_either_taken_or_refused() -> None:
    """Whoever adds a setting decides about it here, or this fails."""
    names = {name for name, _ in flat(BEFORE)} - {"warnings"}
    assert names == LIVE.keys() | NOT_LIVE.keys()
    assert set() == LIVE.keys() & NOT_LIVE.keys()


@pytest.mark.parametrize("name", sorted(LIVE))
def test_what_can_be_taken_is_taken(name: str) -> None:
    """And named."""
    after = with_other(BEFORE, name)
    assert after != BEFORE
    found = changes(BEFORE, after)
    assert (tuple(filter(None, [LIVE[name]])), (), after) == (found.live, found.refused, found.settings)


@pytest.mark.parametrize("name", sorted(NOT_LIVE))
def test_what_cannot_is_named_and_stays_and_the_rest_is_taken(name: str) -> None:
    """One thing that needs a restart does not keep all others from being taken up."""
    before = replace(BEFORE, foreign=ForeignSettings(upstreams=(UPSTREAM,)))
    found = changes(before, with_other(before, name, "front.max_body"))
    assert ((NOT_LIVE[name],), ("max-body",)) == (found.refused, found.live)
    assert with_other(before, "front.max_body") == found.settings


def test_nothing_new_is_no_change() -> None:
    """Warnings are no setting."""
    found = changes(BEFORE, replace(BEFORE, warnings=("be careful",)))
    assert ((), ()) == (found.live, found.refused)


@pytest.mark.parametrize("cause", ["pool.projects.base_path", "pool.projects.single_env", "auth.single_project"])
def test_who_may_log_in_stays_with_the_environments(cause: str) -> None:
    """A project must not be open because the one that was to come in its place is not there yet."""
    names = (cause, "pool.projects.env_paths", "auth.entries", "auth.required")
    found = changes(BEFORE, with_other(BEFORE, *names, "front.queue"))
    assert {"environments", "auth", "require-login", NOT_LIVE[cause]} == set(found.refused)
    assert with_other(BEFORE, "front.queue") == found.settings


def test_the_one_environment_stays_the_one() -> None:
    """Users log in to it by its name, which the front goes by."""
    one = ProjectSettings(env_paths=("/srv/a",), single_env=True)
    before = replace(BEFORE, pool=replace(BEFORE.pool, projects=one))
    after = replace(BEFORE, pool=replace(BEFORE.pool, projects=replace(one, env_paths=("/srv/b",))))
    found = changes(before, after)
    assert (("environments",), before) == (found.refused, found.settings)


def test_proxies_stay_as_long_as_their_line() -> None:
    """Whoever may send a PROXY line, and who is believed then, go together; so does what they stand in for."""
    names = ("front.trusted_proxies", "front.remote_user", "auth.remote_user", "auth.required")
    found = changes(BEFORE, with_other(BEFORE, "front.proxy_protocol", *names, "pool.workers"))
    assert {"proxy-protocol", "trusted-proxy", "remote-user-header", "require-login"} == set(found.refused)
    assert with_other(BEFORE, "pool.workers") == found.settings


def test_passwords_are_checked_here_or_passed_on() -> None:
    """Not both, and without other servers it is nobody's business."""
    names = ("auth.entries", "foreign.passwords", "foreign.health_host")
    assert ("auth",) == changes(BEFORE, with_other(BEFORE, *names)).live
    before = replace(BEFORE, foreign=ForeignSettings(upstreams=(UPSTREAM,)))
    found = changes(before, with_other(before, *names, "front.queue"))
    assert {"auth", "how other servers are spoken to"} == set(found.refused)
    assert with_other(before, "front.queue") == found.settings
