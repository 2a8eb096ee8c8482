"""A certificate for trying things out: self-signed, for this machine's own names, kept between runs."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tracd_cluster.errors import StartError
from tracd_cluster.front.certificates import Pair, load_pair

NAME = "localhost"
ADDRESSES = ("127.0.0.1", "::1")
LIFETIME = timedelta(days=365)
SPARE = timedelta(days=7)
"""One with less than this left is replaced: whoever tries things out is not to meet its end."""


def demo_pair(folder: str) -> Pair:
    """Say where the demo's certificate and key are."""
    return Pair(os.path.join(folder, "localhost.pem"), os.path.join(folder, "localhost-key.pem"))


def keep(folder: str, now: float) -> Pair:
    """Make the certificate unless there is a good one; raise StartError where it cannot be written."""
    pair = demo_pair(folder)
    with suppress(StartError):
        if load_pair(pair).not_after > now + SPARE.total_seconds():
            return pair
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _write(pair.key, pem, 0o600)
        _write(pair.certificate, make(key, datetime.fromtimestamp(now, UTC)).public_bytes(Encoding.PEM), 0o644)
    except OSError as error:
        raise StartError(f"--demo-cert {folder}: cannot write {error.filename}: {error.strerror}") from None
    return pair


def make(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """Make a certificate that signs itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = [x509.DNSName(NAME), *(x509.IPAddress(ip_address(each)) for each in ADDRESSES)]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(path: str, data: bytes, mode: int) -> None:
    """Put a file in its place whole, never readable for others meanwhile."""
    draft = path + ".new"
    with suppress(FileNotFoundError):
        os.unlink(draft)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    os.replace(draft, path)
