"""The text of password files and the hashes in it: bytes in, values out.

Note [Last line counts]: where a user has several lines, the last one counts, as with tracd, even if nobody can log in
with it. Apache takes the first. A password that somebody has replaced by appending a line is thus gone here.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from hashlib import md5, sha1, sha256
from importlib.util import find_spec

import bcrypt
from passlib.hash import apr_md5_crypt, des_crypt, md5_crypt, sha256_crypt, sha512_crypt

from tracd_cluster.errors import ConfigError

LONGEST = 4096
"""Bytes of a password that are looked at, as libpass has it; more is no password but an attempt to keep us busy."""

BCRYPT_LONGEST = 72
"""Bytes of a password that bcrypt uses. Apache cuts off the rest without a word, so verifying does, too."""

ARGON2_IS_HERE = find_spec("argon2") is not None
"""Whether the extra ``argon2`` is installed."""

_NEEDS_ARGON2 = "argon2 hashes need the extra argon2 (pip install 'tracd-cluster[argon2]')"

_BOM = b"\xef\xbb\xbf"
_DISABLED = re.compile(r"[!*]+")
_BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Htpasswd:
    """The users of an htpasswd file; those who are disabled have a hash that no password fits."""

    hashes: dict[str, str] = field(repr=False)
    faults: tuple[str, ...] = ()

    @property
    def users(self) -> Set[str]:
        """Everybody whom the file knows."""
        return self.hashes.keys()


@dataclass(frozen=True, slots=True)
class Htdigest:
    """The users of one realm of an htdigest file, each with a hash (HA1 of RFC 7616) for one or both algorithms.

    The disabled have none at all: the gate computes with what stands here, and everybody can compute with ``*``.
    """

    md5: dict[str, str] = field(repr=False)
    sha256: dict[str, str] = field(repr=False)
    disabled: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()

    @property
    def users(self) -> Set[str]:
        """Everybody whom the file knows in this realm."""
        return self.md5.keys() | self.sha256.keys() | self.disabled


def fields_of(line: bytes) -> list[str]:
    """Split a line at its colons; a blank line and a comment have no fields.

    As with tracd, ``#`` begins a comment wherever it stands. Raises UnicodeDecodeError.
    """
    text = line.removeprefix(_BOM).split(b"#")[0].decode().strip()
    return text.split(":") if text else []


def _entries(data: bytes, form: str, faults: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Give each entry and the place where it stands; a line that is not of the form becomes a fault."""
    for number, line in enumerate(data.splitlines(), 1):
        place = f"line {number}"
        try:
            fields = fields_of(line)
        except UnicodeDecodeError:
            faults.append(f"{place}: is not UTF-8")
            continue
        if fields and (len(fields) <= form.count(":") or not fields[0]):
            faults.append(f"{place}: is not of the form {form}")
        elif fields:
            yield place, fields


def parse_htpasswd(data: bytes, *, argon2: bool = ARGON2_IS_HERE) -> Htpasswd:
    """Read an htpasswd file: lines of ``user:hash``, and whatever follows another colon is ignored.

    A line that cannot be used is a fault, which names the user but shows no hash; see Note [Last line counts].
    """
    hashes: dict[str, str] = {}
    faults: list[str] = []
    seen: set[str] = set()
    for place, (user, hash, *_) in _entries(data, "user:hash", faults):
        if user in seen:
            faults.append(f"{place}: user {user!r} has another line before; this one counts")
        seen.add(user)
        fault = _fault_of(hash, argon2)
        if fault:
            faults.append(f"{place}: user {user!r} cannot log in: {fault}")
            hashes.pop(user, None)
        else:
            hashes[user] = hash
    return Htpasswd(hashes, tuple(faults))


def _fault_of(hash: str, argon2: bool) -> str:
    # "*" and "!" disable an account, and "!" before its hash does, too (passwd -l); that is meant, no fault.
    bare = hash.lstrip("!*")
    scheme = scheme_of(bare)
    if not hash:
        return "there is no hash"
    if scheme == "argon2" and not argon2:
        return _NEEDS_ARGON2
    if not bare or scheme:
        return ""
    if bare.startswith(("$", "{")):
        return "the hash is damaged or of a kind that is not supported"
    return "plain text passwords are refused"


def parse_htdigest(data: bytes, realm: str) -> Htdigest:
    """Read the lines of one realm in an htdigest file: ``user:realm:hash``, MD5 or SHA-256 by the hash's length.

    See Note [Last line counts]; a user may have one line for each algorithm.
    """
    lines: dict[int, dict[str, str]] = {32: {}, 64: {}, 0: {}}
    faults: list[str] = []
    mine = others = False
    for place, (user, its_realm, hash, *_) in _entries(data, "user:realm:hash", faults):
        if its_realm != realm:
            others = True
            continue
        mine = True
        length = len(hash) if re.fullmatch(r"(?:[0-9A-Fa-f]{32}){1,2}", hash) else 0
        # A line without a hash is about both algorithms.
        about = (length, 0) if length else tuple(lines)
        if [each for each in about if lines[each].pop(user, None)]:
            faults.append(f"{place}: user {user!r} has another line before; this one counts")
        if length or _DISABLED.fullmatch(hash):
            lines[length][user] = hash.lower()
        else:
            faults.append(f"{place}: user {user!r} cannot log in: neither an MD5 nor a SHA-256 hash in hexadecimal")
    if others and not mine:
        faults.append(f"no line is of the realm {realm!r}, but there are others")
    return Htdigest(lines[32], lines[64], frozenset(lines[0]), tuple(faults))


_SHAPES = {
    name: re.compile(shape)
    for name, shape in {
        "bcrypt": r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}",
        "apr1": r"\$apr1\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}",
        "md5": r"\$1\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}",
        "sha": r"\{SHA\}[+/A-Za-z0-9]{27}=",
        "sha256": r"\$5\$(?:rounds=[1-9][0-9]{3,8}\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{43}",
        "sha512": r"\$6\$(?:rounds=[1-9][0-9]{3,8}\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86}",
        "argon2": r"\$argon2id?\$(?:v=[0-9]{1,3}\$)?m=[0-9]{1,10},t=[0-9]{1,10},p=[0-9]{1,10}"
        r"\$[+/A-Za-z0-9]{11,128}\$[+/A-Za-z0-9]{1,128}",
        "des": r"[./A-Za-z0-9]{13}",
    }.items()
}
"""Scheme -> what its hashes look like, whole. What fits nothing here never reaches a library."""


def scheme_of(hash: str) -> str:
    """Name the scheme of a hash; empty for what is none that can be verified."""
    return next((name for name, shape in _SHAPES.items() if shape.fullmatch(hash)), "")


def _verify_bcrypt(password: bytes, hash: str) -> bool:
    # A salt's last character has four bits too many. Hashes made by passlib before 1.5.3 have some of them set, and
    # bcrypt refuses such a salt.
    salt = hash[:28] + _BCRYPT64[_BCRYPT64.index(hash[28]) & 0b110000]
    made = bcrypt.hashpw(password[:BCRYPT_LONGEST], salt.encode())
    return hmac.compare_digest(made[29:], hash[29:].encode())


def _verify_sha(password: bytes, hash: str) -> bool:
    return hmac.compare_digest(_sha(password), hash)


def _sha(password: bytes) -> str:
    return "{SHA}" + b64encode(sha1(password, usedforsecurity=False).digest()).decode()


def _verify_argon2(password: bytes, hash: str) -> bool:
    # Not through libpass, which exchanges the bases of its class at the first use, in whatever thread that is.
    from argon2 import PasswordHasher

    return PasswordHasher().verify(hash, password)


_VERIFY: dict[str, Callable[[bytes, str], bool]] = {
    "bcrypt": _verify_bcrypt,
    "apr1": apr_md5_crypt.verify,
    "md5": md5_crypt.verify,
    "sha": _verify_sha,
    "sha256": sha256_crypt.verify,
    "sha512": sha512_crypt.verify,
    "argon2": _verify_argon2,
    "des": des_crypt.verify,
}


def verify(password: str, hash: str) -> bool:
    """Tell whether this is the password of the hash; whatever cannot be is not. Never raises.

    It takes as long as the hash says, which may be hours: bcrypt's cost goes to 31, the rounds of SHA-512 to 10⁹.
    """
    check = _VERIFY.get(scheme_of(hash))
    if check is None:
        return False
    try:
        secret = password.encode()
        return len(secret) <= LONGEST and b"\0" not in secret and check(secret, hash)
    except Exception:
        # Of the libraries' many reasons none lets anybody in: surrogates, too little memory for argon2, no argon2.
        return False


COSTS = {"bcrypt": (4, 17, 12), "sha256": (1000, 999_999_999, 5000), "sha512": (1000, 999_999_999, 5000),
         "argon2": (1, 1000, 3)}  # fmt: skip
"""Scheme -> least, greatest and usual cost. Bounds and rounds are those of Apache's htpasswd; its bcrypt cost of 5 is
a thing of the past."""

SCHEMES = ("bcrypt", "apr1", "sha", "sha256", "sha512", "argon2")
"""The schemes of new hashes, all but the last readable for Apache."""


def longest(scheme: str) -> int:
    """Give the bytes that a new password may have."""
    return BCRYPT_LONGEST if scheme == "bcrypt" else LONGEST


def hash_password(password: str, scheme: str, cost: int | None = None) -> str:
    """Make a hash that Apache's tools read (argon2 apart); raise ConfigError for what makes no sense."""
    if scheme not in SCHEMES:
        raise ConfigError(f"hash {scheme!r} is none of {', '.join(SCHEMES)}")
    cost = checked_cost(scheme, cost)
    secret = _checked_password(password, longest(scheme), f"the most that {scheme} takes")
    if scheme == "bcrypt":
        # Apache's own prefix. The algorithm is that of $2b$, the only name by which bcrypt makes salts.
        return bcrypt.hashpw(secret, b"$2y$" + bcrypt.gensalt(cost).removeprefix(b"$2b$")).decode()
    if scheme == "sha":
        return _sha(secret)
    if scheme == "apr1":
        return str(apr_md5_crypt.hash(secret))
    if scheme == "argon2":
        return _argon2(secret, cost)
    maker = sha256_crypt if scheme == "sha256" else sha512_crypt
    return str(maker.using(rounds=cost).hash(secret))


def _argon2(password: bytes, cost: int) -> str:
    if not ARGON2_IS_HERE:
        raise ConfigError(_NEEDS_ARGON2)
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=cost).hash(password)


def digest_ha1(user: str, realm: str, password: str, algorithm: str) -> str:
    """Make the hash of an htdigest line, for the algorithm ``md5`` or ``sha256``; raise ConfigError."""
    if algorithm not in ("md5", "sha256"):
        raise ConfigError(f"digest algorithm {algorithm!r} is neither md5 nor sha256")
    secret = _checked_password(password, LONGEST, "the most that is read")
    text = b":".join((user.encode(), realm.encode(), secret))
    return (md5(text, usedforsecurity=False) if algorithm == "md5" else sha256(text)).hexdigest()


def checked_cost(scheme: str, cost: int | None) -> int:
    """Give the cost of a new hash, the usual one for None and 0 where there is none; raise ConfigError."""
    if scheme not in COSTS:
        if cost is not None:
            raise ConfigError(f"hash {scheme!r} has no cost")
        return 0
    least, greatest, usual = COSTS[scheme]
    if cost is not None and not least <= cost <= greatest:
        raise ConfigError(f"cost {cost} of {scheme} is not a number from {least} to {greatest}")
    return usual if cost is None else cost


def _checked_password(password: str, most: int, why: str) -> bytes:
    try:
        secret = password.encode()
    except UnicodeEncodeError as error:
        raise ConfigError("the password is not valid text (UTF-8)") from error
    if not secret:
        raise ConfigError("the password is empty")
    if b"\0" in secret:
        raise ConfigError("the password has a NUL byte in it")
    if len(secret) > most:
        raise ConfigError(f"the password is longer than {most} bytes, {why}")
    return secret
