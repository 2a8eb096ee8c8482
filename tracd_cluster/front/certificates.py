"""Certificates and their keys, as files have them: found, read, checked against each other, and chosen by name."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from tracd_cluster.errors import StartError

_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY)-----.*?-----END \1-----\s?", re.DOTALL)
_SUFFIXES = (".pem", ".crt", ".cer", ".cert")
_CERTBOTS = ("fullchain.pem", "privkey.pem")
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Pair:
    """Where a certificate and its key are; one file may have both."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that fits its key, with what leads from it to its root."""

    pair: Pair
    names: tuple[str, ...]
    """What it stands for, in lower case: DNS names, also with ``*``, and addresses; else its common name."""
    not_before: float
    not_after: float
    """Seconds of the wall clock."""
    kind: str
    """RSA, EC, or another algorithm's name: an encryption has room for one of each."""
    chain: bytes
    """Itself and what leads to its root, PEM."""
    key: PrivateKeyTypes = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.pair.certificate} for {', '.join(self.names) or 'no name'}"

    def covers(self, name: str) -> int:
        """Tell how well it fits a name: 2 for the very name, 1 for a wildcard in its first label's place, 0 not."""
        if name in self.names:
            return 2
        return int("*." + name.partition(".")[2] in self.names)


# -- finding


def scan(folder: str) -> list[Pair]:
    """Find what a folder has of certificates with keys, in itself and in its folders; raise StartError if it cannot.

    As certbot lays them out (NAME/fullchain.pem with privkey.pem; its own folder is good as well), NAME.crt or
    NAME.pem with NAME.key or NAME-key.pem, cert.pem with key.pem, and NAME.pem with both in it.
    """
    if all(os.path.isdir(os.path.join(folder, name)) for name in ("live", "archive")):
        folder = os.path.join(folder, "live")
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise StartError(cannot_read(folder, error)) from None
    found = _pairs(folder, names)
    for name in names:
        inner = os.path.join(folder, name)
        if os.path.isdir(inner):
            try:
                found += _pairs(inner, sorted(each for each in os.listdir(inner) if not each.startswith(".")))
            except OSError:
                found.append(_certbots(inner))  # reading it will say why not
    return found


def _pairs(folder: str, names: list[str]) -> list[Pair]:
    if all(name in names for name in _CERTBOTS):
        # Beside these, certbot has the same certificate alone.
        return [_certbots(folder)]
    found = []
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix not in _SUFFIXES:
            continue
        path = os.path.join(folder, name)
        keys = [f"{stem}.key", f"{stem}-key.pem"]
        if stem in ("cert", "fullchain"):
            keys += ["key.pem", "privkey.pem"]
        key = next((each for each in keys if each in names), None)
        if key is not None:
            found.append(Pair(path, os.path.join(folder, key)))
        elif _is_combined(path):
            found.append(Pair(path, path))
    return found


def _certbots(folder: str) -> Pair:
    return Pair(*(os.path.join(folder, name) for name in _CERTBOTS))


def _is_combined(path: str) -> bool:
    """Tell whether a file has both; a key by itself, or what leads to a root, stands for nothing."""
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
    except IsADirectoryError:
        return False
    except OSError:
        return True  # reading it will say why not
    return _PEM_CERTIFICATE in data and b"PRIVATE KEY-----" in data


# -- reading


def load_pair(pair: Pair, passphrase: bytes | None = None) -> Certificate:
    """Read a certificate and its key; raise StartError that names the file which cannot be used, and why."""
    data = read(pair.certificate)
    try:
        chain = x509.load_pem_x509_certificates(data) if _PEM_CERTIFICATE in data else []
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StartError(f"cannot use the certificate {pair.certificate}: {error}") from None
    if not chain:
        raise StartError(f"cannot use the certificate {pair.certificate}: it is not in PEM format")
    key = _key(pair.key, data if pair.key == pair.certificate else read(pair.key), passphrase)
    _fit(pair, chain, key)
    leaf = chain[0]
    return Certificate(
        pair=pair,
        names=_names(leaf),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        kind="RSA" if isinstance(key, rsa.RSAPrivateKey) else "EC" if _is_ec(key) else type(key).__name__,
        chain=b"".join(each.public_bytes(Encoding.PEM) for each in chain),
        key=key,
    )


def read(path: str) -> bytes:
    """Read a file; raise StartError that says what would make it readable."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StartError(cannot_read(path, error)) from None


def _key(path: str, data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    match = _KEY.search(data)
    if match is None:
        raise StartError(f"cannot use the key {path}: there is no private key in PEM format in it")
    pem = match[0]
    encrypted = b"ENCRYPTED" in pem
    if encrypted and passphrase is None:
        raise StartError(f"cannot use the key {path}: it is encrypted, and no --key-passphrase-file is given")
    try:
        return load_pem_private_key(pem, passphrase if encrypted else None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        why = "the passphrase in --key-passphrase-file does not open it" if encrypted else str(error)
        raise StartError(f"cannot use the key {path}: {why}") from None


def _fit(pair: Pair, chain: list[x509.Certificate], key: PrivateKeyTypes) -> None:
    def public(whose: x509.Certificate | PrivateKeyTypes) -> bytes:
        return whose.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    ours = public(key)
    if public(chain[0]) == ours:
        return
    if any(public(each) == ours for each in chain[1:]):
        raise StartError(f"cannot use the certificate {pair.certificate}: that of the key has to stand first in it")
    raise StartError(
        f"cannot use the key {pair.key} with the certificate {pair.certificate}: they do not belong together"
    )


def _is_ec(key: PrivateKeyTypes) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = found.get_values_for_type(x509.DNSName)
        names += [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        names = []
    if not names:
        names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[:1]]
    return tuple(dict.fromkeys(name.lower() for name in names))


def client_name(certificate: x509.Certificate, kind: str) -> str:
    """Give the user that a client's certificate names: by ``cn``, ``email`` or ``dns``; empty if it does not.

    A name that is not unique, or has a character that no name has, is none.
    """
    if kind == "cn":
        names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    else:
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
            return ""
        names = found.get_values_for_type(x509.RFC822Name if kind == "email" else x509.DNSName)
    return names[0] if len(names) == 1 and names[0].isprintable() else ""


def cannot_read(path: str, error: OSError) -> str:
    """Say that a file cannot be read; where it is not let, what to change."""
    text = f"cannot read {path}: {error.strerror}"
    if not isinstance(error, PermissionError):
        return text
    barred = _barred(path)
    is_folder = os.path.isdir(barred)
    group = _group_name(os.getegid())
    cure = f"chgrp {group} {barred} && chmod {'g+rx' if is_folder else 'g+r'} {barred}"
    return (
        f"{text} as user {_user_name(os.geteuid())}; let its group in ({cure}), or have the renewal put a copy where "
        "it can be read (docs/https.md, deploy/certbot)"
    )


def _barred(path: str) -> str:
    """Find the first folder on the way to a file that does not let us through, or else the file."""
    steps = os.path.realpath(path).split(os.sep)
    for end in range(2, len(steps)):
        step = os.sep.join(steps[:end])
        if not os.access(step, os.X_OK):
            return step
    return os.sep.join(steps)


def _user_name(number: int) -> str:
    return _called(lambda: pwd.getpwuid(number).pw_name, number)


def _group_name(number: int) -> str:
    return _called(lambda: grp.getgrgid(number).gr_name, number)


def _called(look_up: Callable[[], str], number: int) -> str:
    try:
        return look_up()
    except KeyError:
        return str(number)


# -- choosing


def choose(certificates: Iterable[Certificate], name: str, default: Certificate) -> tuple[Certificate, ...]:
    """Choose what to show to a client that asks for ``name``: the best of each kind that covers it, else the default.

    The very name is better than a wildcard, and then what lasts longer. The client's abilities decide between the
    kinds; it is OpenSSL that knows them.
    """
    best: dict[str, tuple[int, float, Certificate]] = {}
    for each in certificates:
        rank = each.covers(name), each.not_after
        if rank[0] and (each.kind not in best or rank > best[each.kind][:2]):
            best[each.kind] = (*rank, each)
    return tuple(each for _, _, each in best.values()) or (default,)
