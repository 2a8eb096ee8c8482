"""Who may see what at an admin address, and who may change anything: a pure look at the head of a request.

Note [Ways in]. On a Unix socket its mode is the guard: who may open it may do everything. A port of this host can be
reached by all its users, so without a password it tells of health and metrics, which name nobody, and of nothing
else. With one, everything but health needs it. Where other hosts can reach a port that has none, somebody has to have
said that they may: probes and Prometheus in a network of their own, who come by addresses and names of its making.

Note [Other sites]. A browser that sees the page visits other sites too, and those can make it send requests here. So
names that are not ours are refused (a site can have its own name lead to 127.0.0.1); what a browser says was begun by
another site gets no data; and a change needs what only our page can read: a token, made for this process and its
password, in a field that another site may not send.
"""

from __future__ import annotations

import binascii
import hmac
import ipaddress
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

OPEN = frozenset({b"/-/healthz", b"/-/readyz"})
METRICS = b"/-/metrics"
DATA = frozenset({b"/-/status.json", METRICS})
OURS = (b"same-origin", b"none")
"""What a browser says of a request that our page makes, or its user."""
CHALLENGE = b'Basic realm="tracd-cluster", charset="UTF-8"'
LOCAL = (b"localhost",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The head of a request, as far as it matters here; None for fields that are not there."""

    method: bytes
    path: bytes
    host: bytes | None
    authorization: bytes | None = None
    origin: bytes | None = None
    fetch_site: bytes | None = None
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request gets nothing, and how it is told so."""

    status: int
    text: str
    guess: bool = False
    """A password was tried that is not right."""


class Guard:
    """The guard of one admin address, or of several of a kind.

    ``known`` tells whether a host name is ours; ``secret`` is the process's own. ``password`` is for ports; without,
    they have no page. ``open_metrics`` tells metrics to everybody, as health.
    """

    def __init__(
        self,
        secret: bytes,
        known: Callable[[bytes], bool],
        *,
        port: bool,
        password: bytes | None = None,
        open_metrics: bool = False,
    ) -> None:
        self._secret = secret
        self._known = known
        self._port = port
        self._open = OPEN | {METRICS} if open_metrics else OPEN
        self.password = password

    def token(self) -> str:
        """Give what a change has to come with."""
        return hmac.new(self._secret, self.password or b"", sha256).hexdigest()

    def refuse(self, asked: Asked) -> Refusal | None:
        """Say why a request gets nothing; None if it may go on."""
        if asked.path in self._open:
            return None
        if not self._is_ours(asked.host):
            return Refusal(421, "This address is served under other names: its own, and those of --allowed-host.")
        if self._port and self.password is None and asked.path != METRICS:
            return Refusal(403, "This port tells of health and metrics. The status page needs --admin-password-file.")
        if self._port and self.password is not None and not self._has_password(asked.authorization):
            return Refusal(401, "A password is needed.", asked.authorization is not None)
        if asked.path in DATA and asked.fetch_site is not None and asked.fetch_site not in OURS:
            return Refusal(403, "This is not told to other sites.")
        if asked.method not in (b"GET", b"HEAD"):
            return self._refuse_change(asked)
        return None

    def _refuse_change(self, asked: Asked) -> Refusal | None:
        if asked.fetch_site is not None and asked.fetch_site != b"same-origin":
            return Refusal(403, "Another site cannot change anything here.")
        if asked.origin is not None and asked.origin.partition(b"://")[2] != asked.host:
            return Refusal(403, "Another site cannot change anything here.")
        if asked.token is None or not hmac.compare_digest(asked.token, self.token().encode("ascii")):
            return Refusal(403, "The page is out of date; it reads what it needs anew.")
        return None

    def _is_ours(self, host: bytes | None) -> bool:
        """Tell whether a Host can be meant for us: an address, which no other site can have, or a name of ours."""
        if not host:
            return False
        name = host.partition(b"]")[0].strip(b"[") if host.startswith(b"[") else host.partition(b":")[0]
        try:
            ipaddress.ip_address(name.decode("ascii"))
        except ValueError:
            return name.lower() in LOCAL or self._known(host)
        return True

    def _has_password(self, authorization: bytes | None) -> bool:
        kind, _, value = (authorization or b"").partition(b" ")
        if kind.lower() != b"basic" or self.password is None:
            return False
        try:
            _, colon, password = b64decode(value.strip(), validate=True).partition(b":")
        except binascii.Error:
            return False
        return bool(colon) and hmac.compare_digest(password, self.password)
