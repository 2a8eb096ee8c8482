"""What can be said on the command line of what one client may have."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.settings.clients import ClientSettings


def test_defaults() -> None:
    """Those of the settings."""
    assert ClientSettings() == load(["."]).clients


def test_values() -> None:
    """Numbers, and networks of both kinds."""
    words = "--max-connections 9 --client-connections 3 --client-requests 0 --client-rate 0.5 --client-burst 3"
    words += " --client-allow 10.0.0.0/8 --client-allow ::1 ."
    assert (
        ClientSettings(
            max_connections=9,
            client_connections=3,
            client_requests=0,
            client_rate=0.5,
            client_burst=3,
            client_allow=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
        )
        == load(words.split()).clients
    )
    assert 0.0 == load(["--client-rate=0", "."]).clients.client_rate


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--max-connections", "0", "'0' is not a number of at least 1"),
        ("--client-requests", "-1", "'-1' is not a number of at least 0"),
        ("--client-rate", "fast", "'fast' is neither 0 nor a number a second"),
        ("--client-rate", "nan", "'nan' is neither 0 nor a number a second"),
        ("--client-rate", "0.0001", "'0.0001' is neither 0 nor a number a second"),
        ("--client-burst", "0", "'0' is not a number of at least 1"),
        ("--client-allow", "10.0.0.1/8", "'10.0.0.1/8' is neither an address"),
        ("--client-allow", "unix", "'unix' is no address"),
    ],
)
def test_what_is_not_understood(option: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the option, the value, and what was expected."""
    with pytest.raises(SystemExit):
        load([f"{option}={value}", "."])
    said = capsys.readouterr().err
    assert option in said
    assert expected in said
