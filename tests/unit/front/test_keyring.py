"""Certificates in force, and what it takes to change them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time

import pytest
import trustme
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.certificates import PASSPHRASE, ca_file, chain_of, issue, key_of, put, write_certbots
from tracd_cluster.errors import StartError
from tracd_cluster.front.keyring import DAY, LOOK, Keyring
from tracd_cluster.settings.front import TlsSettings

A, A2, B = issue("a.example.org"), issue("a.example.org", serial=2), issue("b.example.org")
EXPIRED = issue("a.example.org", days=-1, begun=90)
EARLY = issue("a.example.org", days=90, begun=-1)

Lines = Callable[[], list[str]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Take what was logged since the last time."""
    found: list[str] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        found.append(f"{event['log_level'].name}: {formatEvent(event)}")

    def take() -> list[str]:
        taken = found[:]
        found.clear()
        return taken

    globalLogPublisher.addObserver(observe)
    yield take
    globalLogPublisher.removeObserver(observe)


class Held:
    """A keyring with its clock."""

    def __init__(self, **settings: str) -> None:
        self.keyring = Keyring(TlsSettings(**settings), lambda certificates, authorities: None)  # type: ignore[arg-type]
        self.now = time()
        self.faults = self.keyring.read(self.now)
        self.look()

    def look(self, after: float = LOOK) -> bool:
        """Let time pass, and look."""
        self.now += after
        return self.keyring.look(self.now)

    def shows(self, leaf: trustme.LeafCert) -> bool:
        """Tell whether a certificate is the first one."""
        return self.keyring.certificates[0].chain == chain_of(leaf)


def write(folder: Path, certificate: trustme.LeafCert, key: trustme.LeafCert | None = None) -> Path:
    """Write a pair, and give the certificate."""
    put(folder / "a.key", key_of(key or certificate))
    return put(folder / "a.crt", chain_of(certificate))


def hold(folder: Path) -> Held:
    """Hold the pair of a folder by its files' names."""
    return Held(certificate=str(folder / "a.crt"), key=str(folder / "a.key"))


def test_a_renewed_pair_is_taken_up_at_once(tmp_path: Path, lines: Lines) -> None:
    """The next look sees it; nothing is looked at before, and nothing happens when nothing has changed."""
    write(tmp_path, A)
    held = hold(tmp_path)
    assert not held.look()
    write(tmp_path, A2)
    assert not held.look(after=LOOK / 2)
    assert held.look(after=LOOK / 2)
    assert held.shows(A2)
    assert not held.look()
    taken = [line for line in lines() if "taken up" in line]
    assert 1 == len(taken)
    assert f"{tmp_path / 'a.crt'} for a.example.org, until 20" in taken[0]


def test_a_pair_that_is_half_written_is_waited_for(tmp_path: Path, lines: Lines) -> None:
    """The certificate is new and the key still old, as between two steps of a renewal: not a word of that."""
    write(tmp_path, A)
    held = hold(tmp_path)
    write(tmp_path, A2, key=A)
    assert not held.look()
    put(tmp_path / "a.key", key_of(A2))
    assert held.look()
    assert held.shows(A2)
    assert 1 == len(lines())


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        (chain_of(A2), key_of(A), "they do not belong together"),
        (b"nothing", key_of(A2), "it is not in PEM format"),
        (chain_of(A2), b"nothing", "there is no private key in PEM format in it"),
        (chain_of(EXPIRED), key_of(EXPIRED), "has expired on"),
        (chain_of(EARLY), key_of(EARLY), "is not valid before"),
    ],
)
def test_a_bad_pair_never_replaces_a_good_one(
    tmp_path: Path, lines: Lines, certificate: bytes, key: bytes, said: str
) -> None:
    """One message for each change, and the old pair stays, until there is a good one."""
    write(tmp_path, A)
    held = hold(tmp_path)
    put(tmp_path / "a.crt", certificate)
    put(tmp_path / "a.key", key)
    for _ in range(5):
        assert not held.look()
    complaints = lines()
    assert 1 == len(complaints), complaints
    assert said in complaints[0]
    assert str(tmp_path) in complaints[0]
    assert complaints[0].startswith("error: ")
    assert complaints[0].endswith("; what was read before stays in force")
    assert held.shows(A)
    write(tmp_path, A2)
    assert held.look()
    assert held.shows(A2)


def test_files_that_vanish_are_missed_once(tmp_path: Path, lines: Lines) -> None:
    """The last certificate is never given up."""
    write(tmp_path, A)
    held = hold(tmp_path)
    (tmp_path / "a.crt").unlink()
    for _ in range(4):
        held.look()
    assert 1 == len([line for line in lines() if "No such file" in line])
    assert held.shows(A)


def test_one_that_is_too_early_is_taken_up_when_its_time_has_come(tmp_path: Path) -> None:
    """A clock that is a little behind is no reason to refuse it for good."""
    write(tmp_path, A)
    held = hold(tmp_path)
    write(tmp_path, EARLY)
    assert not held.look()
    assert not held.look()
    assert held.look(after=2 * DAY)
    assert held.shows(EARLY)


def test_an_expired_one_is_served_where_there_is_nothing_better(tmp_path: Path, lines: Lines) -> None:
    """A start in the night is not to fail for it; and what replaces it is better."""
    write(tmp_path, EXPIRED)
    held = hold(tmp_path)
    assert held.shows(EXPIRED)
    assert ["error: Certificate has expired on"] == [line[:33] for line in lines()]
    write(tmp_path, A)
    assert held.look()


def test_days_to_expiry_are_told_once_a_day(tmp_path: Path, lines: Lines) -> None:
    """Under 21, and at the start as well."""
    leaf = issue("a.example.org", days=20.5)
    write(tmp_path, leaf)
    held = hold(tmp_path)
    assert [line.startswith("warn: Certificate expires in 20 days, on 20") for line in lines()] == [True]
    for _ in range(3):
        held.look()
    assert [] == lines()
    held.look(after=DAY)
    assert [line.startswith("warn: Certificate expires in 19 days") for line in lines()] == [True]


def test_a_folder_with_one_bad_pair_serves_the_others(tmp_path: Path, lines: Lines) -> None:
    """At the start it is told, later the pair that was read before stays."""
    write_certbots(tmp_path / "a", A)
    write_certbots(tmp_path / "b", B)
    put(tmp_path / "b" / "privkey.pem", key_of(A))
    held = Held(folder=str(tmp_path))
    assert ["they do not belong together"] == [fault.rpartition(": ")[2] for fault in held.faults]
    assert [("a.example.org",)] == [each.names for each in held.keyring.certificates]
    put(tmp_path / "b" / "privkey.pem", key_of(B))
    assert held.look()
    assert 2 == len(held.keyring.certificates)
    assert ("a.example.org",) == held.keyring.default.names
    put(tmp_path / "b" / "privkey.pem", key_of(A))
    write_certbots(tmp_path / "c", A2)
    held.look()
    assert held.look()
    assert 3 == len(held.keyring.certificates)
    assert 1 == len([line for line in lines() if "do not belong together" in line])


def test_a_certificate_whose_folder_is_gone_is_dropped(tmp_path: Path, lines: Lines) -> None:
    """At the second look: links are replaced by taking them away first."""
    write_certbots(tmp_path / "a", A)
    write_certbots(tmp_path / "b", B)
    held = Held(folder=str(tmp_path))
    shutil.rmtree(tmp_path / "b")
    assert not held.look()
    assert held.look()
    assert [("a.example.org",)] == [each.names for each in held.keyring.certificates]
    assert any("its files are gone" in line for line in lines())
    shutil.rmtree(tmp_path / "a")
    for _ in range(3):
        assert not held.look()
    assert held.shows(A)


def test_the_named_certificate_is_the_default(tmp_path: Path) -> None:
    """--certfile beside --cert-dir: whoever asks for nothing gets that."""
    write_certbots(tmp_path / "live" / "a", A)
    put(tmp_path / "b.pem", chain_of(B) + key_of(B))
    held = Held(certificate=str(tmp_path / "b.pem"), folder=str(tmp_path / "live"))
    assert ("b.example.org",) == held.keyring.default.names
    assert 2 == len(held.keyring.certificates)


@pytest.mark.parametrize("what", ["empty", "bad certfile", "bad pairs"])
def test_nothing_usable_ends_the_start(tmp_path: Path, what: str) -> None:
    """And so does a named certificate that cannot be used, whatever else there is."""
    live = tmp_path / "live"
    live.mkdir()
    settings = {"folder": str(live)}
    said = "no certificate with its key is there, such as NAME/fullchain.pem with privkey.pem"
    if what == "bad certfile":
        write_certbots(live / "a", A)
        settings["certificate"] = str(put(tmp_path / "b.pem", chain_of(B)))
        said = r"b\.pem: there is no private key"
    elif what == "bad pairs":
        write_certbots(live / "a", A)
        put(live / "a" / "privkey.pem", key_of(B))
        said = "they do not belong together"
    with pytest.raises(StartError, match=said):
        Held(**settings)


def test_the_passphrase_may_change_with_the_key(tmp_path: Path) -> None:
    """Its file is looked at as well."""
    put(tmp_path / "pass", PASSPHRASE + b"\n")
    put(tmp_path / "a.key", key_of(A, PASSPHRASE))
    put(tmp_path / "a.crt", chain_of(A))
    held = Held(
        certificate=str(tmp_path / "a.crt"), key=str(tmp_path / "a.key"), passphrase_file=str(tmp_path / "pass")
    )
    put(tmp_path / "a.crt", chain_of(A2))
    put(tmp_path / "a.key", key_of(A2, b"low"))
    assert not held.look()
    put(tmp_path / "pass", b"low\nignored\n")
    assert held.look()


def test_authorities_of_clients_are_renewed_too(tmp_path: Path, lines: Lines) -> None:
    """An empty file is not taken for nobody, or for everybody."""
    write(tmp_path, A)
    ca = ca_file(tmp_path)
    held = Held(certificate=str(tmp_path / "a.crt"), key=str(tmp_path / "a.key"), client_ca=str(ca))
    before = held.keyring.authorities
    put(ca, b"")
    assert [False, False, False] == [held.look() for _ in range(3)]
    assert 1 == len([line for line in lines() if "ca.pem: it is empty" in line])
    assert before == held.keyring.authorities
    ca_file(tmp_path, "first", "second")
    assert held.look()
    assert before != held.keyring.authorities


def test_a_reload_that_was_asked_for(tmp_path: Path, lines: Lines) -> None:
    """It looks at once, and tells what is wrong though nothing has changed since it was told."""
    write(tmp_path, A)
    held = hold(tmp_path)
    put(tmp_path / "a.key", key_of(B))
    held.look()
    held.look()
    assert 1 == len(lines())
    held.keyring.reload()
    held.look(after=0)
    held.look()
    assert 1 == len(lines())
