"""The certificates in force: read at the start, taken up anew when their files change, and never lost by that.

Note [Renewal]. Whoever renews a certificate writes two files or more, one after the other, or moves links. So a look
that finds something new which is not good says nothing: the next look, a second later, decides. What is good then
is taken up; of what is not, one message tells, and the certificate that was read before stays for as long as it has
to. The same holds for what vanishes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from twisted.logger import Logger

from tracd_cluster.errors import StartError
from tracd_cluster.front import demo_certificate
from tracd_cluster.front.certificates import Certificate, Pair, load_pair, read, scan
from tracd_cluster.settings.front import TlsSettings

log = Logger()

LOOK = 1.0
"""Seconds between two looks at the files."""
EXAMPLES = "NAME/fullchain.pem with privkey.pem, or NAME.crt with NAME.key"
DAY = 86400.0
SOON = 21 * DAY
"""Let's Encrypt's are renewed with 30 days left; with fewer than this, that has failed for days."""

Signature = tuple[object, ...]


class Keyring:
    """All certificates with their keys, and the authorities of clients.

    ``try_out`` raises StartError for certificates or authorities that OpenSSL does not take. ``read`` comes first,
    then ``look`` every now and then; ``default`` and ``certificates`` are what is in force, ``authorities`` PEM or
    empty.
    """

    def __init__(self, settings: TlsSettings, try_out: Callable[[tuple[Certificate, ...], bytes], object]) -> None:
        self._settings = settings
        self._try_out = try_out
        self._loaded: dict[Pair, Certificate] = {}
        self._taken: Signature = ()
        """What the files looked like when they were last decided on."""
        self._doubted: Signature = ()
        """What they looked like when something was wrong for the first time."""
        self._next_look = self._next_warning = 0.0
        self._valid_from = float("inf")
        """When something that was refused for being too early would be right."""
        self.authorities = b""

    def __repr__(self) -> str:
        return f"<Keyring of {', '.join(map(str, self.certificates)) or 'nothing'}>"

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Everything that can be shown to a client."""
        return tuple(self._loaded.values())

    @property
    def default(self) -> Certificate:
        """What a client gets that asks for nothing, or for what is not there."""
        if self._settings.certificate is not None or self._settings.demo is not None:
            return next(iter(self._loaded.values()))
        return min(self._loaded.values(), key=lambda each: (each.names, each.pair.certificate))

    # -- the start

    def read(self, now: float) -> list[str]:
        """Read everything; give what is wrong with some of it. Raises StartError if serving cannot begin.

        One that has expired is served: visitors who see a warning are better off than those who see nothing.
        """
        if self._settings.demo is not None:
            demo_certificate.keep(self._settings.demo, now)
        self._taken = self._signature()
        good, faults, _ = self._load(now)
        if self._settings.certificate is not None and faults and self._own_pair() not in good:
            raise StartError(faults[0])
        if not good:
            nothing = f"--cert-dir {self._settings.folder}: no certificate with its key is there, such as {EXAMPLES}"
            raise StartError(faults[0] if faults else nothing)
        self.authorities = self._read_authorities()
        self._loaded = good
        self._next_look = now + LOOK
        return faults

    # -- later

    def reload(self) -> None:
        """Have the next look take up what there is, whether it seems to have changed or not."""
        self._taken = ()
        self._next_look = 0.0

    def look(self, now: float) -> bool:
        """See whether there is anything new, and take it up; tell whether something else is in force now."""
        if now < self._next_look:
            return False
        self._next_look = now + LOOK
        if now >= self._next_warning:
            self._next_warning = now + DAY
            self.warn_of_expiry(now)
        signature = self._signature()
        if signature == self._taken and now < self._valid_from:
            self._doubted = ()
            return False
        authorities, faults = self.authorities, list[str]()
        try:
            authorities = self._read_authorities()
            good, faults, early = self._load(now)
        except StartError as error:
            good, early = dict(self._loaded), float("inf")
            faults.append(str(error))
        lost = [pair for pair in self._loaded if pair not in good]
        if (faults or lost) and self._doubted != signature:
            self._doubted = signature  # Note [Renewal]
            return False
        self._taken, self._doubted, self._valid_from = signature, (), early
        return self._take_up(good, faults, authorities)

    def _take_up(self, good: dict[Pair, Certificate], faults: list[str], authorities: bytes) -> bool:
        for fault in faults:
            log.error("{fault}; what was read before stays in force", fault=fault)
        before, authorities_before = self._loaded, self.authorities
        if good:
            self._loaded, self.authorities = good, authorities
        for pair, each in good.items():
            if pair not in before or before[pair].chain != each.chain:
                log.info("Certificate taken up: {each}, until {end}", each=each, end=_day(each.not_after))
                self._next_warning = 0.0
        for pair, each in before.items():
            if pair not in self._loaded:
                log.warn("Certificate dropped, its files are gone: {each}", each=each)
        return before != self._loaded or authorities_before != self.authorities

    def warn_of_expiry(self, now: float) -> None:
        """Tell of each certificate that ends soon, or has ended."""
        for each in self.certificates:
            if each.not_after <= now:
                log.error("Certificate has expired on {end}: {each}", end=_day(each.not_after), each=each)
            elif each.not_after < now + SOON:
                log.warn(
                    "Certificate expires in {days} days, on {end}: {each}",
                    days=int((each.not_after - now) // DAY),
                    end=_day(each.not_after),
                    each=each,
                )

    # -- files

    def _own_pair(self) -> Pair:
        certificate = self._settings.certificate
        assert certificate is not None
        return Pair(certificate, self._settings.key or certificate)

    def _pairs(self) -> Iterator[Pair]:
        """Give the pairs there are, the default first."""
        if self._settings.certificate is not None:
            yield self._own_pair()
        if self._settings.demo is not None:
            yield demo_certificate.demo_pair(self._settings.demo)
        if self._settings.folder is not None:
            yield from scan(self._settings.folder)

    def _load(self, now: float) -> tuple[dict[Pair, Certificate], list[str], float]:
        """Read all pairs: those that can be served, what is wrong, and when to try again what is too early.

        A pair that is not good keeps what was read of it before.
        """
        good: dict[Pair, Certificate] = {}
        faults: list[str] = []
        early = float("inf")
        passphrase = self._read_passphrase()
        for pair in self._pairs():
            before = self._loaded.get(pair)
            try:
                found = load_pair(pair, passphrase)
                self._try_out((found,), b"")
                if before is not None and before.not_after > now:
                    early = min(early, found.not_before if found.not_before > now else early)
                    _refuse_outdated(found, now)
                good[pair] = found
            except StartError as error:
                faults.append(str(error))
                if before is not None:
                    good[pair] = before
        return good, faults, early

    def _read_passphrase(self) -> bytes | None:
        path = self._settings.passphrase_file
        return read(path).partition(b"\n")[0].rstrip(b"\r") if path is not None else None

    def _read_authorities(self) -> bytes:
        path = self._settings.client_ca
        if path is None:
            return b""
        authorities = read(path)
        if not authorities.strip():
            raise StartError(f"cannot use --client-ca {path}: it is empty")
        self._try_out((), authorities)
        return authorities

    def _signature(self) -> Signature:
        """Say what the files look like, as far as that can be seen."""
        paths: list[str | None] = [self._settings.passphrase_file, self._settings.client_ca]
        try:
            for pair in self._pairs():
                paths += (pair.certificate, pair.key)
        except StartError as error:
            return (str(error),)
        return tuple(_look_of(path) for path in paths if path is not None)


def problems(certificates: Iterable[Certificate], now: float) -> Iterator[tuple[bool, str]]:
    """Say what is wrong with the dates of certificates, and of each whether it is so already."""
    for each in certificates:
        if each.not_after <= now:
            yield True, f"the certificate {each} has expired on {_day(each.not_after)}"
        elif each.not_before > now:
            yield True, f"the certificate {each} is not valid before {_day(each.not_before)}"
        elif each.not_after < now + SOON:
            yield False, f"the certificate {each} expires in {int((each.not_after - now) // DAY)} days"


def _refuse_outdated(found: Certificate, now: float) -> None:
    for already, text in problems([found], now):
        if already:
            raise StartError(f"cannot use what has changed: {text}")


def _look_of(path: str) -> tuple[object, ...]:
    try:
        found = os.stat(path)
    except OSError as error:
        return path, error.errno
    # Whether we may read it counts: that may change, by the mode of a folder too, without a change of the file.
    return path, found.st_ino, found.st_size, found.st_mtime_ns, os.access(path, os.R_OK)


def _day(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}"
