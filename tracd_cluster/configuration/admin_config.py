"""What the options of the admin listener mean together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.admin import AdminSettings


def admin_settings(values: dict[str, Any]) -> AdminSettings:
    """Read the values of the options by their keys; raise ConfigError for what does not go together."""
    addresses, password_file = tuple(values["admin"]), values["admin_password_file"]
    if password_file is not None and not any(address.reach != "socket" for address in addresses):
        raise ConfigError("--admin-password-file opens a port of --admin, and none is given")
    for address in addresses:
        if address.reach == "network" and password_file is None and not address.open:
            raise ConfigError(
                f"--admin {address} can be reached from other hosts and needs --admin-password-file, or ;open behind "
                "it to tell them metrics and health, and nothing else"
            )
    return AdminSettings(
        addresses=addresses, password_file=password_file, public_health=values["public_health"]
    )  # fmt: skip


def open_admin(values: dict[str, Any]) -> Iterator[str]:
    """Warn of what others on the wire could read."""
    for address in values["admin"]:
        if address.reach == "network" and values["admin_password_file"] is not None:
            yield f"--admin {address} is not encrypted: its password can be read on the way; ssh -L or a proxy helps"
