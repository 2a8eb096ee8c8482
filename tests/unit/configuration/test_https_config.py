"""What the options of HTTPS mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracd_cluster.configuration.config import load
from tracd_cluster.errors import ConfigError
from tracd_cluster.settings.front import TlsSettings
from tracd_cluster.settings.whole import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that stands for an environment, with files that stand for certificates."""
    for name in ("cert.pem", "key.pem", "ca.pem", "pass"):
        (tmp_path / name).write_text("")
    return tmp_path


def made(folder: Path, *options: str) -> Settings:
    """Read a command line in which FOLDER stands for the folder."""
    return load([str(folder), *(option.replace("FOLDER", str(folder)) for option in options)])


def test_https_beside_plain_http(folder: Path) -> None:
    """At the same addresses, but for Unix sockets; plain requests may be sent there."""
    options = ["-p", "8000", "-b", "127.0.0.1", "-b", "::1", "-b", "unix:/run/t", "--https-port", "8443"]
    front = made(folder, *options, "--cert-dir", "FOLDER", "--redirect-http", "--hsts", "300").front
    assert ("tcp:port=8000:interface=127.0.0.1:backlog=1024",) == front.endpoints[:1]
    assert (
        "tcp:port=8443:interface=127.0.0.1:backlog=1024",
        "tcp6:port=8443:interface=\\:\\:1:backlog=1024",
    ) == front.secure_endpoints
    assert (8443, TlsSettings(folder=str(folder), hsts=300)) == (front.redirect_port, front.tls)
    assert 3 == len(front.endpoints)


def test_tracds_https(folder: Path) -> None:
    """All ports speak it, those of --listen too."""
    options = ["--protocol=https", "--certfile", "FOLDER/cert.pem", "--keyfile", "FOLDER/key.pem"]
    front = made(folder, *options, "-b", "::1", "--listen", "tcp:9").front
    assert ((), 2, 0) == (front.endpoints, len(front.secure_endpoints), front.redirect_port)
    assert TlsSettings(certificate=str(folder / "cert.pem"), key=str(folder / "key.pem")) == front.tls


def test_plain_http_has_nothing_of_it(folder: Path) -> None:
    """And what was given for nothing is told."""
    settings = made(folder, "--certfile", "FOLDER/cert.pem", "--hsts", "5")
    assert (None, ()) == (settings.front.tls, settings.front.secure_endpoints)
    assert ("--certfile and --hsts do nothing without --protocol=https or --https-port",) == settings.warnings


def test_certificates_of_clients(folder: Path) -> None:
    """A name in them is enough where a login is required."""
    https = ["--https-port", "8443", "--demo-cert", "FOLDER/demo", "--client-ca", "FOLDER/ca.pem"]
    settings = made(folder, *https, "--client-cert", "optional", "--client-cert-user", "email", "--require-login")
    assert settings.auth.certified
    assert settings.front.tls == TlsSettings(
        demo=str(folder / "demo"), client_ca=str(folder / "ca.pem"), client_cert="optional", client_cert_user="email"
    )
    assert not made(folder, *https).auth.wanted


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--protocol=https --certfile FOLDER/cert.pem --https-port 8443", "with --protocol=https, -p is the port"),
        ("--redirect-http", "--redirect-http needs --https-port"),
        ("--protocol=https", "--protocol=https needs --certfile"),
        ("--https-port 8443", "--https-port 8443 needs --certfile with the path of a certificate, or --cert-dir"),
        ("--https-port 80 --cert-dir FOLDER", "--https-port 80 is the port of plain HTTP"),
        ("--https-port 1 --demo-cert x --certfile FOLDER/cert.pem", "give one of them"),
        ("--https-port 1 --cert-dir FOLDER --keyfile FOLDER/key.pem", "--keyfile is the key of --certfile"),
        ("--https-port 1 --demo-cert x --client-cert-user cn", "--client-cert-user needs --client-ca"),
    ],
)
def test_what_does_not_go_together_is_told(folder: Path, options: str, said: str) -> None:
    """With the options that are meant."""
    with pytest.raises(ConfigError, match=said):
        made(folder, *options.split())


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--hsts", "1y", "'1y' is not a whole number of seconds"),
        ("--client-cert", "maybe", "'maybe' is neither require nor optional"),
        ("--client-cert-user", "dn", "'dn' is none of cn, email and dns"),
        ("--cert-dir", "/none", "path '/none' does not exist"),
        ("--cert-dir", "FOLDER/cert.pem", "is not a folder"),
    ],
)
def test_a_wrong_value_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    """With what was expected."""
    with pytest.raises(SystemExit):
        made(folder, option, value)
    assert said in capsys.readouterr().err
