"""A TLS client of Python's own, and the front's side of its handshake, with no network between them."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from OpenSSL import SSL

from tests.certificates import authority
from tracd_cluster.front.tls import Contexts


def trusting(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Make what a client is that trusts the tests' authority, with one version of TLS if that is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class Client:
    """A client: what it says is passed to ``to_server``, and what it gets comes by ``receive``."""

    server: SSL.Connection

    def __init__(
        self, context: ssl.SSLContext, name: str | None = None, session: ssl.SSLSession | None = None
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        self.over = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._incoming.write(data)

    def take(self) -> bytes:
        """Give the bytes for the server."""
        return self._outgoing.read()

    def step(self) -> bool:
        """Go on with the handshake, and tell whether it is done."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self) -> bytes:
        """Give what the server has said; ``over`` is set if it has ended that well."""
        found = b""
        try:
            while data := self.tls.read(65536):
                found += data
            self.over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.over = True
        return found

    def write(self, data: bytes) -> bytes:
        """Encrypt, and give the bytes for the server."""
        self.tls.write(data)
        return self.take()

    def say(self, data: bytes) -> None:
        """Say something to ``server``."""
        self.server.bio_write(self.write(data))

    @property
    def session(self) -> ssl.SSLSession:
        """What it may be resumed by."""
        found = self.tls.session
        assert found is not None
        return found


def shake_hands(
    contexts: Contexts, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None = None
) -> Client:
    """Let a client and the front's contexts meet, and give the client."""
    client = Client(context, name, session)
    server = client.server = contexts.connection()
    done = False
    for _ in range(5):
        done = client.step()
        if data := client.take():
            server.bio_write(data)
        if _quiet(server.do_handshake) or not done:
            _pass_on(server, client)
    assert done
    server.send(b"!")
    _pass_on(server, client)
    assert b"!" == client.read()
    return client


def _quiet(step: Callable[[], None]) -> bool:
    try:
        step()
    except SSL.WantReadError:
        return False
    return True


def _pass_on(server: SSL.Connection, client: Client) -> None:
    try:
        while True:
            client.receive(server.bio_read(65536))
    except SSL.WantReadError:
        pass
