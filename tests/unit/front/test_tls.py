"""What connections are encrypted with, seen by a real client over no network."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest
from cryptography import x509
from OpenSSL import SSL

from tests.certificates import authority, ca_file, chain_of, issue, key_of, put, write_certbots
from tests.unit.front.pumped import Client, shake_hands, trusting
from tracd_cluster.errors import StartError
from tracd_cluster.front.keyring import LOOK
from tracd_cluster.front.tls import TICKET_KEY_LIFETIME, Contexts, make_context
from tracd_cluster.settings.front import TlsSettings

NOW = time()
MakeContexts = Callable[..., Contexts]


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A folder with certificates for several names, one of them of two kinds."""
    write_certbots(tmp_path / "live" / "a", issue("a.example.org"))
    write_certbots(tmp_path / "live" / "a-rsa", issue("a.example.org", kind="RSA"))
    write_certbots(tmp_path / "live" / "w", issue("*.example.org", "example.org"))
    return tmp_path / "live"


@pytest.fixture
def contexts(live: Path) -> Contexts:
    """What is made of them."""
    made = Contexts(TlsSettings(folder=str(live)))
    assert [] == made.read(NOW)
    return made


def names_of(client: Client) -> set[str]:
    """Give the DNS names of the certificate that the client has seen."""
    der = client.tls.getpeercert(binary_form=True)
    assert der is not None
    found = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(found.value.get_values_for_type(x509.DNSName))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.example.org", {"a.example.org"}),
        ("A.Example.ORG", {"a.example.org"}),
        ("b.example.org", {"*.example.org", "example.org"}),
        ("example.org", {"*.example.org", "example.org"}),
    ],
)
def test_the_name_that_is_asked_for_leads_to_its_certificate(contexts: Contexts, name: str, shown: set[str]) -> None:
    """The very name, then a wildcard; capitals do not matter. The client checks the chain and the name."""
    assert shown == names_of(shake_hands(contexts, trusting(), name))


@pytest.mark.parametrize("name", [None, "elsewhere.example"])
def test_who_asks_for_nothing_that_is_there_gets_the_default(contexts: Contexts, name: str | None) -> None:
    """The first by name, if no other was given."""
    context = trusting()
    context.check_hostname = False
    assert {"*.example.org", "example.org"} == names_of(shake_hands(contexts, context, name))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_under_any_name_and_after_a_renewal(
    contexts: Contexts, live: Path, version: ssl.TLSVersion
) -> None:
    """A session survives a new certificate, and ends with the key of its ticket."""
    context = trusting(version)
    session = shake_hands(contexts, context, "a.example.org").session
    assert shake_hands(contexts, context, "a.example.org", session).tls.session_reused
    write_certbots(live / "a", issue("a.example.org", serial=2))
    contexts.look(NOW + 10)
    assert shake_hands(contexts, context, "a.example.org", session).tls.session_reused
    contexts.look(NOW + TICKET_KEY_LIFETIME + 20)
    assert not shake_hands(contexts, context, "a.example.org", session).tls.session_reused


def test_a_connection_that_rests_keeps_no_buffers() -> None:
    """They would be 34 KiB of each, and there may be thousands."""
    assert make_context((), TlsSettings(), b"").set_mode(0) & SSL.MODE_RELEASE_BUFFERS


def test_a_renewal_changes_what_new_connections_see(contexts: Contexts, live: Path) -> None:
    """Those that are there go on."""
    old = shake_hands(contexts, trusting(), "b.example.org")
    write_certbots(live / "w", issue("b.example.org"))
    contexts.look(NOW + LOOK)
    assert {"b.example.org"} == names_of(shake_hands(contexts, trusting(), "b.example.org"))
    old.say(b"still here")
    assert b"still here" == old.server.recv(100)


def test_a_reload_that_was_asked_for(contexts: Contexts, live: Path) -> None:
    """It does not wait for the next look."""
    write_certbots(live / "w", issue("b.example.org"))
    contexts.reload(NOW)
    assert {"b.example.org"} == names_of(shake_hands(contexts, trusting(), "b.example.org"))


def test_of_two_kinds_the_client_gets_what_it_can_use(contexts: Contexts) -> None:
    """OpenSSL chooses between the two in one context."""
    rsa = trusting(ssl.TLSVersion.TLSv1_2)
    rsa.set_ciphers("ECDHE+aRSA")
    cipher = shake_hands(contexts, rsa, "a.example.org").tls.cipher()
    assert cipher is not None
    assert "RSA" in cipher[0]
    ecdsa = shake_hands(contexts, trusting(ssl.TLSVersion.TLSv1_2), "a.example.org").tls.cipher()
    assert ecdsa is not None
    assert "ECDSA" in ecdsa[0]


def test_alpn(contexts: Contexts) -> None:
    """HTTP/1.1 of what is offered; who offers only something else is not turned away."""
    both, other = trusting(), trusting()
    both.set_alpn_protocols(["h2", "http/1.1"])
    other.set_alpn_protocols(["h2"])
    assert "http/1.1" == shake_hands(contexts, both, "a.example.org").tls.selected_alpn_protocol()
    assert None is shake_hands(contexts, other, "a.example.org").tls.selected_alpn_protocol()


# -- clients' certificates


def certified(live: Path, folder: Path, how: str) -> Contexts:
    """Make contexts that ask clients for certificates of the second authority."""
    made = Contexts(TlsSettings(folder=str(live), client_ca=str(ca_file(folder, "second")), client_cert=how))  # type: ignore[arg-type]
    made.read(NOW)
    return made


def client_with(folder: Path, signer: str) -> ssl.SSLContext:
    """Make a client with a certificate."""
    leaf = authority(signer).issue_cert("ines@example.org", common_name="ines")
    path = put(folder / "client.pem", key_of(leaf) + chain_of(leaf))
    context = trusting()
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    ("how", "signer", "good"),
    [
        ("require", "second", True), ("require", "first", False), ("require", None, False),
        ("optional", "second", True), ("optional", "first", False), ("optional", None, True),
    ],
)  # fmt: skip
def test_clients_certificates(live: Path, tmp_path: Path, how: str, signer: str | None, good: bool) -> None:
    """A wrong one is refused in any case, none only where there has to be one."""
    contexts = certified(live, tmp_path, how)
    context = trusting() if signer is None else client_with(tmp_path, signer)
    if good:
        client = shake_hands(contexts, context, "a.example.org")
        assert (signer is not None) == (client.server.get_peer_certificate() is not None)
    else:
        with pytest.raises(Exception, match=r"certificate|unknown ca"):
            shake_hands(contexts, context, "a.example.org")


def test_new_authorities_end_old_sessions(live: Path, tmp_path: Path) -> None:
    """Who is not trusted any more does not come back by a session of before."""
    contexts = certified(live, tmp_path, "require")
    context = client_with(tmp_path, "second")
    session = shake_hands(contexts, context, "a.example.org").session
    assert shake_hands(contexts, context, "a.example.org", session).tls.session_reused
    ca_file(tmp_path, "third")
    contexts.look(NOW + LOOK)
    with pytest.raises(Exception, match=r"certificate|unknown ca"):
        shake_hands(contexts, context, "a.example.org", session)


def test_authorities_that_are_none_end_the_start(live: Path, tmp_path: Path) -> None:
    """The message names the option and its file."""
    made = Contexts(TlsSettings(folder=str(live), client_ca=str(put(tmp_path / "ca.pem", b"nothing"))))
    with pytest.raises(StartError, match=r"cannot use --client-ca .*ca\.pem"):
        made.read(NOW)
