"""TLS: which certificates can be used, and what a client gets."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface.verify import verifyObject

from tracd_cluster.errors import StartError
from tracd_cluster.front.tls import ServerContexts, make_context

NAME = "trac.example.org"


@dataclass
class Files:
    """A root, a certificate through an intermediate one, its key, and another pair."""

    root: trustme.CA
    chain: str
    key: str
    both: str
    other: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Files as an operator has them."""
    folder = tmp_path_factory.mktemp("tls")
    root = trustme.CA()
    found = root.create_child_ca().issue_cert(NAME)
    other = trustme.CA().issue_cert(NAME)
    chain, key, both, second = (folder / name for name in ("chain.pem", "key.pem", "both.pem", "other.pem"))
    chain.write_bytes(b"".join(blob.bytes() for blob in found.cert_chain_pems))
    found.private_key_pem.write_to_path(str(key))
    found.private_key_and_cert_chain_pem.write_to_path(str(both))
    other.private_key_and_cert_chain_pem.write_to_path(str(second))
    return Files(root, str(chain), str(key), str(both), str(second))


def handshake(server: SSL.Connection, context: ssl.SSLContext) -> ssl.SSLObject:
    """Let a client of Python's own library shake hands with ``server``; raise what either has against it."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=NAME)
    server.set_accept_state()
    done = False
    while not done:
        done = True
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        if to_server.pending:
            server.bio_write(to_server.read())
        try:
            server.do_handshake()
        except SSL.WantReadError:
            done = False
        with suppress(SSL.WantReadError):
            to_client.write(server.bio_read(1 << 16))
    return client


def client_of(files: Files, *protocols: str) -> ssl.SSLContext:
    """A client that trusts the root and offers these protocols."""
    context = ssl.create_default_context()
    files.root.configure_trust(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def server_of(files: Files) -> SSL.Connection:
    """The front's side of a connection."""
    return SSL.Connection(make_context(files.chain, files.key), None)


# -- files


def test_certificate_and_key_may_be_one_file_or_two(files: Files) -> None:
    """As with tracd, the key may stand in the certificate's file."""
    for contexts in (ServerContexts(files.chain, files.key), ServerContexts(files.both, None)):
        verifyObject(IOpenSSLServerConnectionCreator, contexts)
        factory = TLSMemoryBIOFactory(contexts, False, Factory.forProtocol(Protocol))
        protocol = TLSMemoryBIOProtocol(factory, Protocol())  # type: ignore[no-untyped-call]
        server = contexts.serverConnectionForTLS(protocol)
        assert NAME in str(handshake(server, client_of(files)).getpeercert())


def test_a_pair_that_does_not_fit_is_named(files: Files) -> None:
    """Both files are in the message."""
    with pytest.raises(StartError) as error:
        make_context(files.chain, files.other)
    assert f"cannot use the key {files.other} with the certificate {files.chain}: key values mismatch" == str(
        error.value
    )


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_named(files: Files, tmp_path: Path, text: bytes) -> None:
    """Neither a page of OpenSSL's inner life nor a traceback, but the file and one reason."""
    odd = tmp_path / "odd.pem"
    odd.write_bytes(text)
    with pytest.raises(StartError, match=f"cannot use the certificate {odd}: .+"):
        make_context(str(odd), files.key)
    with pytest.raises(StartError, match=f"cannot use the key {odd} with the certificate {files.chain}: .+"):
        make_context(files.chain, str(odd))


def test_a_certificate_without_its_key_is_named(files: Files) -> None:
    """Whoever forgets --keyfile is told about the key."""
    with pytest.raises(StartError, match=f"cannot use the key {files.chain} with"):
        ServerContexts(files.chain, None)


def test_a_file_that_cannot_be_read_is_named(files: Files, tmp_path: Path) -> None:
    """In the words of the operating system."""
    gone = str(tmp_path / "gone.pem")
    with pytest.raises(StartError, match=f"cannot read {gone}: No such file or directory"):
        make_context(gone, files.key)
    with pytest.raises(StartError, match=f"cannot read {tmp_path}: Is a directory"):
        make_context(files.chain, str(tmp_path))


# -- handshakes


def test_a_browser_gets_the_whole_chain(files: Files) -> None:
    """A client that knows the root alone accepts the certificate, with the newest TLS."""
    client = handshake(server_of(files), client_of(files))
    assert "TLSv1.3" == client.version()
    assert client.selected_alpn_protocol() is None


def test_tls_1_2_is_spoken_with_forward_secrecy(files: Files) -> None:
    """Older clients get on, if their ciphers are good."""
    context = client_of(files)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    cipher = handshake(server_of(files), context).cipher()
    assert cipher is not None
    assert cipher[0].startswith("ECDHE-")
    context.set_ciphers("AES128-SHA256:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    with pytest.raises(SSL.Error, match="no shared cipher"):
        handshake(server_of(files), context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(files: Files) -> None:
    """RFC 8996 has buried it."""
    context = client_of(files)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(SSL.Error, match="unsupported protocol"):
        handshake(server_of(files), context)


@pytest.mark.parametrize(
    ("offered", "chosen"), [(("h2", "http/1.1"), "http/1.1"), (("http/1.1",), "http/1.1"), (("h2",), None)]
)
def test_http_1_1_is_chosen(files: Files, offered: tuple[str, ...], chosen: str | None) -> None:
    """Browsers offer HTTP/2 as well; a client of something else entirely is not sent away for it."""
    client = handshake(server_of(files), client_of(files, *offered))
    assert chosen == client.selected_alpn_protocol()
