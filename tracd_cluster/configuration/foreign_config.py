"""What the options of other workers mean together."""

from __future__ import annotations

import os
from typing import Any

from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.foreign import ForeignSettings
from tracd_cluster.settings.pool import CommandSettings

_OF_UPSTREAMS = ("upstream_connections", "upstream_ca", "upstream_resolver")


def check_foreign(values: dict[str, Any]) -> None:
    """Raise ConfigError where options of other workers do not go together with each other, or with the rest."""
    command, upstreams = values["worker_command"], values["upstream"]
    if command and upstreams:
        raise ConfigError("--worker-command runs servers here and --upstream asks others: give one of them")
    if upstreams and (values["envs"] or values["env_parent_dir"]):
        raise ConfigError(f"--upstream {upstreams[0]} serves what is elsewhere: give no environment with it")
    if values["auto_reload"] and (command or upstreams):
        raise ConfigError("-r starts our own workers anew: to stock tracd, give it in --worker-command")
    if not upstreams:
        for key in _OF_UPSTREAMS:
            if values[key] is not None:
                raise ConfigError(f"--{key.replace('_', '-')} says nothing without --upstream")
    if values["command_base_path"] is not None and not command:
        raise ConfigError("--command-base-path says nothing without --worker-command")
    if values["health_path"] is not None and not (command or upstreams):
        raise ConfigError("--health-path says nothing without --worker-command or --upstream")


def command_settings(values: dict[str, Any]) -> CommandSettings | None:
    """Give the command that is run in place of our own workers, if there is one."""
    if not values["worker_command"]:
        return None
    base_path = values["command_base_path"]
    return CommandSettings(
        words=values["worker_command"],
        folder=values.get("folder") or os.getcwd(),
        base_path=values["base_path"] if base_path is None else base_path,
    )


def foreign_settings(values: dict[str, Any]) -> ForeignSettings:
    """Say how servers that are not ours are spoken to."""
    named = [name for name in values["allowed_host"] if not name.startswith("*")]
    number = values["https_port"] if values["https_port"] is not None else values["port"]
    here = "localhost" if number in (80, 443) else f"localhost:{number}"
    return ForeignSettings(
        upstreams=tuple(values["upstream"]),
        base_path=values["base_path"],
        passwords=not values["auths"],
        health_path=values["health_path"],
        health_host=values["canonical_host"] or (named or [here])[0],
        health_scheme="https" if values["protocol"] == "https" or values["https_port"] is not None else "http",
        ca_file=values["upstream_ca"],
        connections=values["upstream_connections"] or ForeignSettings().connections,
        resolver=values["upstream_resolver"],
    )
