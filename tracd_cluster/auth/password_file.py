"""One password file on disk: its last good content, and when a change of it counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, Protocol, TypeVar

from twisted.logger import Logger

from tracd_cluster.errors import StartError, TracdClusterError

LARGEST = 16 << 20
"""Bytes of a file that are read, good for some 200 000 users; more is a mistake such as the path of a log."""

COARSEST = 2.0
"""Seconds within which two changes of a file may leave it with one and the same time of change: FAT keeps even ones.
A new content is read again for that long, as git does with its index."""

FAULTS_TOLD = 20
"""Faults that are logged for one version of a file; the number of the others is enough."""

log = Logger()


class Users(Protocol):
    """What a password file holds."""

    @property
    def users(self) -> Set[str]:
        """Everybody whom it knows, also those who cannot log in."""
        ...

    @property
    def faults(self) -> tuple[str, ...]:
        """Each line that cannot be used, with the reason."""
        ...


Content = TypeVar("Content", bound=Users)


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells one version of a file from another without reading it."""

    inode: int
    size: int
    changed: int


class Unusable(TracdClusterError):
    """A file that is there but is not read; the message says why."""


class PasswordFile(Generic[Content]):
    """A password file of which the last good content stays in use, whatever becomes of the file.

    ``content`` is that, and ``version`` grows by one with each new one, so that whoever remembers something of it
    knows when to forget. The first content is read at once, or StartError is raised; ``look`` takes the later ones.

    A file that was put in place of the former by a rename is whole and is taken at once. One that is written where
    it is may be half written: it is taken when it looks the same twice.
    """

    def __init__(self, path: str, parse: Callable[[bytes], Content]) -> None:
        self.path = path
        self._parse = parse
        try:
            self._signature, data = read(path)
        except (OSError, ValueError, Unusable) as error:
            raise StartError(f"cannot read password file {path}: {reason_of(error)}") from error
        self.content = parse(data)
        self.version = 1
        self._sum = sha256(data).digest()
        self._seen: float | None = None
        self._reread = True
        self._unsteady: Signature | None = None
        self._warned: tuple[Signature | None, str] | None = None
        self._tell_faults()
        if not self.content.users:
            log.warn("{file}: has no users, so nobody can log in", file=path)

    def __repr__(self) -> str:
        return f"<PasswordFile {self.path} version={self.version} users={len(self.content.users)}>"

    def look(self, now: float) -> None:
        """See whether the file has changed, and take what is new and good; ``now`` is a time in seconds.

        It costs one stat as long as nothing changes, and never raises.
        """
        found: Signature | None = None
        try:
            found = signature_of(os.stat(self.path))
            if found != self._signature or self._reread:
                self._read(now)
        except (OSError, Unusable) as error:
            self._keep(found, f"{reason_of(error)}; the last good version stays in use")
        except Exception as error:
            # A fault of ours must not end the timer that calls us, nor fill the log twice a second.
            self._keep(found, f"reading it failed, the last good version stays in use: {error!r}")

    def _keep(self, found: Signature | None, reason: str) -> None:
        self._warn(found, reason)
        # It may come back as the very file that it was.
        self._reread = True

    def _read(self, now: float) -> None:
        signature, data = read(self.path)
        in_place = signature != self._signature and signature.inode == self._signature.inode
        if in_place and signature != self._unsteady:
            self._unsteady = signature
            return
        self._unsteady = None
        if signature != self._signature or self._seen is None or now < self._seen:
            self._signature = signature
            self._seen = now
        self._reread = now - self._seen < COARSEST
        self._take(data)

    def _take(self, data: bytes) -> None:
        total = sha256(data).digest()
        if total != self._sum:
            content = self._parse(data)
            if self.content.users and not content.users:
                self._warn(
                    self._signature,
                    "has no users any more; the last good version stays in use (to let nobody log in, leave a user "
                    "with * for a hash in it)",
                )
                return
            self._sum = total
            self.content = content
            self.version += 1
            users = len(content.users)
            log.info("{file}: version {version} is in use, users: {users}", file=self.path, version=self.version,
                     users=users)  # fmt: skip
            self._tell_faults()
        elif self._warned:
            log.info("{file}: is as it was before, and in use", file=self.path)
        self._warned = None

    def _tell_faults(self) -> None:
        faults = self.content.faults
        for fault in faults[:FAULTS_TOLD]:
            log.warn("{file}: {fault}", file=self.path, fault=fault)
        if faults[FAULTS_TOLD:]:
            log.warn("{file}: {count} more faults", file=self.path, count=len(faults) - FAULTS_TOLD)

    def _warn(self, signature: Signature | None, reason: str) -> None:
        # What is wrong is wrong at every look, but it is told once until something changes.
        if self._warned != (signature, reason):
            self._warned = signature, reason
            log.warn("{file}: {reason}", file=self.path, reason=reason)


def read(path: str) -> tuple[Signature, bytes]:
    """Read a whole file; raise OSError, or Unusable for what is no file or too large."""
    # A pipe would block us, before anybody could see that it is one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unusable("Not a regular file")
        data = stream.read(LARGEST + 1) if status.st_size <= LARGEST else b""
        if max(status.st_size, len(data)) > LARGEST:
            raise Unusable(f"Larger than {LARGEST >> 20} MiB")
        # Taken after reading, so that a file that is being written does not look the same twice.
        return signature_of(os.fstat(descriptor)), data


def signature_of(status: os.stat_result) -> Signature:
    """Give what of a file's status changes with its content."""
    return Signature(status.st_ino, status.st_size, status.st_mtime_ns)


def reason_of(error: Exception) -> str:
    """Give what a user needs of an error, without the path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
