"""Command line and configuration file become Settings, or an error that names the option, the value and the cure.

Three layers: the defaults of the table of options, the file, the command line. What stands on the command line wins
whole: a repeatable option given there replaces all that the file says of it.
"""

from __future__ import annotations

import json
import os
import pwd
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tracd_cluster.configuration.addresses import escape
from tracd_cluster.configuration.admin_config import admin_settings, open_admin
from tracd_cluster.configuration.client_options import client_settings
from tracd_cluster.configuration.config_file import in_file, read_file
from tracd_cluster.configuration.foreign_config import check_foreign, command_settings, foreign_settings
from tracd_cluster.configuration.https_config import https_of, idle_options
from tracd_cluster.configuration.kinds_options import kinds_settings
from tracd_cluster.configuration.log_config import error_page, log_settings
from tracd_cluster.configuration.options import ENVS, EXCLUSIVE, OPTIONS, expand, make_parser
from tracd_cluster.configuration.traffic_options import traffic_settings
from tracd_cluster.configuration.values import environment
from tracd_cluster.configuration.worker_config import idle_sizes, pool_sizes
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.auth import AuthEntry, AuthSettings
from tracd_cluster.settings.cache import CacheSettings
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.pool import PoolSettings, ProjectSettings
from tracd_cluster.settings.process import ProcessSettings
from tracd_cluster.settings.static import StaticSettings
from tracd_cluster.settings.whole import Settings

BACKLOG = 1024
"""Connections that the kernel keeps for us until we accept them; tracd keeps five."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is in force: the value of every option, where it comes from, and the Settings made of all."""

    given: dict[str, Any]
    """What the command line says."""
    values: dict[str, Any]
    origins: dict[str, str]
    settings: Settings

    def reread(self) -> Settings:
        """Read the configuration file again, under the same command line; raises ConfigError."""
        return _combine(self.given).settings

    def show(self) -> str:
        """Write it as a configuration file; what has no value is a comment."""
        lines = []
        for option in in_file():
            value = self.values[option.key]
            if option.key == "auths":
                value = [entry for entry in value if entry.kind == ("basic" if "basic" in option.name else "digest")]
            origin = self.origins.get(option.key, "default")
            if value is None or value in ((), []):
                lines.append(f"# {option.name} =")
            else:
                many = option.repeatable
                written = [option.write(each) for each in value] if many else option.write(value)
                lines.append(f"{option.name} = {json.dumps(written, ensure_ascii=False)}  # {origin}")
        return "\n".join(lines) + "\n"


def load(arguments: Sequence[str], prog: str = "tracd-cluster") -> Settings:
    """Make Settings of a command line; see ``configure``."""
    return configure(arguments, prog)[0].settings


def configure(arguments: Sequence[str], prog: str) -> tuple[Configuration, str | None]:
    """Read a command line and the file it names; give what is in force, and what to do instead of serving, if so.

    Raises ConfigError for options that do not go together and for what is wrong in the file; argparse itself ends the
    process with status 2 and a message for a single option that is wrong, and with status 0 after ``--help``.
    """
    given = _read_command_line(list(expand(arguments)), make_parser(prog, _versions(prog)))
    with suppress(OSError):
        given["folder"] = os.getcwd()  # a daemon reads its file again in another one
    configuration = _combine(given)
    values = configuration.values
    return configuration, "check" if values["check"] else "show_config" if values["show_config"] else None


def _combine(given: dict[str, Any]) -> Configuration:
    """Put what the command line says over the file it names, and this over the defaults."""
    _check_exclusive(given, {})
    filed, origins = read_file(given["config"]) if "config" in given else ({}, {})
    for one, other in EXCLUSIVE:
        for mine, rival in ((one, other), (other, one)):
            if given.get(mine):
                filed.pop(rival, None)
    _check_exclusive(filed, origins)
    values = {option.key: option.default for option in (ENVS, *OPTIONS)} | filed | given
    if values["port"] is None:
        values["port"] = 443 if values["protocol"] == "https" else 80
    origins |= dict.fromkeys(given, "command line")
    return Configuration(given, values, origins, make_settings(values))


def _read_command_line(words: list[str], parser: ArgumentParser) -> dict[str, Any]:
    """Give the options that are there; behind ``--`` stand only environments, whatever they are called."""
    options, rest = words, []
    if "--" in words:
        place = words.index("--")
        options, rest = words[:place], words[place + 1 :]
    given = vars(parser.parse_intermixed_args(options))
    try:
        envs = [*given.pop("envs", ()), *map(environment, rest)]
    except ArgumentTypeError as error:
        parser.error(f"argument ENV: {error}")
    return given | {"envs": envs} if envs else given


def _versions(prog: str) -> str:
    found = []
    for name in ("tracd-cluster", "Trac", "Twisted"):
        try:
            found.append(version(name))
        except PackageNotFoundError:
            found.append("not installed")
    return f"{prog} {found[0]} (Trac {found[1]}, Twisted {found[2]})"


def _check_exclusive(values: dict[str, Any], origins: dict[str, str]) -> None:
    names = {option.key: option.names for option in OPTIONS}
    for one, other in EXCLUSIVE:
        if values.get(one) and values.get(other):
            where = f"{origins[other]}: " if other in origins else ""
            raise ConfigError(f"{where}argument {'/'.join(names[other])}: not allowed with argument "
                              f"{'/'.join(names[one])}")  # fmt: skip


# -- what the values mean together


def make_settings(values: dict[str, Any]) -> Settings:
    """Make Settings of the values of all options, by their keys; raise ConfigError for what does not go together."""
    check_foreign(values)
    projects = _projects(values)
    warnings: list[str] = []
    entries = _first_entries(values["auths"], warnings)
    https = https_of(values)
    opened = endpoints(values["hostname"], values["port"], values["listen"])
    return Settings(
        front=FrontSettings(
            endpoints=() if https.everywhere else opened,
            secure_endpoints=opened if https.everywhere else beside(values["hostname"], https.port),
            tls=https.tls,
            redirect_port=(https.port or 0) if values["redirect_http"] else 0,
            keep_alive=not values["http10"],
            trusted_proxies=tuple(values["trusted_proxy"]),
            remote_user=_remote_user(values),
            proxy_protocol=_proxy_protocol(values),
            hosts=tuple(values["allowed_host"]),
            canonical_host=values["canonical_host"],
            harden_cookies=not values["keep_cookies"],
            base_path=values["base_path"],
            error_page=error_page(values["error_page"]),
            max_body=values["max_body"],
            spool_limit=values["spool_limit"],
            head_timeout=values["head_timeout"],
            body_timeout=values["body_timeout"],
            min_body_rate=values["min_body_rate"],
            idle_timeout=values["idle_timeout"],
            request_timeout=values["request_timeout"],
            request_timeouts=tuple(values["request_timeout_for"]),
            queue=values["queue"],
            queue_timeout=values["queue_timeout"],
        ),
        pool=PoolSettings(
            projects=projects,
            **pool_sizes(values),
            threads=values["threads"],
            preload=not values["no_preload"],
            freeze=not values["no_freeze"],
            remember_locales=not values["no_locale_memory"],
            compress_pages=values["compress_pages"],
            store_visitors=values["store_visitors"],
            drain_timeout=values["drain_timeout"],
            command=command_settings(values),
            application=values["application"],
            umask=values["umask"],
            https=values["protocol"] == "https",
        ),
        auth=_auth(values, entries, projects, warnings),
        foreign=foreign_settings(values),
        cache=CacheSettings(period=values["page_cache"], memory=values["page_memory"], stale=values["stale_if_error"]),
        process=_process(values),
        admin=admin_settings(values),
        log=log_settings(values),
        clients=client_settings(values),
        static=StaticSettings(memory=values["static_memory"], max_age=values["static_max_age"]),
        traffic=traffic_settings(values),
        kinds=kinds_settings(values),
        warnings=tuple(_general_warnings(values) + warnings),
    )


def _projects(values: dict[str, Any]) -> ProjectSettings:
    """Say which environments are served; raise ConfigError as tracd does."""
    parent, envs = values["env_parent_dir"], tuple(values["envs"])
    elsewhere = values["application"] or values["worker_command"] or values["upstream"]
    if not parent and not envs and not elsewhere:
        raise ConfigError("no environment: give the path of at least one, or -e with the folder that has them all")
    if values["single_env"] and len(envs) > 1:
        raise ConfigError(f"-s serves one environment, but {len(envs)} are given: {', '.join(envs)}")
    return ProjectSettings(
        env_paths=envs, env_parent_dir=parent, single_env=values["single_env"], base_path=values["base_path"]
    )


def _general_warnings(values: dict[str, Any]) -> list[str]:
    found = []
    if values["env_parent_dir"] and values["envs"]:
        found.append(f"not served because of -e: {', '.join(values['envs'])}")
    if values["unquote"]:
        found.append("-q does nothing here: tracd has it for the protocol ajp")
    if values["spool_limit"] < values["max_body"]:
        found.append(f"a request body may have --spool-limit {values['spool_limit']} bytes at the most: --max-body "
                     f"{values['max_body']} is more than all together may have")  # fmt: skip
    return [*found, *idle_options(values), *idle_sizes(values), *open_admin(values)]


def _first_entries(given: Iterable[AuthEntry], warnings: list[str]) -> tuple[AuthEntry, ...]:
    """Keep the first entry for each project, in tracd's words."""
    found: dict[str, AuthEntry] = {}
    for entry in given:
        if entry.project in found:
            warnings.append(f"Ignoring duplicate authentication option for project: {entry.project}")
        else:
            found[entry.project] = entry
    return tuple(found.values())


def _auth(
    values: dict[str, Any], entries: tuple[AuthEntry, ...], projects: ProjectSettings, warnings: list[str]
) -> AuthSettings:
    header = _remote_user(values)
    named = header or values["client_cert_user"]
    required = frozenset(values["require_login"])
    # Without a name, the one project is known to entries for * alone.
    single = os.path.basename((projects.env_paths or ("",))[0]) if projects.single_env else None
    names = {entry.project for entry in entries}
    if not named:
        for name in sorted(required):
            _check_required(name, names, single)
    known = {os.path.basename(path) for path in projects.env_paths}
    if projects.env_paths and not projects.env_parent_dir:
        for name in sorted((names | required) - known - {"*"}):
            warnings.append(f"no environment is called {name}, which an option of signing in names")
    return AuthSettings(
        entries=entries,
        required=required,
        single_project=single,
        base_path=projects.base_path,
        remote_user=header,
        certified=bool(values["client_cert_user"]),
        secret_file=values["secret_file"],
    )


def _remote_user(values: dict[str, Any]) -> bytes | None:
    header = values["remote_user_header"]
    if not header:
        return None
    if not values["trusted_proxy"]:
        raise ConfigError(f"--remote-user-header {header} needs --trusted-proxy with the address of who may send it")
    return str(header).lower().encode("ascii")


def _proxy_protocol(values: dict[str, Any]) -> bool:
    if values["proxy_protocol"] and not values["trusted_proxy"]:
        raise ConfigError("--proxy-protocol needs --trusted-proxy with the address of who may send a PROXY line")
    return bool(values["proxy_protocol"])


def _check_required(name: str, names: set[str], single: str | None) -> None:
    """Raise ConfigError for a project that must be signed in to and has no one who could."""
    if name in names or "*" in names or (name == "*" and single in names):
        return
    if name == "*":
        raise ConfigError(
            "--require-login protects the index of projects as well, and no --auth or --basic-auth for * says who may "
            "see that: give one, or name the projects, as in --require-login=project"
        )
    raise ConfigError(f"--require-login={name} needs an --auth or --basic-auth for {name} or *")


def _process(values: dict[str, Any]) -> ProcessSettings:
    user, group = values["user"], values["group"]
    if user is not None and group is None:
        try:
            pwd.getpwuid(user)
        except KeyError:
            raise ConfigError(f"--user {user}: there is no such user to take a group from; give --group too") from None
    return ProcessSettings(
        daemonize=values["daemonize"],
        pidfile=values["pidfile"],
        umask=values["umask"],
        user=user,
        group=group,
        logfile=values["logfile"],
        auto_reload=values["auto_reload"],
        control=values["control"],
        drain_delay=values["drain_delay"],
        reload_poll=values["reload_poll"],
    )


def endpoints(hostnames: Sequence[str], number: int, listen: Sequence[str]) -> tuple[str, ...]:
    """Make Twisted endpoint descriptions of ``-b``, ``-p`` and ``--listen``."""
    if listen and not hostnames:
        return tuple(listen)
    return (*(_endpoint(name, number) for name in hostnames or [""]), *listen)


def beside(hostnames: Sequence[str], number: int | None) -> tuple[str, ...]:
    """Make the descriptions of ``--https-port`` at the addresses of ``-b``; a Unix socket needs no encryption."""
    if number is None:
        return ()
    return tuple(_endpoint(name, number) for name in hostnames or [""] if not name.startswith("unix:"))


def _endpoint(hostname: str, number: int) -> str:
    if hostname.startswith("unix:"):
        return f"unix:address={escape(hostname[5:])}:mode=660:lockfile=1:backlog={BACKLOG}"
    bare = hostname.strip("[]")
    kind = "tcp6" if ":" in bare else "tcp"
    interface = f":interface={escape(bare)}" if bare else ""
    return f"{kind}:port={number}{interface}:backlog={BACKLOG}"
