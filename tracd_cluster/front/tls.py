"""TLS for clients: what each connection's encryption is made of.

Note [Entry]. A connection begins with the entry, a context that has no certificate: the server name that the client
asks for leads to one that has (SNI; OpenSSL asks also where a client names none). Session tickets are sealed by the
entry, so a session can be resumed whatever name it was begun with, and after a renewal too. Its key is in memory only
and is replaced every day, with the entry: what was recorded cannot be read by who comes by the key later.

Note [Not among the ciphers]. Mozilla's list has DHE too, for clients that no browser has been for ten years: it costs
ten times as much as ECDHE, and needs parameters that pyOpenSSL cannot have OpenSSL choose.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from OpenSSL import SSL

from tracd_cluster.errors import StartError
from tracd_cluster.front.certificates import Certificate, choose
from tracd_cluster.front.keyring import Keyring
from tracd_cluster.settings.front import TlsSettings

CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""For TLS 1.2, Mozilla's 'intermediate' (Server Side TLS 5.7); those of TLS 1.3 are all good.

See Note [Not among the ciphers].
"""

GROUPS = (b"X25519MLKEM768:X25519:prime256v1:secp384r1", b"X25519:prime256v1:secp384r1")
"""Mozilla's, and before them the one that withstands quantum computers, where OpenSSL has it (3.5)."""

OP_PRIORITIZE_CHACHA = 1 << 21
"""From OpenSSL's ssl.h, since 1.1.1: a client that wants ChaCha20 first, having no hardware for AES, gets it."""

TICKET_KEY_LIFETIME = 86400.0
"""Seconds. See Note [Entry]."""
SESSION_LIFETIME = 4 * 3600


class Contexts:
    """The encryption of new connections, by the name that a client asks for.

    ``look`` takes up changed files; connections that are there keep what they have.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self.keyring = Keyring(settings, self._try_out)
        self._by_name: dict[bytes, SSL.Context] = {}
        self._default: SSL.Context
        self._entry: SSL.Context
        self._entry_ends = 0.0
        self.handshakes = {"ok": 0, "failed": 0}

    def read(self, now: float) -> list[str]:
        """Read all files; give what cannot be used, and raise StartError if nothing can."""
        faults = self.keyring.read(now)
        self._renew(now)
        return faults

    def look(self, now: float) -> None:
        """Take up what has changed."""
        if self.keyring.look(now):
            self._renew(now)
        elif now >= self._entry_ends:
            self._renew_entry(now)

    def reload(self, now: float) -> None:
        """Take up what there is, whether it seems to have changed or not."""
        self.keyring.reload()
        self.look(now)

    # -- a connection

    @property
    def asks_clients(self) -> bool:
        """Tell whether clients are asked for certificates."""
        return self._settings.client_ca is not None

    def connection(self) -> SSL.Connection:
        """Make the encryption of one connection."""
        made = SSL.Connection(self._entry, None)
        made.set_accept_state()
        return made

    def _name_asked(self, connection: SSL.Connection) -> None:
        connection.set_context(self.context_for(connection.get_servername()))

    def context_for(self, name: bytes | None) -> SSL.Context:
        """Give what a client gets that asks for a name."""
        if name is None:
            return self._default
        name = name.lower()
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name.get(b"*." + name.partition(b".")[2], self._default)
        return found

    # -- files have been read

    def _renew(self, now: float) -> None:
        certificates, default = self.keyring.certificates, self.keyring.default
        made: dict[tuple[Certificate, ...], SSL.Context] = {}

        def context(chosen: tuple[Certificate, ...]) -> SSL.Context:
            if chosen not in made:
                made[chosen] = make_context(chosen, self._settings, self.keyring.authorities)
            return made[chosen]

        kin = choose(certificates, default.names[0], default) if default.names else ()
        self._default = context((default, *(each for each in kin if each.kind != default.kind)))
        self._by_name = {
            name.encode("ascii", "replace"): context(choose(certificates, name, default))
            for each in certificates
            for name in each.names
        }
        self._renew_entry(now)

    def _renew_entry(self, now: float) -> None:
        """Change the key of session tickets, if it is time, or if other clients may come now."""
        if now < self._entry_ends and not self.keyring.authorities:
            return
        entry = make_context((), self._settings, self.keyring.authorities)
        entry.set_tlsext_servername_callback(self._name_asked)
        self._entry = entry
        self._entry_ends = now + TICKET_KEY_LIFETIME

    def _try_out(self, certificates: tuple[Certificate, ...], authorities: bytes) -> None:
        make_context(certificates, self._settings, authorities)


def make_context(certificates: Iterable[Certificate], settings: TlsSettings, authorities: bytes) -> SSL.Context:
    """Make what connections are encrypted with: at most one certificate of each kind, and who may sign clients'.

    Raises StartError that names the file which OpenSSL does not take.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE | OP_PRIORITIZE_CHACHA)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # of 34 KiB, which a silent connection would keep
    context.set_cipher_list(CIPHERS)
    _set_groups(context)
    context.set_session_id(b"tracd-cluster")
    context.set_timeout(SESSION_LIFETIME)
    context.set_alpn_select_callback(_select_protocol)
    for certificate in certificates:
        _use(context, certificate)
    if authorities:
        _verify_clients(context, settings, authorities)
    return context


def _set_groups(context: SSL.Context) -> None:
    # pyOpenSSL has a method for one group only; the library below it has the list.
    set_groups = getattr(SSL._lib, "SSL_CTX_set1_curves_list", None)  # type: ignore[attr-defined]
    if set_groups is not None:
        for groups in GROUPS:
            if set_groups(context._context, groups) == 1:
                break
            SSL._lib.ERR_clear_error()  # type: ignore[attr-defined]


def _use(context: SSL.Context, certificate: Certificate) -> None:
    # Only from a file does OpenSSL take a chain with its certificate, and so each kind its own.
    with _file_of(certificate.chain) as path:
        try:
            context.use_certificate_chain_file(path)
        except SSL.Error as error:
            where = certificate.pair.certificate
            raise StartError(f"cannot use the certificate {where}: {_why(error)}") from None
    try:
        context.use_privatekey(certificate.key)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError) as error:
        raise StartError(f"cannot use the key {certificate.pair.key}: {_why(error)}") from None


def _verify_clients(context: SSL.Context, settings: TlsSettings, authorities: bytes) -> None:
    mode = SSL.VERIFY_PEER
    if settings.client_cert == "require":
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode)
    with _file_of(authorities) as path:
        try:
            context.load_verify_locations(path)
            context.load_client_ca(os.fsencode(path))
        except SSL.Error as error:
            raise StartError(f"cannot use --client-ca {settings.client_ca}: {_why(error)}") from None


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """Put certificates, which are no secret, into a file for as long as the block lasts; give its path."""
    with tempfile.NamedTemporaryFile(prefix="tracd-cluster-", suffix=".pem") as file:
        file.write(data)
        file.flush()
        yield file.name


def _why(error: Exception) -> str:
    found = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [reason for each in found if (reason := each[-1])]
    return reasons[-1] if reasons else str(error) or "it is not in PEM format"


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose HTTP/1.1 of what a client offers (RFC 7301), or none of it."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS
