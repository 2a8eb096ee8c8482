"""The options that say what clients may have: connections, and requests at once and a second, by their address."""

from __future__ import annotations

from typing import Any

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option
from tracd_cluster.settings.clients import ClientSettings

DEFAULTS = ClientSettings()

CLIENTS: tuple[Option, ...] = (
    Option(
        names=("--max-connections",), group="limits", read=values.positive, metavar="N",
        default=DEFAULTS.max_connections, shown=f"{DEFAULTS.max_connections}",
        help="connections of all clients together; then silent ones make room",
    ),
    Option(
        names=("--client-connections",), group="limits", read=values.places, metavar="N",
        default=DEFAULTS.client_connections, shown=f"{DEFAULTS.client_connections}",
        help="connections of one address; 0 for any number",
    ),
    Option(
        names=("--client-requests",), group="limits", read=values.places, metavar="N",
        default=DEFAULTS.client_requests, shown=f"{DEFAULTS.client_requests}",
        help="requests of one address at once that need a worker; then 429; 0 for any number",
    ),
    Option(
        names=("--client-rate",), group="limits", read=values.rate, metavar="N", default=DEFAULTS.client_rate,
        help="the same a second, in the long run; 0 for any number", shown=f"{DEFAULTS.client_rate:g}",
    ),
    Option(
        names=("--client-burst",), group="limits", read=values.positive, metavar="N", default=DEFAULTS.client_burst,
        help="how many of these may come at once after a pause", shown=f"{DEFAULTS.client_burst}",
    ),
    Option(
        names=("--client-allow",), group="limits", read=values.plain_network, metavar="NET", repeatable=True,
        default=(), write=str, help="address or network whose clients are held to no such limits; repeatable",
        shown="nobody",
    ),
)  # fmt: skip


def client_settings(found: dict[str, Any]) -> ClientSettings:
    """Make the settings of the values of all options, by their keys."""
    return ClientSettings(
        max_connections=found["max_connections"],
        client_connections=found["client_connections"],
        client_requests=found["client_requests"],
        client_rate=found["client_rate"],
        client_burst=found["client_burst"],
        client_allow=tuple(found["client_allow"]),
    )
