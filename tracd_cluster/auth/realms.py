"""A realm: one password file, and how those in it prove who they are.

A realm is asked twice at most. ``at_once`` answers what costs nothing to answer: a password that was right a moment
ago, a nonce that its user has proven already. Anything else is a guess until shown otherwise, and comes to ``decide``
when the throttle lets it.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from tracd_cluster.auth import basic, digest
from tracd_cluster.auth.nonces import Nonces
from tracd_cluster.auth.password_file import PasswordFile
from tracd_cluster.auth.passwords import Htdigest, Htpasswd, parse_htdigest, parse_htpasswd, scheme_of
from tracd_cluster.auth.throttle import FREE_FAILURES
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.settings.auth import AuthEntry


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
        """Decide what comes with a nonce that its user has proven before, or is no Digest at all."""
        fields = digest.parse(asked.authorization or b"")
        if fields is None:
            return Denied()
        user = digest.name_of(fields.get("username", b""))
        if user is None or not self._nonces.proven(fields.get("nonce", b""), user):
            return None
        return self._verdict(asked, now)

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


@dataclass(slots=True)
class Remembered:
    """The password that was right for a user: a keyed digest, and not the password itself.

    It counts until a time (seconds), and until ``tries`` other ones have come for the same user: a memory answers at
    once, so it must not answer whoever guesses (gate.py, Note [Guesses]).
    """

    key: bytes = field(repr=False)
    until: float
    tries: int = FREE_FAILURES


class BasicRealm:
    """Users in an htpasswd file, whose hashes are slow to check; right passwords are remembered for a while.

    ``_remembered`` has the users whose passwords were found right, ``limit`` at the most, those found longest ago
    first. Requests that ask the same at the same time, as browsers do, wait for one check together.
    """

    def __init__(
        self, entry: AuthEntry, secret: bytes, remember: float, verifier: Verifier, limit: int = 10_000
    ) -> None:
        self._realm = entry.realm
        self._secret = secret
        self._time = remember
        self._verifier = verifier
        self._file: PasswordFile[Htpasswd] = PasswordFile(entry.file, parse_htpasswd)
        self._version = self._file.version
        self._hashes = self._usable()
        self._limit = limit
        self._remembered: OrderedDict[str, Remembered] = OrderedDict()
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
        user, _ = found
        remembered = self._remembered.get(user)
        if remembered is None or now >= remembered.until:
            return None
        if hmac.compare_digest(remembered.key, self._key(*found)):
            return Granted(user)
        remembered.tries -= 1
        if not remembered.tries:
            del self._remembered[user]
        return None

    def decide(self, asked: Asked, now: float, told: Told) -> None:
        """Have the password checked; the same work is done for a user who is not there, or is locked out."""
        found = basic.parse(asked.authorization or b"")
        assert found is not None, "at_once lets nothing else through"
        user, password = found
        key = self._key(user, password)
        if key in self._waiting:
            self._waiting[key].append(told)
            return
        waiting = self._waiting[key] = [told]
        own = self._file.content.hashes.get(user)
        usable = own is not None and scheme_of(own) != ""
        hash_ = own if own is not None and usable else self._somebody(user)
        reason = "no such user" if own is None else "wrong password"

        def checked(right: bool | None) -> None:
            # After a change of the file this may be another question with the same words, or none.
            if self._waiting.get(key) is waiting:
                del self._waiting[key]
                if right and usable:
                    self._remember(user, Remembered(key, now + self._time))
            verdict: Verdict = Undecided()
            if right is not None:
                verdict = Granted(user) if right and usable else Denied(user, reason, guess=True)
            for each in waiting:
                each(verdict)

        if not self._verifier.check(password, hash_, checked):
            checked(None)

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

    def _remember(self, user: str, remembered: Remembered) -> None:
        self._remembered[user] = remembered
        self._remembered.move_to_end(user)
        if len(self._remembered) > self._limit:
            self._remembered.popitem(last=False)
