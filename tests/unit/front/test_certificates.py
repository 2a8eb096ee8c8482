"""Certificates and keys as operators have them in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.certificates import (
    PASSPHRASE,
    authority,
    chain_of,
    intermediate,
    issue,
    issue_chained,
    key_of,
    put,
    write_certbots,
)
from tests.modes import barred_by_modes
from tracd_cluster.errors import StartError
from tracd_cluster.front.certificates import Certificate, Pair, cannot_read, choose, client_name, load_pair, scan


def pair_of(folder: Path, certificate: bytes, key: bytes) -> Pair:
    """Write two files."""
    return Pair(str(put(folder / "c.pem", certificate)), str(put(folder / "k.pem", key)))


def test_what_a_certificate_says(tmp_path: Path) -> None:
    """Names are those it was made for, an address among them, and the chain comes along."""
    leaf = issue_chained("Trac.example.org", "*.trac.example.org", "192.0.2.7")
    found = load_pair(pair_of(tmp_path, chain_of(leaf), key_of(leaf)))
    assert ("trac.example.org", "*.trac.example.org", "192.0.2.7") == found.names
    assert ("EC", 2) == (found.kind, found.chain.count(b"BEGIN CERTIFICATE"))
    assert found.not_before < found.not_after
    assert "PRIVATE" not in repr(found)
    assert leaf.private_key_pem.bytes().split()[4].decode() not in repr(found)


def test_the_common_name_stands_in(tmp_path: Path) -> None:
    """A certificate of old without alternative names is for its common name."""
    leaf = intermediate()
    blob = leaf.cert_pem.bytes()
    found = load_pair(pair_of(tmp_path, blob, leaf.private_key_pem.bytes()))
    assert found.names == ()  # trustme's authorities have neither
    assert "no name" in str(found)


def test_rsa_and_a_combined_file_in_any_order(tmp_path: Path) -> None:
    """One file may hold both, the key first or last."""
    leaf = issue("rsa.example.org", kind="RSA")
    for data in (key_of(leaf) + chain_of(leaf), chain_of(leaf) + b"\n# the key\n" + key_of(leaf)):
        path = str(put(tmp_path / "both.pem", data))
        assert "RSA" == load_pair(Pair(path, path)).kind


def test_an_encrypted_key(tmp_path: Path) -> None:
    """It opens with its passphrase; without, or with another one, the message says what is missing."""
    leaf = issue("a.example.org")
    pair = pair_of(tmp_path, chain_of(leaf), key_of(leaf, PASSPHRASE))
    assert ("a.example.org",) == load_pair(pair, PASSPHRASE).names
    with pytest.raises(StartError, match=r"k.pem: it is encrypted, and no --key-passphrase-file is given"):
        load_pair(pair)
    with pytest.raises(StartError, match=r"k.pem: the passphrase in --key-passphrase-file does not open it"):
        load_pair(pair, b"low tide")


def test_a_passphrase_does_not_hurt_a_plain_key(tmp_path: Path) -> None:
    """One file with a passphrase serves for folders where only some keys have one."""
    leaf = issue("a.example.org")
    assert "EC" == load_pair(pair_of(tmp_path, chain_of(leaf), key_of(leaf)), PASSPHRASE).kind


A, B = issue("a.example.org"), issue("b.example.org")


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        (b"nothing", key_of(A), r"certificate .*c\.pem: it is not in PEM format"),
        (b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", key_of(A), r"certificate .*c\.pem: "),
        (chain_of(A), b"nothing", r"key .*k\.pem: there is no private key in PEM format in it"),
        (chain_of(A), chain_of(A), r"key .*k\.pem: there is no private key in PEM format in it"),
        (chain_of(A), key_of(A)[:80] + key_of(A)[100:], r"key .*k\.pem: "),
        (chain_of(A), key_of(B), r"key .*k\.pem with the certificate .*c\.pem: they do not belong together"),
        (authority().cert_pem.bytes() + chain_of(A), key_of(A), r"c\.pem: that of the key has to stand first in it"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path: Path, certificate: bytes, key: bytes, said: str) -> None:
    """The message says which file, and what is wrong with it."""
    with pytest.raises(StartError, match=said):
        load_pair(pair_of(tmp_path, certificate, key))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The system's words, with the path."""
    with pytest.raises(StartError, match=r"cannot read .*none\.pem: No such file or directory"):
        load_pair(Pair(str(tmp_path / "none.pem"), str(tmp_path / "none.pem")))


def test_a_folder_that_bars_the_way_is_named(tmp_path: Path) -> None:
    """What to change is the folder, if that is where it ends."""
    (tmp_path / "live").mkdir(mode=0)
    with barred_by_modes():
        said = cannot_read(str(tmp_path / "live" / "k.pem"), PermissionError(13, "no"))
    assert "live && chmod g+rx" in said


def test_a_barred_file_is_named_with_the_cure(tmp_path: Path) -> None:
    """The message can be typed in."""
    path = put(tmp_path / "k.pem", b"")
    said = cannot_read(str(path), PermissionError(13, "Permission denied"))
    assert f"cannot read {path}: Permission denied as user " in said
    assert f"{path} && chmod g+r {path}" in said
    assert "deploy/certbot" in said


# -- folders


def test_a_folder_as_certbot_lays_it_out(tmp_path: Path) -> None:
    """The full chain with its key, of each name, by links; what else certbot has there is left alone."""
    for name in ("b.example.org", "a.example.org"):
        archive = write_certbots(tmp_path / "archive" / name, issue(name))
        live = tmp_path / "live" / name
        live.mkdir(parents=True)
        for file in archive.iterdir():
            (live / file.name).symlink_to(file)
        (live / "README").write_text("x")
    (tmp_path / "live" / "README").write_text("x")
    expected = [
        Pair(str(tmp_path / "live" / name / "fullchain.pem"), str(tmp_path / "live" / name / "privkey.pem"))
        for name in ("a.example.org", "b.example.org")
    ]
    assert expected == scan(str(tmp_path / "live"))
    assert expected == scan(str(tmp_path)), "certbot's own folder is as good"


def test_other_habits(tmp_path: Path) -> None:
    """Pairs side by side, in folders, and both in one file; keys and authorities by themselves are none."""
    chain, key = chain_of(A), key_of(A)
    (tmp_path / "inner").mkdir()
    files = {
        "one.crt": chain, "one.key": key, "two.pem": chain, "two-key.pem": key, "three.pem": chain + key,
        "four.pem": chain, "four.key": key, "authority.pem": chain, "alone-key.pem": key, "notes.txt": b"",
        ".hidden.pem": chain + key, "inner/cert.pem": chain, "inner/key.pem": key, "inner/tls.crt": chain,
        "inner/tls.key": key,
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    pairs = [
        ("four.pem", "four.key"), ("one.crt", "one.key"), ("three.pem", "three.pem"), ("two.pem", "two-key.pem"),
        ("inner/cert.pem", "inner/key.pem"), ("inner/tls.crt", "inner/tls.key"),
    ]  # fmt: skip
    assert [Pair(str(tmp_path / c), str(tmp_path / k)) for c, k in pairs] == scan(str(tmp_path))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(StartError, match=r"cannot read .*none: No such file"):
        scan(str(tmp_path / "none"))


# -- choosing


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Certificate]:
    """Make and read certificates."""

    def load(*names: str, kind: str = "ECDSA", days: float = 90) -> Certificate:
        leaf = issue(*names, kind=kind, days=days)
        return load_pair(pair_of(tmp_path, chain_of(leaf), key_of(leaf)))

    return load


def test_choosing_by_name(load: Callable[..., Certificate]) -> None:
    """The very name, then a wildcard of one label, then the default."""
    exact, wild, other = load("a.example.org"), load("*.example.org"), load("other.example")
    found = [exact, wild, other]
    assert (exact,) == choose(found, "a.example.org", other)
    assert (wild,) == choose(found, "b.example.org", other)
    assert (other,) == choose(found, "b.a.example.org", other)
    assert (other,) == choose(found, "example.org", other)
    assert (wild,) == choose(found, "*.example.org", other)


def test_choosing_by_kind_and_time(load: Callable[..., Certificate]) -> None:
    """One of each kind, and of two of a kind the one that lasts longer."""
    short, long = load("a.example.org", days=10), load("a.example.org", days=20)
    rsa = load("*.example.org", kind="RSA")
    assert {long, rsa} == set(choose([short, long, rsa], "a.example.org", short))
    assert {long, rsa} == set(choose([rsa, long, short], "a.example.org", short))


def test_the_name_of_a_client() -> None:
    """The common name, or the alternative name of a kind; not one of several, nor what is no name."""

    def of(kind: str, *names: str, cn: str | None = None) -> str:
        return client_name(x509.load_pem_x509_certificate(chain_of(issue(*names, cn=cn))), kind)

    assert "ines" == of("cn", "ines@example.org", cn="ines")
    assert "ines@example.org" == of("email", "ines@example.org", cn="ines")
    assert "host.example.org" == of("dns", "host.example.org")
    assert "" == of("dns", "ines@example.org")
    assert "" == of("email", "a@example.org", "b@example.org")
    assert "" == of("cn", "ines@example.org")
    assert "" == of("cn", "ines@example.org", cn="in\nes")
    assert "Inês Ünal" == of("cn", "ines@example.org", cn="Inês Ünal")
