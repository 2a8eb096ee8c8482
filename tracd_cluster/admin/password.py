"""The password of the admin ports: read from a file that nobody else can read."""

from __future__ import annotations

import os

from tracd_cluster.errors import StartError

LEAST = 12
"""Bytes. Guesses are slowed down, but nobody is locked out by those of others."""
LONGEST_FILE = 4096


def read_password(path: str) -> bytes:
    """Give the first line of a file; raise StartError for one that is unreadable, open to everybody or too short."""
    try:
        with open(path, "rb") as file:
            open_to_all = os.fstat(file.fileno()).st_mode & 0o007
            password = file.read(LONGEST_FILE).partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise StartError(f"cannot read --admin-password-file {path}: {error.strerror}") from None
    if open_to_all:
        raise StartError(f"--admin-password-file {path} is open to everybody on this host: chmod o= {path}")
    if len(password) < LEAST:
        raise StartError(
            f"the password in --admin-password-file {path} has {len(password)} bytes; {LEAST} are the least"
        )
    return password
