"""A gate, those who come to it, and processes for passwords that answer when a test lets them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.unit.auth.children import ChildReactor
from tracd_cluster.auth.digest import MD5, response_to
from tracd_cluster.auth.gate import Attempt, Gate
from tracd_cluster.auth.passwords import digest_ha1, hash_password
from tracd_cluster.auth.verifier import Verifier
from tracd_cluster.errors import ClientFault
from tracd_cluster.settings.auth import AuthEntry, AuthSettings

NOW = 1_700_000_000.0
REALM = "Trac"
PASSWORDS = {"ann": "secret", "ben": "hidden"}
LOGIN = b"/tidewatch/login"

Outcome = bytes | ClientFault


@dataclass
class Visitor:
    """A client's connection."""

    address: str = "192.0.2.1"
    trusted: bool = False
    certified_user: bytes = b""


ANN = Visitor()


class Request:
    """What the gate looks at of a request."""

    method = b"GET"

    def __init__(
        self,
        target: bytes = LOGIN,
        authorization: bytes | None = None,
        claims: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.target = target
        self.path = target.partition(b"?")[0]
        self.authorization = authorization
        self.claims = claims


def basic(user: str, password: str) -> bytes:
    """Write an Authorization field of Basic."""
    return b"Basic " + b64encode(f"{user}:{password}".encode())


def digest(user: str, password: str, nonce: bytes, count: int, target: bytes = LOGIN) -> bytes:
    """Write an Authorization field of Digest."""
    params = {"nonce": nonce, "uri": target, "nc": b"%08x" % count, "cnonce": b"x", "username": user.encode()}
    params["response"] = response_to(params, b"GET", MD5, digest_ha1(user, REALM, password, "md5").encode())
    text = b", ".join(b'%b="%b"' % (name.encode(), value) for name, value in params.items() if name != "nc")
    return b'Digest %b, nc=%b, realm="Trac", qop=auth, algorithm=MD5' % (text, params["nc"])


def write_htpasswd(file: Path, passwords: Mapping[str, str]) -> Path:
    """Write a password file for Basic, of hashes that are quick to check; put in place as ``passwd`` does it."""
    new = file.with_suffix(".new")
    new.write_text("".join(f"{user}:{hash_password(password, 'sha')}\n" for user, password in passwords.items()))
    return new.rename(file)


def write_htdigest(file: Path, passwords: Mapping[str, str]) -> Path:
    """Write a password file for Digest."""
    new = file.with_suffix(".new")
    lines = [f"{user}:{REALM}:{digest_ha1(user, REALM, word, 'md5')}\n" for user, word in passwords.items()]
    new.write_text("".join(lines))
    return new.rename(file)


class Doorway:
    """A gate with one password file for everybody, at a time that only the test lets pass."""

    def __init__(self, folder: Path, kind: Literal["basic", "digest"] = "basic", **settings: Any) -> None:
        write = write_htpasswd if kind == "basic" else write_htdigest
        self.file = write(folder / "users", PASSWORDS)
        self.reactor = ChildReactor()
        entry = AuthEntry(kind=kind, project="*", file=str(self.file), realm=REALM)
        values = {"entries": (entry,), **settings}
        self.now = NOW
        self.gate = Gate(AuthSettings(**values), b"secret", NOW, Verifier(self.reactor, 100))

    def come(self, request: Request, visitor: Visitor = ANN) -> list[Outcome]:
        """Have a request judged, as a journey does; what comes of it stands in the list, sooner or later."""
        outcomes: list[Outcome] = []
        try:
            found = self.gate.judge(request, visitor, self.now)
        except ClientFault as fault:
            return [fault]
        if isinstance(found, Attempt):
            found.begin(outcomes.append)
        else:
            outcomes.append(found)
        return outcomes

    def log_in(self, user: str, password: str, visitor: Visitor = ANN, target: bytes = LOGIN) -> list[Outcome]:
        """Come with a password for Basic."""
        return self.come(Request(target, basic(user, password)), visitor)

    def nonce(self) -> bytes:
        """Come without a word, and take the nonce for Digest."""
        [outcome] = self.come(Request())
        assert isinstance(outcome, ClientFault)
        found = re.search(rb'nonce="([^"]+)"', outcome.lines)
        assert found is not None
        return found[1]

    def work(self) -> None:
        """Let all passwords be checked that are with a process."""
        for child in self.reactor.children:
            child.work()

    @property
    def asked(self) -> list[str]:
        """Give the passwords that are with a process."""
        return [question["password"] for child in self.reactor.children for question in child.asked]

    def wait(self, seconds: float) -> None:
        """Let time pass as the front does, four times a second."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.25
            self.gate.tick(self.now)


def status_of(outcomes: list[Outcome]) -> list[bytes | int]:
    """Give names and statuses."""
    return [outcome.status if isinstance(outcome, ClientFault) else outcome for outcome in outcomes]
