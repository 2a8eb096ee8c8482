"""A realm: one password file, and how those in it prove who they are.

A realm is asked twice at most. ``at_once`` answers what costs nothing to answer: a password that was right a moment
ago, a nonce that its user has proven already. Anything else is a guess until shown otherwise, and comes to ``decide``
when the throttle lets it.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from tracd_cluster.auth import basic, digest
from tracd_cluster.auth.nonces import Nonces
from tracd_cluster.auth.password_file import PasswordFile
from tracd_cluster.auth.passwords import Htdigest, Htpasswd, parse_htdigest, parse_htpasswd, scheme_of
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.settings import AuthEntry

REMEMBERED = 10_000
"""Right passwords remembered for each file."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The client is this user."""

    user: str


@dataclass(frozen=True, slots=True)
class Denied:
    """The client is not who it says it is; ``reason`` is for the log.

    ``guess`` says that it counts as a failed login, ``stale`` that the client may try again without asking its user.
    """

    user: str = ""
    reason: str = ""
    guess: bool = False
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Undecided:
    """It could not be found out."""


Verdict = Granted | Denied | Undecided
Told = Callable[[Verdict], None]


class Asked(Protocol):
    """What a realm looks at of a request."""

    method: bytes
    target: bytes
    authorization: bytes | None


class Realm(Protocol):
    """One password file and its scheme."""

    def look(self, now: float) -> None:
        """See whether the file has changed."""

    def challenges(self, now: float, stale: bool) -> list[bytes]:
        """Give the values of the WWW-Authenticate fields that ask for a login."""

    def at_once(self, asked: Asked, now: float) -> Verdict | None:
        """Give what can be said without checking a password; None if that is needed."""

    def decide(self, asked: Asked, now: float, told: Told) -> None:
        """Check the password; ``told`` is called once."""


class DigestRealm:
    """Users in an htdigest file; passwords never cross the wire."""

    def __init__(self, entry: AuthEntry, nonces: Nonces) -> None:
        self._realm = entry.realm
        self._nonces = nonces
        self._file: PasswordFile[Htdigest] = PasswordFile(entry.file, partial(parse_htdigest, realm=entry.realm))

    def look(self, now: float) -> None:
        """See whether the file has changed."""
        self._file.look(now)

    def challenges(self, now: float, stale: bool) -> list[bytes]:
        """Ask for Digest, in every algorithm that the file has."""
        algorithms = digest.offered(self._file.content)
        return digest.challenges(self._realm, self._nonces, algorithms, now, stale)

    def at_once(self, asked: Asked, now: float) -> Verdict | None:
        """Decide what comes with a nonce that has been proven before, or is no Digest at all."""
        fields = digest.parse(asked.authorization or b"")
        if fields is None:
            return Denied()
        return self._verdict(asked, now) if self._nonces.proven(fields.get("nonce", b"")) else None

    def decide(self, asked: Asked, now: float, told: Told) -> None:
        """Check the response."""
        told(self._verdict(asked, now))

    def _verdict(self, asked: Asked, now: float) -> Verdict:
        found = digest.check(
            asked.authorization or b"", asked.method, asked.target, self._file.content, self._realm, self._nonces, now
        )
        if isinstance(found, digest.Granted):
            return Granted(found.user)
        return Denied(found.user or "", found.reason, guess=found.guessed, stale=found.stale)


class BasicRealm:
    """Users in an htpasswd file, whose hashes are slow to check; right passwords are remembered for a while.

    ``_remembered`` maps the keyed digest of user and password to the end of its time (seconds); the password itself
    is not kept. Requests that ask the same at the same time, as browsers do, wait for one check together.
    """

    def __init__(self, entry: AuthEntry, secret: bytes, remember: float, verifier: Verifier) -> None:
        self._realm = entry.realm
        self._secret = secret
        self._time = remember
        self._verifier = verifier
        self._file: PasswordFile[Htpasswd] = PasswordFile(entry.file, parse_htpasswd)
        self._version = self._file.version
        self._hashes = self._usable()
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._waiting: dict[bytes, list[Told]] = {}

    def look(self, now: float) -> None:
        """See whether the file has changed; nothing that was right before counts then."""
        self._file.look(now)
        if self._file.version != self._version:
            self._version = self._file.version
            self._hashes = self._usable()
            self._remembered.clear()
            self._waiting.clear()

    def challenges(self, now: float, stale: bool) -> list[bytes]:
        """Ask for Basic."""
        return [basic.challenge(self._realm)]

    def at_once(self, asked: Asked, now: float) -> Verdict | None:
        """Recognise a password that was right a moment ago, or what is no Basic at all."""
        found = basic.parse(asked.authorization or b"")
        if found is None:
            return Denied()
        until = self._remembered.get(self._key(*found))
        return Granted(found[0]) if until is not None and now < until else None

    def decide(self, asked: Asked, now: float, told: Told) -> None:
        """Have the password checked; the same work is done for a user who is not there."""
        found = basic.parse(asked.authorization or b"")
        assert found is not None, "at_once lets nothing else through"
        user, password = found
        key = self._key(user, password)
        if key in self._waiting:
            self._waiting[key].append(told)
            return
        waiting = self._waiting[key] = [told]
        hash_ = self._file.content.hashes.get(user)
        known = hash_ is not None

        def checked(right: bool | None) -> None:
            # After a change of the file this may be another question with the same words, or none.
            if self._waiting.get(key) is waiting:
                del self._waiting[key]
                if right and known:
                    self._remember(key, now + self._time)
            verdict = self._verdict(user, known, right)
            for each in waiting:
                each(verdict)

        if not self._verifier.check(password, hash_ if hash_ is not None else self._somebody(user), checked):
            checked(None)

    @staticmethod
    def _verdict(user: str, known: bool, right: bool | None) -> Verdict:
        if right is None:
            return Undecided()
        if right and known:
            return Granted(user)
        return Denied(user, "wrong password" if known else "no such user", guess=True)

    def _key(self, user: str, password: str) -> bytes:
        text = f"{user}\0{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, text, "sha256")

    def _somebody(self, user: str) -> str:
        """Give a hash to try the password of an unknown user on, always the same one for the same name.

        It is one of the file's own: the time a check takes tells nothing then, even where hashes of different cost
        stand side by side. The answer is no, whatever the check says.
        """
        if not self._hashes:
            return ""
        number = int.from_bytes(self._key(user, "")[:8])
        return self._hashes[number % len(self._hashes)]

    def _usable(self) -> list[str]:
        return [hash_ for hash_ in self._file.content.hashes.values() if scheme_of(hash_)]

    def _remember(self, key: bytes, until: float) -> None:
        if len(self._remembered) >= REMEMBERED:
            self._remembered.popitem(last=False)
        self._remembered[key] = until
        self._remembered.move_to_end(key)
