"""What the options of HTTPS mean together: which ports are encrypted, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.front import TlsSettings

SOURCES = ("certfile", "cert_dir", "demo_cert")
NEEDS_HTTPS = (
    "certfile", "keyfile", "cert_dir", "demo_cert", "key_passphrase_file", "redirect_http", "hsts", "client_ca",
    "client_cert_user",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Https:
    """What is encrypted: the ports of ``-p`` and ``--listen``, or one beside each ``-b``, or nothing."""

    tls: TlsSettings | None
    everywhere: bool
    port: int | None


def https_of(values: dict[str, Any]) -> Https:
    """Read the values of the options by their keys; raise ConfigError for what does not go together."""
    everywhere, port = values["protocol"] == "https", values["https_port"]
    if everywhere and port is not None:
        raise ConfigError("--https-port is beside plain HTTP: with --protocol=https, -p is the port")
    if values["redirect_http"] and port is None:
        raise ConfigError("--redirect-http needs --https-port to send them to")
    if not everywhere and port is None:
        return Https(None, False, None)
    which = "--protocol=https" if everywhere else f"--https-port {port}"
    if not any(values[key] for key in SOURCES):
        raise ConfigError(f"{which} needs --certfile with the path of a certificate, or --cert-dir with a folder")
    if values["demo_cert"] and values["certfile"]:
        raise ConfigError("--demo-cert and --certfile both name the certificate that is shown first: give one of them")
    if values["keyfile"] and not values["certfile"]:
        raise ConfigError("--keyfile is the key of --certfile, which is not given")
    if not values["client_ca"] and values["client_cert_user"]:
        raise ConfigError("--client-cert-user needs --client-ca with who signs the certificates")
    if not everywhere and port == values["port"] != 0 and not _only_listen(values):
        raise ConfigError(f"--https-port {port} is the port of plain HTTP (-p); choose another one")
    return Https(
        TlsSettings(
            certificate=values["certfile"],
            key=values["keyfile"],
            folder=values["cert_dir"],
            demo=values["demo_cert"],
            passphrase_file=values["key_passphrase_file"],
            client_ca=values["client_ca"],
            client_cert=values["client_cert"],
            client_cert_user=values["client_cert_user"],
            hsts=values["hsts"],
        ),
        everywhere,
        port,
    )


def _only_listen(values: dict[str, Any]) -> bool:
    return bool(values["listen"]) and not values["hostname"]


def idle_options(values: dict[str, Any]) -> list[str]:
    """Say which options do nothing because there is no HTTPS, or nobody is asked."""
    if values["protocol"] == "https" or values["https_port"] is not None:
        return []
    names = [f"--{key.replace('_', '-')}" for key in NEEDS_HTTPS if values[key]]
    return [f"{' and '.join(names)} do nothing without --protocol=https or --https-port"] if names else []
