"""Encrypted ports, as openssl, curl and Python's own client see them."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.certificates import (
    PASSPHRASE,
    authority,
    ca_file,
    chain_of,
    issue,
    issue_chained,
    key_of,
    put,
    write_certbots,
)
from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.tls_clients import Crowd, Seen, curl, s_client
from tests.processes import free_port, wait_until

HELLO = ("--application", "tests.integration.apps:misbehaving", "--workers", "1")

pytestmark = pytest.mark.needs("openssl", "curl")


class Site:
    """A service with an encrypted port."""

    def __init__(self, cluster: ClusterProcess, port: int, ca: Path) -> None:
        self.cluster = cluster
        self.port = port
        self.ca = ca

    @property
    def url(self) -> str:
        """The address of the encrypted port, by its default name."""
        return f"https://localhost:{self.port}"

    def s_client(self, *options: str, name: str | None = "localhost", say: str = "") -> Seen:
        """Connect with openssl."""
        return s_client(self.port, self.ca, *options, name=name, say=say)

    def curl(self, path: str, *arguments: str) -> str:
        """Get a page with curl."""
        return curl("--cacert", str(self.ca), *arguments, self.url + path)

    def context(self) -> ssl.SSLContext:
        """Make a client that trusts the authority and looks at no name."""
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = False
        return context


StartSite = Callable[..., Site]


def starter(start: StartCluster, folder: Path) -> StartSite:
    """Give what starts a service with HTTPS beside plain HTTP."""

    def start_site(*options: str, serve: tuple[str, ...] = HELLO) -> Site:
        port = free_port()
        cluster = start("--https-port", str(port), *options, *serve)
        return Site(cluster, port, ca_file(folder))

    return start_site


@pytest.fixture
def start_site(start_cluster: StartCluster, tmp_path: Path) -> StartSite:
    """Start a service that ends with the test."""
    return starter(start_cluster, tmp_path)


@pytest.fixture(scope="module")
def site(start_module_cluster: StartCluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A service with several names, that redirects and says HSTS."""
    folder = tmp_path_factory.mktemp("tls")
    live = folder / "live"
    write_certbots(live / "two-kinds", issue("a.example.org", cn="ecdsa"))
    write_certbots(live / "two-kinds-rsa", issue("a.example.org", kind="RSA", cn="rsa"))
    write_certbots(live / "wildcard", issue("*.example.org", cn="wildcard"))
    put(live / "chained.pem", chain_of(issue_chained("chained.example")) + key_of(issue_chained("chained.example")))
    default = issue("localhost", "127.0.0.1", cn="default")
    put(folder / "c.pem", chain_of(default))
    put(folder / "k.pem", key_of(default, PASSPHRASE))
    put(folder / "pass", PASSPHRASE + b"\n")
    names = ["--certfile", str(folder / "c.pem"), "--keyfile", str(folder / "k.pem"), "--cert-dir", str(live)]
    more = ["--key-passphrase-file", str(folder / "pass"), "--redirect-http", "--hsts", "31536000"]
    return starter(start_module_cluster, folder)(*names, *more, "--head-timeout", "1")


# -- names


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a.example.org", "ecdsa"), ("b.example.org", "wildcard"), ("localhost", "default"), (None, "default")],
)
def test_the_certificate_of_the_name(site: Site, name: str | None, shown: str) -> None:
    """By SNI; a wildcard stands for one label, and the default for the rest."""
    seen = site.s_client(name=name)
    assert seen.good
    assert shown == seen.name
    assert "HTTP/1.1 200" in seen.output


def test_the_chain_comes_along(site: Site) -> None:
    """A client that knows only the root is content."""
    assert site.s_client(name="chained.example").good


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("-tls1_2", "-cipher", "ECDHE+aRSA"), "rsa"),
        (("-tls1_2", "-cipher", "ECDHE+aECDSA"), "ecdsa"),
        (("-tls1_2",), "ecdsa"),
        (("-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"), "rsa"),
        (("-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256"), "ecdsa"),
    ],
)
def test_the_kind_that_the_client_can_do(site: Site, options: tuple[str, ...], shown: str) -> None:
    """RSA for those of old, ECDSA for everybody else, under one name."""
    seen = site.s_client(*options, name="a.example.org")
    assert (True, shown) == (seen.good, seen.name)


# -- versions, sessions, protocols


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed(site: Site, tmp_path: Path, version: str) -> None:
    """By a ticket, and under another name as well, where the client's library lets it try."""
    session = str(tmp_path / "session.pem")
    assert not site.s_client(version, "-sess_out", session, name="a.example.org").resumed
    assert site.s_client(version, "-sess_in", session, name="a.example.org").resumed


@pytest.mark.parametrize(
    ("options", "good"),
    [
        (("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), False),
        (("-tls1_2", "-cipher", "AES128-SHA"), False),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), False),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"), True),
        (("-tls1_3", "-groups", "P-384"), True),
        (("-tls1_3", "-groups", "P-521"), False),
        (("-tls1_3",), True),
    ],
)
def test_what_is_spoken(site: Site, options: tuple[str, ...], good: bool) -> None:
    """TLS 1.2 and 1.3 with what Mozilla calls intermediate."""
    assert good == site.s_client(*options, name="a.example.org").good


def test_alpn(site: Site) -> None:
    """HTTP/1.1 is what there is."""
    assert "ALPN protocol: http/1.1" in site.s_client("-alpn", "h2,http/1.1").output
    assert "HTTP/1.1 200" in site.s_client("-alpn", "h2").output


def test_a_client_cannot_renegotiate(site: Site) -> None:
    """It costs the server more than the client."""
    seen = site.s_client("-tls1_2", "-no_ign_eof", say="R\n")
    assert "RENEGOTIATING" in seen.output
    assert re.search("no renegotiation|handshake failure|unexpected message", seen.output)


# -- plain HTTP


def test_plain_http_on_the_encrypted_port(site: Site) -> None:
    """Somebody has typed http: the page says what to type."""
    said = curl(f"http://localhost:{site.port}/wiki?a=b")
    assert said.startswith("HTTP/1.1 400 Bad Request")
    assert f"This port speaks HTTPS: https://localhost:{site.port}/wiki?a=b" in said
    assert "strict-transport-security" not in said.lower()


def test_plain_requests_are_redirected(site: Site) -> None:
    """To the same page, and from there the browser comes by HTTPS only."""
    plain = f"http://localhost:{site.cluster.port}"
    said = curl(f"{plain}//pid?a=%41", "--path-as-is", "-d", "x=y")
    assert said.startswith("HTTP/1.1 308 Permanent Redirect")
    assert f"Location: {site.url}//pid?a=%41" in said
    assert "strict-transport-security" not in said.lower()
    followed = curl("-L", "--cacert", str(site.ca), f"{plain}/pid")
    assert "\nStrict-Transport-Security: max-age=31536000\n" in followed
    assert "HTTP/1.1 200" in followed
    assert curl("-0", "-H", "Host:", f"{plain}/").startswith("HTTP/1.1 400")


def test_a_stalled_handshake_is_closed(site: Site) -> None:
    """Nobody holds a connection by saying nothing, or little."""
    for first in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HT"):
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as client, suppress(ConnectionResetError):
            client.sendall(first)
            assert b"" == client.recv(100)


# -- clients' certificates


@pytest.fixture
def ines(tmp_path: Path) -> Path:
    """A client's certificate with its key."""
    leaf = authority("clients").issue_cert("ines@example.org", common_name="Inês")
    return put(tmp_path / "ines.pem", key_of(leaf) + chain_of(leaf))


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """One that somebody else has signed."""
    leaf = authority("others").issue_cert("mallory@example.org", common_name="admin")
    return put(tmp_path / "stranger.pem", key_of(leaf) + chain_of(leaf))


def asking(folder: Path, *options: str) -> list[str]:
    """Give the options of a server that asks clients for certificates."""
    server = issue("localhost")
    certificate = put(folder / "server.pem", chain_of(server) + key_of(server))
    ca = put(folder / "clients.pem", authority("clients").cert_pem.bytes())
    return ["--certfile", str(certificate), "--client-ca", str(ca), *options]


@pytest.mark.parametrize("how", ["require", "optional"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_bad_and_missing_certificates(
    start_site: StartSite, tmp_path: Path, ines: Path, stranger: Path, how: str, version: str
) -> None:
    """A wrong one is refused in any case, a missing one only where it is required."""
    site = start_site(*asking(tmp_path, "--client-cert", how))
    tls = ["--tls-max", version]
    assert "HTTP/1.1 200" in site.curl("/", *tls, "--cert", str(ines))
    assert "HTTP/1.1" not in site.curl("/", *tls, "--cert", str(stranger))
    assert (how == "optional") == ("HTTP/1.1 200" in site.curl("/", *tls))
    assert "No TLS with 127.0.0.1: " in site.cluster.log


def test_the_name_of_a_certificate_is_tracs_user(
    start_site: StartSite, env: Path, tmp_path: Path, ines: Path
) -> None:
    """On every page of the connection, and on no other; no header makes one."""
    options = asking(tmp_path, "--client-cert", "optional", "--client-cert-user", "cn")
    site = start_site(*options, serve=("-s", str(env), "--workers", "1"))
    forged = ("-H", "Remote-User: admin", "-H", "SSL-Client-S-DN: CN=admin", "-H", "Tracd-Cluster-User: admin")
    known = site.curl("/wiki", "--cert", str(ines), *forged)
    assert "logged in as" in known
    assert "Inês" in known
    assert "admin" not in known
    assert "logged in as" not in site.curl("/wiki", *forged)
    plain = curl(site.cluster.url + "/wiki", "-H", "Remote-User: Inês")
    assert "logged in as" not in plain
    resumed = curl(
        "--cacert", str(site.ca), "--cert", str(ines), f"{site.url}/wiki", f"{site.url}/about", f"{site.url}/prefs"
    )
    assert 3 == resumed.count("logged in as")


# -- renewal


def test_certificates_are_changed_under_load_and_nobody_notices(start_site: StartSite, tmp_path: Path) -> None:
    """Ten renewals, file by file as they are written, while clients come and stay."""
    live = write_certbots(tmp_path / "live" / "a", issue("localhost", cn="number 0"))
    site = start_site("--cert-dir", str(tmp_path / "live"))
    crowd = Crowd(site.port, site.context)
    for number in range(1, 11):
        write_certbots(live, issue("localhost", cn=f"number {number}"))
        wait_until(lambda number=number: site.s_client().name == f"number {number}", 15, f"number {number}")  # type: ignore[misc]
    crowd.stop()
    assert [] == crowd.failures
    assert crowd.good > 100
    assert crowd.handshakes > 50
    assert 10 == site.cluster.log.count("Certificate taken up: ")
    assert "stays in force" not in site.cluster.log


def test_a_bad_change_is_refused_with_a_message(start_site: StartSite, tmp_path: Path) -> None:
    """The old pair stays; a good one is taken up afterwards."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    good, late, other = issue("localhost", cn="good"), issue("localhost", cn="late", days=-1, begun=9), issue("x")
    put(certificate, chain_of(good))
    put(key, key_of(good))
    site = start_site("--certfile", str(certificate), "--keyfile", str(key))
    put(key, key_of(other))
    site.cluster.wait_for_log(f"key {key} with the certificate {certificate}: they do not belong together")
    put(certificate, chain_of(late))
    put(key, key_of(late))
    site.cluster.wait_for_log(f"what has changed: the certificate {certificate} for localhost has expired on")
    certificate.unlink()
    site.cluster.wait_for_log(f"cannot read {certificate}: No such file or directory")
    assert "good" == site.s_client().name
    assert 3 == site.cluster.log.count("; what was read before stays in force")
    newer = issue("localhost", cn="newer")
    put(certificate, chain_of(newer))
    put(key, key_of(newer))
    wait_until(lambda: site.s_client().name == "newer", 15, "the newer certificate")


def test_a_start_with_a_bad_pair_ends(start_cluster: StartCluster, tmp_path: Path) -> None:
    """Before anything is served, with one message."""
    certificate = put(tmp_path / "c.pem", chain_of(issue("localhost")))
    cluster = start_cluster("--protocol=https", "--certfile", str(certificate), *HELLO, wait=False)
    assert 1 == cluster.wait_until_ended()
    assert f"tracd-cluster: error: cannot use the key {certificate}: there is no private key" in cluster.log
    assert "Traceback" not in cluster.log


def test_check_looks_at_certificates(start_cluster: StartCluster, tmp_path: Path) -> None:
    """--check says what is wrong with each, without serving."""
    write_certbots(tmp_path / "live" / "soon", issue("localhost", days=3.5))
    write_certbots(tmp_path / "live" / "bad", issue("localhost"))
    put(tmp_path / "live" / "bad" / "privkey.pem", b"")
    options = ["--https-port", str(free_port()), "--cert-dir", str(tmp_path / "live")]
    cluster = start_cluster("--check", *options, *HELLO, wait=False)
    assert 1 == cluster.wait_until_ended()
    assert "problem: cannot use the key " in cluster.log
    assert "soon/fullchain.pem for localhost expires in 3 days" in cluster.log
