"""TLS for clients: certificate and key become what each connection's encryption is made of."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from tracd_cluster.errors import StartError

CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    b"DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"
)
"""For TLS 1.2, Mozilla's 'intermediate' (Server Side TLS 5.7); those of TLS 1.3 are all good."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContexts:
    """One certificate with its key; ``key`` is None if that is in the certificate's file.

    Raises StartError that names the file which cannot be used, and why.
    """

    def __init__(self, certificate: str, key: str | None) -> None:
        self._context = make_context(certificate, key or certificate)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: N802, N803
        """Make the encryption of one connection."""
        return SSL.Connection(self._context, None)


def make_context(certificate: str, key: str) -> SSL.Context:
    """Read a certificate, what leads to its root, and its key; raise StartError for what cannot be used."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_cipher_list(CIPHERS)
    context.set_session_id(b"tracd-cluster")
    context.set_alpn_select_callback(_select_protocol)
    for path in {certificate, key}:
        _look_at(path)
    try:
        context.use_certificate_chain_file(certificate)
    except SSL.Error as error:
        raise StartError(f"cannot use the certificate {certificate}: {_why(error)}") from None
    try:
        context.use_privatekey_file(key)
        context.check_privatekey()
    except SSL.Error as error:
        raise StartError(f"cannot use the key {key} with the certificate {certificate}: {_why(error)}") from None
    return context


def _look_at(path: str) -> None:
    """Raise StartError in the system's own words, which OpenSSL does not pass on."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from None


def _why(error: SSL.Error) -> str:
    reasons = [reason for each in (error.args[0] if error.args else []) if (reason := each[-1])]
    return reasons[-1] if reasons else "it is not in PEM format"


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose HTTP/1.1 of what a client offers (RFC 7301), or none of it."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS
