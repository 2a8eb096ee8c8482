"""The gate: where a request has to say whose it is, and what becomes of one that cannot.

As tracd does, ``…/login`` asks for a password, and everywhere else the cookie that Trac gives there tells who somebody
is (trac/web/standalone.py, AuthenticationMiddleware). ``--require-login`` makes a project, or all of them, ask
everywhere.

Note [Guesses]. A login that fails makes the next ones from its address wait, right or wrong, before they are looked
at (throttle.py); and no more are looked at side by side than may fail for free, or a thousand sent at once would all
come before the first failure. Whoever has proven a password or a nonce already does not wait: a whole office behind
one address works on while somebody's script in it tries passwords. What is answered at once must not answer guesses,
though: a nonce speaks for the user who has proven it and for no other, and a remembered password is forgotten when as
many other ones as may fail for free have come for its user (realms.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

from twisted.logger import Logger

from tracd_cluster.auth.nonces import Nonces
from tracd_cluster.auth.realms import Asked, BasicRealm, Denied, DigestRealm, Granted, Realm, Verdict
from tracd_cluster.auth.throttle import FREE_FAILURES, MOST_DELAY, Throttle, key_of
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.errors import ClientFault
from tracd_cluster.settings.auth import AuthEntry, AuthSettings

WAITING_LIMIT = 1000
"""Attempts that wait for their time, from all addresses together."""

LOOK = 0.5
"""Seconds between two looks at the password files."""

NOBODY = (b"", b"(null)")
"""What a proxy sends where nobody has logged in; the second is Apache's word for a variable that is not set."""

Told = Callable[[bytes | ClientFault], None]
"""Called with the user's name, percent-encoded, or with the answer to somebody who is not to pass."""

log = Logger()


class Head(Asked, Protocol):
    """What the gate looks at of a request."""

    path: bytes
    claims: tuple[tuple[bytes, bytes], ...]


class Client(Protocol):
    """Who sends it."""

    address: str
    trusted: bool
    """It is a proxy that may say who somebody else is."""
    certified_user: bytes
    """Whom the certificate it has shown names, percent-encoded; empty for nobody. No header comes into this."""


class Attempt:
    """A login that is not decided yet: ``begin`` asks for the decision, ``take_back`` takes the question back.

    ``due`` is None until its address has its turn, then the time at which it may be looked at.
    """

    __slots__ = ("_gate", "address", "asked", "at_login", "due", "realm", "told")

    def __init__(self, gate: Gate, realm: Realm, asked: Asked, address: str, at_login: bool) -> None:
        self._gate = gate
        self.realm = realm
        self.asked = asked
        self.address = address
        self.due: float | None = None
        self.at_login = at_login
        self.told: Told | None = None

    def begin(self, told: Told) -> None:
        """Have it decided when its time has come; ``told`` is called once."""
        self.told = told
        self._gate.line_up(self)

    def take_back(self) -> None:
        """Want no decision any more: the client has gone. What is being checked is checked, and counts."""
        self.told = None
        self._gate.leave(self)

    def tell(self, outcome: bytes | ClientFault) -> None:
        """Tell the outcome, if it is still wanted."""
        told, self.told = self.told, None
        if told is not None:
            told(outcome)


class Gate:
    """Says who a client is, or how to answer one that has to tell.

    ``now`` is the time of its making (seconds, wall clock), before which no nonce counts. Raises StartError for a
    password file that cannot be read.
    """

    def __init__(self, settings: AuthSettings, secret: bytes, now: float, verifier: Verifier) -> None:
        self._throttle = Throttle()
        self._nonces = Nonces(secret, now, settings.nonce_lifetime)
        self._now = now
        self._looked = now
        self._waiting: dict[Attempt, None] = {}
        self._looked_at: Counter[str] = Counter()
        """Attempts that are being checked, by their addresses' keys."""
        self.logins = {"ok": 0, "failed": 0}
        """How many the log has told of."""

        self._secret = secret
        self._verifier = verifier
        self._entries: dict[AuthEntry, Realm] = {}
        self.prepare(settings)()

    def __repr__(self) -> str:
        return f"<Gate of {sorted(self._realms)}, {len(self._waiting)} waiting>"

    # -- the operator's side

    def prepare(self, settings: AuthSettings) -> Callable[[], None]:
        """Read the password files of new settings, and give what puts these in force. Raises StartError.

        What belongs to the gate as a whole stays as it is: the nonces, and what it remembers of those who failed.
        """
        entries = {entry: self._entries.get(entry) or self._make_realm(entry, settings) for entry in settings.entries}

        def take() -> None:
            self._base = len(settings.base_path)
            self._single = settings.single_project
            self._part = 0 if settings.single_project is not None else 1
            self._header = settings.remote_user
            self._required = settings.required
            self._everywhere = bool(settings.required or settings.remote_user)
            self._entries = entries
            self._realms = {entry.project: realm for entry, realm in entries.items()}
            self._send_away()

        return take

    def _make_realm(self, entry: AuthEntry, settings: AuthSettings) -> Realm:
        if entry.kind == "digest":
            return DigestRealm(entry, self._nonces)
        return BasicRealm(entry, self._secret, settings.remember, self._verifier)

    def _send_away(self) -> None:
        """Refuse those who wait for the decision of a realm that is no more."""
        realms = list(self._realms.values())
        for attempt in [attempt for attempt in self._waiting if attempt.realm not in realms]:
            self.leave(attempt)
            attempt.tell(ClientFault(503, "Who may sign in here has just been changed. Please try again."))

    # -- the journey's side

    def judge(self, head: Head, client: Client, now: float) -> bytes | Attempt:
        """Give the name of the user, percent-encoded and empty for nobody, or an attempt that has to be decided.

        Raises ClientFault for a request that has to be answered with a challenge, or not to be answered at all.
        """
        path = head.path
        if client.trusted and self._header is not None and (user := self._named(head)):
            return user
        if client.certified_user:
            return client.certified_user
        if not self._everywhere and b"login" not in path and b"%" not in path:
            return b""
        project, at_login = self._place(path)
        required = "*" in self._required or project in self._required
        if not (at_login or required):
            return b""
        realm = self._realms.get(project) or self._realms.get("*")
        if realm is not None:
            return self._ask(realm, head, client.address, now, at_login)
        if required:
            raise ClientFault(403, "This is only for those who have signed in, and there is no way to do that here.")
        return b""

    def _named(self, head: Head) -> bytes:
        """Give the user whom a trusted proxy names."""
        names = {value for name, value in head.claims if name == self._header and value not in NOBODY}
        if len(names) > 1:
            raise ClientFault(400, "The proxy names more than one user.")
        return quote(names.pop()).encode("ascii") if names else b""

    def _place(self, path: bytes) -> tuple[str, bool]:
        """Give the project that a path leads to, and whether it asks for a login, exactly as tracd reads it."""
        parts = [part for part in unquote_to_bytes(path[self._base :]).split(b"/") if part]
        at_login = len(parts) > self._part and parts[self._part] == b"login"
        if self._single is not None:
            return self._single, at_login
        # Bytes that are no text are what tracd and Trac take for it: a project named é is at /%E9 and nowhere else.
        return parts[0].decode("latin-1") if parts else "", at_login

    def _ask(self, realm: Realm, asked: Asked, address: str, now: float, at_login: bool) -> bytes | Attempt:
        if asked.authorization is None:
            raise self._challenge(realm, now, stale=False)
        verdict = realm.at_once(asked, now)
        if verdict is not None:
            outcome = self.outcome(realm, verdict, address, False)
            if isinstance(outcome, ClientFault):
                raise outcome
            return outcome
        return Attempt(self, realm, asked, address, at_login)

    # -- the attempt's side (Note [Guesses])

    def line_up(self, attempt: Attempt) -> None:
        """Decide an attempt now, or when its time has come; refuse it if that is too far."""
        if len(self._waiting) >= WAITING_LIMIT:
            # Not this address's doing, so nothing is held against it, nor logged where fail2ban would read it.
            attempt.tell(ClientFault(503, "Too many logins wait at the moment. Please try again."))
            return
        self._waiting[attempt] = None
        self._go_on(attempt)

    def leave(self, attempt: Attempt) -> None:
        """Forget an attempt, if it still waits for its time."""
        self._waiting.pop(attempt, None)

    def _go_on(self, attempt: Attempt) -> None:
        now, key = self._now, key_of(attempt.address)
        if self._looked_at[key] >= FREE_FAILURES:
            return
        if attempt.due is None:
            delay = self._throttle.delay(attempt.address, now)
            if delay is None:
                self._refuse(attempt)
                return
            attempt.due = now + delay
        if attempt.due > now:
            return
        del self._waiting[attempt]
        self._looked_at[key] += 1

        def decided(verdict: Verdict) -> None:
            self._looked_at[key] -= 1
            if not self._looked_at[key]:
                del self._looked_at[key]
            attempt.tell(self.outcome(attempt.realm, verdict, attempt.address, attempt.at_login))

        attempt.realm.decide(attempt.asked, now, decided)

    def _refuse(self, attempt: Attempt) -> None:
        self.leave(attempt)
        log.warn("Login refused from {address}: too many have failed", address=attempt.address)
        lines = b"Retry-After: %d\r\n" % MOST_DELAY
        attempt.tell(ClientFault(429, "Too many logins have failed. Please wait before you try again.", lines))

    def outcome(self, realm: Realm, verdict: Verdict, address: str, at_login: bool) -> bytes | ClientFault:
        """Say what a verdict means for the client, and remember a failure."""
        if isinstance(verdict, Granted):
            if at_login:
                self.logins["ok"] += 1
                log.info("Login from {address} for user {user}", address=address, user=_shown(verdict.user))
            return quote(verdict.user).encode("ascii")
        if isinstance(verdict, Denied):
            if verdict.guess:
                self._throttle.failed(address, self._now)
                self.logins["failed"] += 1
                log.warn(
                    "Login failed from {address} for user {user}: {reason}",
                    address=address,
                    user=_shown(verdict.user),
                    reason=verdict.reason,
                )
            return self._challenge(realm, self._now, verdict.stale)
        return ClientFault(503, "Passwords cannot be checked at the moment. Please try again.")

    def _challenge(self, realm: Realm, now: float, stale: bool) -> ClientFault:
        lines = b"".join(b"WWW-Authenticate: %b\r\n" % value for value in realm.challenges(now, stale))
        return ClientFault(401, "Please sign in with your name and password.", lines)

    # -- the clock's side

    def tick(self, now: float) -> None:
        """Let time pass: decide what is due, and see whether password files have changed."""
        self._now = now
        for attempt in list(self._waiting):
            if attempt in self._waiting:
                self._go_on(attempt)
        if now - self._looked >= LOOK or now < self._looked:
            self._looked = now
            for realm in self._realms.values():
                realm.look(now)


def _shown(user: str) -> str:
    """Write a name that a client has sent so that it can neither end the line nor pass for something else."""
    return ascii(user if len(user) <= 100 else user[:100] + "...")
