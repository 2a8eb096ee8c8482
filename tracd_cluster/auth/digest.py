"""Digest: a client proves that it knows a password without sending it (RFC 7616).

SHA-256 and MD5 are understood, each for those users of whom the password file has that hash, and only with
``qop=auth``: the form without it (RFC 2069) has no count, so it could be replayed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

from tracd_cluster.auth.nonces import Nonces, Standing
from tracd_cluster.auth.text import quoted, text_of

SHA256 = b"SHA-256"
MD5 = b"MD5"

MOST_BYTES = 16 * 1024
"""Of an Authorization field: half of the largest head, because it repeats the request target."""

_REQUIRED = ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")

_SCHEME = re.compile(rb"digest +[ \t,]*", re.IGNORECASE)
_PARAM = re.compile(
    rb"""
    ([!#$%&'*+.^_`|~0-9A-Za-z-]+)                                             # the name, a token
    [ \t]*=[ \t]*
    (?: ([!#$%&'*+.^_`|~0-9A-Za-z-]+)                                         # a token
      | "((?: [\t !\x23-\x5b\x5d-\x7e\x80-\xff] | \\[\t -\x7e\x80-\xff] )*)"  # or a quoted-string
    )
    [ \t]* (?: ,[ \t,]* | \Z )                                                # lists may have empty elements
    """,
    re.VERBOSE,
)
"""One auth-param of a list (RFC 9110 sections 5.6.1, 5.6.4 and 11.2)."""
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_EXTENDED = re.compile(rb"utf-8'[A-Za-z0-9-]*'((?:%[0-9A-Fa-f]{2}|[!#$&+.^_`|~0-9A-Za-z-])*)\Z", re.IGNORECASE)
"""The value of a parameter whose name ends in a star, in UTF-8 (RFC 5987 section 3.2)."""
_COUNT = re.compile(rb"[0-9A-Fa-f]{8}\Z")
_ORIGIN = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


class Accounts(Protocol):
    """The users of one realm, and for each the hash of user, realm and password: "HA1", in lower-case hex."""

    @property
    def md5(self) -> Mapping[str, str]:
        """User -> MD5 hash."""

    @property
    def sha256(self) -> Mapping[str, str]:
        """User -> SHA-256 hash."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The client proved that it knows this user's password."""

    user: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The client did not prove who it is.

    ``user`` is the name it claims, if it got that far; ``reason`` is for the log. ``stale``: it knows the password,
    and has only to repeat the request with a new nonce. ``guessed``: a password was tried, and wrong.
    """

    user: str | None
    reason: str
    stale: bool = False
    guessed: bool = False


def parse(value: bytes) -> dict[str, bytes] | None:
    """Read the parameters from the value of an Authorization field (RFC 7616 section 3.4).

    Their names are given in lower case, and ``username*`` as ``username``. Gives None for another scheme and for what
    is malformed; a name that comes twice is, for nobody can tell which of the values counts.
    """
    scheme = _SCHEME.match(value)
    if scheme is None or len(value) > MOST_BYTES:
        return None
    params: dict[str, bytes] = {}
    at = scheme.end()
    while at < len(value):
        param = _PARAM.match(value, at)
        if param is None:
            return None
        name = param[1].decode().lower()
        if name in params:
            return None
        params[name] = param[2] or _ESCAPED.sub(rb"\1", param[3])
        at = param.end()
    return _with_plain_username(params)


def _with_plain_username(params: dict[str, bytes]) -> dict[str, bytes] | None:
    extended = params.pop("username*", None)
    if extended is None:
        return params
    value = _EXTENDED.match(extended)
    if value is None or "username" in params:
        return None
    params["username"] = unquote_to_bytes(value[1])
    return params


def offered(accounts: Accounts) -> tuple[bytes, ...]:
    """Name the algorithms that a password file has users for, the better one first (RFC 7616 section 3.7).

    One that only some users have a hash for is left out where the other would do for all: clients take the first they
    know, and those users could not log in.
    """
    users = accounts.md5.keys() | accounts.sha256.keys()
    some = tuple(algorithm for algorithm in (SHA256, MD5) if _hashes(accounts, algorithm))
    return tuple(algorithm for algorithm in some if len(_hashes(accounts, algorithm)) == len(users)) or some


def challenges(realm: str, nonces: Nonces, algorithms: Collection[bytes], now: float, stale: bool) -> list[bytes]:
    """Make the values of the WWW-Authenticate fields that ask for Digest (RFC 7616 section 3.3).

    The better algorithm comes first. Each has a nonce of its own, good for no other.
    """
    values = []
    for algorithm in (SHA256, MD5):
        if algorithm in algorithms:
            nonce = nonces.issue(realm, algorithm, now)
            value = b'Digest realm=%b, qop="auth", algorithm=%b, nonce="%b", charset=UTF-8'
            values.append(value % (quoted(realm), algorithm, nonce) + (b", stale=true" if stale else b""))
    return values


def response_to(params: Mapping[str, bytes], method: bytes, algorithm: bytes, ha1: bytes) -> bytes:
    """Compute the response that goes with these parameters if the client knows HA1 (RFC 7616 section 3.4.1)."""
    ha2 = _hex(algorithm, b"%b:%b" % (method, params["uri"]))
    return _hex(algorithm, b"%b:%b:%b:%b:auth:%b" % (ha1, params["nonce"], params["nc"], params["cnonce"], ha2))


def check(
    value: bytes, method: bytes, target: bytes, accounts: Accounts, realm: str, nonces: Nonces, now: float
) -> Granted | Refused:
    """Tell whether the value of an Authorization field proves who sent this request (RFC 7616 section 3.4.6).

    ``target`` is the request target as the client sent it, in origin-form.

    A nonce is good only for the algorithm it was issued with, and that has to be one that is offered: the client's
    word alone decides nothing. Only a right response can be stale: told "stale" for a wrong password, a browser would
    try the same one for ever.
    """
    params = parse(value)
    if params is None:
        return Refused(None, "malformed")
    user = name_of(params.get("username", b""))
    fault = _fault_of(params, target, realm)
    if user is None or fault is not None:
        return Refused(user, fault or "a user name that is not text")
    algorithm = params.get("algorithm", MD5).upper()
    if algorithm not in offered(accounts):
        return Refused(user, "an algorithm that is not offered")
    standing = nonces.judge(params["nonce"], realm, algorithm, now)
    if not _proven(params, method, algorithm, _hashes(accounts, algorithm).get(user, "").encode()):
        return Refused(user, "wrong user or password", guessed=True)
    # A nonce from before the last start, and a used count, get the same answer as an old nonce: an honest client
    # recovers by it without asking its user, and who replays what it saw on the wire gains nothing, since a new nonce
    # is of no use without the password.
    if standing is not Standing.FRESH or not nonces.use(params["nonce"], int(params["nc"], 16), now, user):
        return Refused(user, "an old nonce or a used count", stale=True)
    return Granted(user)


def name_of(raw: bytes) -> str | None:
    """Read a name in UTF-8, or in Latin-1 as some clients send it; what they prove is in UTF-8 all the same."""
    return text_of(raw) or text_of(raw.decode("latin-1").encode()) or None


def _fault_of(params: Mapping[str, bytes], target: bytes, realm: str) -> str | None:
    """Say what is wrong with the parameters apart from the proof; None if nothing is."""
    for name in _REQUIRED:
        if not params.get(name):
            return f"no {name}"
    if params["realm"] != realm.encode():
        return "another realm"
    if not _names_target(params["uri"], target):
        return "the uri of another request"
    if params["qop"] != b"auth":
        return "a qop that is not offered"
    if _COUNT.match(params["nc"]) is None:
        return "a malformed count"
    if params.get("userhash", b"false").lower() != b"false":
        return "a hashed user name, which is not offered"
    return None


def _names_target(uri: bytes, target: bytes) -> bool:
    """Tell whether ``uri`` is the request target, or its URL: the host is not ours to compare, proxies change it."""
    if uri == target:
        return True
    origin = _ORIGIN.match(uri)
    if origin is None:
        return False
    rest = uri[origin.end() :]
    return target == (rest if rest.startswith(b"/") else b"/" + rest)


def _proven(params: Mapping[str, bytes], method: bytes, algorithm: bytes, known: bytes) -> bool:
    # What is not a whole hash, such as a star that locks an account, could be guessed: its user counts as unknown. For
    # these the same is computed as for the others, so that the time does not tell who is known.
    size = 64 if algorithm == SHA256 else 32
    usable = len(known) == size
    ha1 = known if usable else b"0" * size
    expected = response_to(params, method, algorithm, ha1)
    return hmac.compare_digest(expected, params["response"].lower()) and usable


def _hashes(accounts: Accounts, algorithm: bytes) -> Mapping[str, str]:
    return accounts.sha256 if algorithm == SHA256 else accounts.md5


def _hex(algorithm: bytes, data: bytes) -> bytes:
    hashed = hashlib.sha256(data) if algorithm == SHA256 else hashlib.md5(data, usedforsecurity=False)
    return hashed.hexdigest().encode()
