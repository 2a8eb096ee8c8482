"""What of new settings can be taken up while everything runs, and what cannot.

Most can: the next request, the next worker or the next look goes by them. What cannot is what belongs to the process
(ports, user, files that twistd has opened) and what says which project a path belongs to. Front and workers must agree
on that: while a take-over goes on there are workers of both kinds, and a path that the front takes for a project open
to all must not be another one to the worker.

Note [Bound]. Some settings mean something only together. If the environments stay as they were, so does who may log
in to them; if the PROXY line stays, so does who may send it; and if other servers go on getting passwords, nobody
checks these here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.settings.whole import Settings

LIVE = {
    "front.keep_alive": "http10",
    "front.trusted_proxies": "trusted-proxy",
    "front.remote_user": "remote-user-header",
    "front.hosts": "allowed-host",
    "front.canonical_host": "canonical-host",
    "front.harden_cookies": "keep-cookies",
    "front.error_page": "error-page",
    "front.request_line_limit": "request line limit",
    "front.head_limit": "head limit",
    "front.header_limit": "header limit",
    "front.max_body": "max-body",
    "front.body_memory": "body memory",
    "front.spool_limit": "spool-limit",
    "front.answer_memory": "answer memory",
    "front.head_timeout": "head-timeout",
    "front.body_timeout": "body-timeout",
    "front.min_body_rate": "min-body-rate",
    "front.idle_timeout": "idle-timeout",
    "front.request_timeout": "request-timeout",
    "front.request_timeouts": "request-timeout-for",
    "front.slow_kinds": "slow kinds",
    "front.queue": "queue",
    "front.queue_timeout": "queue-timeout",
    "pool.projects.env_paths": "environments",
    "pool.projects.env_parent_dir": "env-parent-dir",
    "pool.workers": "workers",
    "pool.most_workers": "workers",
    "pool.processors": "processors",
    "pool.grow_after": "grow-after",
    "pool.shrink_after": "shrink-after",
    "pool.max_requests": "max-requests",
    "pool.max_memory": "max-memory",
    "pool.lifetime": "worker-lifetime",
    "pool.threads": "threads",
    "pool.preload": "no-preload",
    "pool.freeze": "no-freeze",
    "pool.remember_locales": "no-locale-memory",
    "pool.compress_pages": "compress-pages",
    "pool.store_visitors": "store-visitors",
    "pool.visitor_secret": "",
    "pool.application": "application",
    "pool.umask": "umask",
    "pool.drain_timeout": "drain-timeout",
    "pool.leave_timeout": "",
    "pool.terminate_timeout": "terminate timeout",
    "pool.start_timeout": "start-timeout",
    "auth.entries": "auth",
    "auth.required": "require-login",
    "auth.remote_user": "remote-user-header",
    "cache.period": "page-cache",
    "cache.memory": "page-memory",
    "cache.largest": "largest page kept",
    "cache.stale": "stale-if-error",
    "clients.max_connections": "max-connections",
    "clients.client_connections": "client-connections",
    "clients.client_requests": "client-requests",
    "clients.client_rate": "client-rate",
    "clients.client_burst": "client-burst",
    "clients.client_allow": "client-allow",
    "static.memory": "static-memory",
    "static.entries": "static entries",
    "static.largest": "largest static file",
    "static.max_age": "static-max-age",
    "traffic.shares": "shares",
    "traffic.queue_target": "queue-target",
    "traffic.slow_share": "slow-share",
    "kinds.policies": "kind",
    "kinds.robots": "no-robots",
    "process.auto_reload": "auto-reload",
    "process.reload_poll": "reload-poll",
    "admin.public_health": "public-health",
}
"""Field -> what the operator calls it; empty for what only follows from others."""

NOT_LIVE = {
    "front.endpoints": "the addresses to listen on",
    "front.secure_endpoints": "the addresses to listen on",
    "front.tls": "where certificates are and what is asked of clients for theirs",
    "front.redirect_port": "redirect-http",
    "front.proxy_protocol": "proxy-protocol",
    "front.base_path": "base-path",
    "pool.projects.single_env": "single-env",
    "pool.projects.base_path": "base-path",
    "pool.command": "worker-command",
    "pool.https": "protocol",
    "auth.single_project": "single-env",
    "auth.base_path": "base-path",
    "auth.certified": "client-cert-user",
    "foreign.upstreams": "upstream",
    "foreign.base_path": "base-path",
    "foreign.passwords": "auth",
    "foreign.health_path": "how other servers are spoken to",
    "foreign.health_host": "how other servers are spoken to",
    "foreign.health_scheme": "how other servers are spoken to",
    "foreign.health_interval": "how other servers are spoken to",
    "foreign.ca_file": "how other servers are spoken to",
    "foreign.connections": "how other servers are spoken to",
    "foreign.resolver": "how other servers are spoken to",
    "auth.secret_file": "secret-file",
    "auth.nonce_lifetime": "nonce lifetime",
    "auth.remember": "password memory",
    "process.daemonize": "daemonize",
    "process.pidfile": "pidfile",
    "process.umask": "umask",
    "process.user": "user",
    "process.group": "group",
    "process.logfile": "logfile",
    "process.control": "control",
    "process.drain_delay": "drain-delay",
    "admin.addresses": "admin",
    "admin.password_file": "admin-password-file",
    "log.access": "access-log",
    "log.access_form": "access-log-format",
    "log.messages": "log-format",
}

PROJECTS = frozenset({
    "pool.projects.env_paths", "pool.projects.env_parent_dir", "pool.projects.single_env", "pool.projects.base_path",
    "auth.single_project", "auth.base_path", "front.base_path",
})  # fmt: skip
AUTH = frozenset({"auth.entries", "auth.required"})
PROXIES = frozenset({"front.trusted_proxies", "front.remote_user", "auth.remote_user"})
BOUND = (
    (PROJECTS, PROJECTS | AUTH),
    (frozenset({"front.proxy_protocol"}), PROXIES | AUTH),
    (frozenset({"foreign.passwords"}), AUTH),
    (frozenset({"process.umask"}), frozenset({"pool.umask"})),
)
"""If any of the first is refused, so is all of the second (Note [Bound])."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of new settings: the names of what is taken, of what is refused, and what is in force then."""

    live: tuple[str, ...]
    refused: tuple[str, ...]
    settings: Settings


def changes(before: Settings, after: Settings) -> Changes:
    """Compare two settings."""
    old, new = dict(flat(before)), dict(flat(after))
    different = {name for name in old if old[name] != new[name]} - {"warnings"}
    if not (_has_others(before) or _has_others(after)):
        different = {name for name in different if not name.startswith("foreign.")}
    refused = different & NOT_LIVE.keys()
    if before.pool.projects.single_env or after.pool.projects.single_env:
        refused |= different & PROJECTS  # the one project's name is what its users log in to
    for cause, bound in BOUND:
        if refused & cause:
            refused |= different & bound
    settings = after
    for name in refused:
        settings = _put(settings, name.split("."), old[name])
    return Changes(_names(different - refused), _names(refused), settings)


def _has_others(settings: Settings) -> bool:
    """Tell whether there are servers that are not ours; what is worked out for them is of no interest otherwise."""
    return bool(settings.foreign.upstreams or settings.pool.command)


def flat(settings: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Give all settings with the way to each; what is encrypted counts as one."""
    for each in fields(settings):
        value, name = getattr(settings, each.name), path + each.name
        if is_dataclass(value) and (not path or isinstance(value, ProjectSettings)):
            yield from flat(value, name + ".")
        else:
            yield name, value


def _put(settings: Any, path: list[str], value: Any) -> Any:
    first, *rest = path
    return replace(settings, **{first: _put(getattr(settings, first), rest, value) if rest else value})


def _names(paths: set[str]) -> tuple[str, ...]:
    return tuple(sorted({NOT_LIVE.get(path) or LIVE[path] for path in paths} - {""}))
