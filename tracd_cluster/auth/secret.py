"""The secret that signs nonces: of this process's own, or from a file that several hosts share."""

from __future__ import annotations

import os
from contextlib import suppress

from tracd_cluster.errors import StartError

LENGTH = 32
"""Bytes of a new secret; as many as the output of the hash it is used with (RFC 2104 section 3)."""
LEAST = 16


def read_secret(path: str | None) -> bytes:
    """Give a new secret, or that of a file, which is made for this user alone if it is not there.

    Raises StartError for a file that cannot be read or made, or is too short to be a secret.
    """
    if path is None:
        return os.urandom(LENGTH)
    try:
        with suppress(FileExistsError):
            _make(path)
        with open(path, "rb") as file:
            open_to_all = os.fstat(file.fileno()).st_mode & 0o007
            secret = file.read(4096).strip()
    except OSError as error:
        raise StartError(f"cannot read --secret-file {path}: {error.strerror}") from None
    if open_to_all:
        raise StartError(f"--secret-file {path} is open to everybody on this host: chmod o= {path}")
    if len(secret) < LEAST:
        raise StartError(f"--secret-file {path} has {len(secret)} bytes; a secret has {LEAST} at the least")
    return secret


def _make(path: str) -> None:
    """Make the file, whole from the first moment: other hosts may look for it just now. Raises FileExistsError."""
    if os.path.exists(path):
        return
    draft = f"{path}.{os.urandom(8).hex()}"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(LENGTH).hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a new name for it, a second name does not take the place of a file that has come meanwhile.
        os.link(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)
