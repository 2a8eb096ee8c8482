"""Certificates for tests, each made once: by one authority, with keys that are quickly made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

PASSPHRASE = b"high tide"


def authority(name: str = "first") -> trustme.CA:
    """Give an authority; each name is another one."""
    return _authority(name)


@cache
def _authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


@cache
def intermediate() -> trustme.CA:
    """Give an authority that the first one has signed."""
    return authority().create_child_ca()


@cache
def issue(
    *names: str, kind: str = "ECDSA", days: float = 90, begun: float = 1, cn: str | None = None, serial: int = 0
) -> trustme.LeafCert:
    """Give a certificate for these names; it began ``begun`` days ago. Another ``serial`` is another certificate."""
    now = datetime.now(UTC)
    return authority().issue_cert(
        *names,
        common_name=cn,
        key_type=trustme.KeyType[kind],
        not_before=now - timedelta(days=begun),
        not_after=now + timedelta(days=days),
    )


@cache
def issue_chained(*names: str) -> trustme.LeafCert:
    """Give a certificate that is two steps from its root."""
    return intermediate().issue_cert(*names)


def chain_of(leaf: trustme.LeafCert) -> bytes:
    """Give a certificate with what leads to its root, PEM."""
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def key_of(leaf: trustme.LeafCert, passphrase: bytes | None = None) -> bytes:
    """Give its key, PEM, encrypted if there is a passphrase."""
    pem = leaf.private_key_pem.bytes()
    if passphrase is None:
        return pem
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def write_certbots(folder: Path, leaf: trustme.LeafCert) -> Path:
    """Lay a certificate out as certbot does, and give its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    put(folder / "fullchain.pem", chain_of(leaf))
    put(folder / "cert.pem", leaf.cert_chain_pems[0].bytes())
    put(folder / "chain.pem", b"".join(blob.bytes() for blob in leaf.cert_chain_pems[1:]))
    put(folder / "privkey.pem", key_of(leaf))
    return folder


def put(path: Path, data: bytes) -> Path:
    """Put a file in its place whole."""
    draft = path.with_name("." + path.name)
    draft.write_bytes(data)
    draft.replace(path)
    return path


def ca_file(folder: Path, *names: str) -> Path:
    """Write what signs certificates; that of the first authority if no other is named."""
    return put(folder / "ca.pem", b"".join(authority(name).cert_pem.bytes() for name in names or ("first",)))
