"""Password files' text, and hashes: what is read as tracd reads it, what is refused, and who gets in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trac.web.auth import BasicAuthentication, DigestAuthentication

from tracd_cluster.auth.passwords import (
    SCHEMES,
    Htdigest,
    digest_ha1,
    hash_password,
    longest,
    parse_htdigest,
    parse_htpasswd,
    scheme_of,
    verify,
)
from tracd_cluster.errors import ConfigError

# Made by Apache's htpasswd and by openssl passwd -1; those of argon2 come with its reference implementation.
KNOWN = {
    "bcrypt": ("harbour", "$2y$04$CX.thyzeiYu5tEBKI/k07.YMocrN499axROLAOE0z.0bS8UiyyYbC"),
    "apr1": ("harbour", "$apr1$Ly9Jtyxi$krC0QRBkBVWhiVxyXInIj."),
    "sha": ("harbour", "{SHA}YWi3kCY+Sqkj7dOAcDXAL7DeMiU="),
    "sha256": ("harbour", "$5$rounds=1000$O7nbIhor.pYkeC8m$lmbilpwshG0m/KgW/dkCB01qdveScqyNh.1mXC93RkB"),
    "sha256 as usual": ("harbour", "$5$.eoWd2knSjLj..24$zg.h.W4XUpaR3CgZoKUtptlRTA6Mj/Vk9hLXoyWHVO1"),
    "sha512": (
        "harbour",
        "$6$rounds=1000$gjCTbSRwq7joM/lw$"
        "acEO4FnLCmYDNigUrLHK.V9/32xfPA2x7nrTjMc3/S0iaAUeiGkV04j50AUj1WHdn/bohIcoNF/YxtzM5fC9F0",
    ),
    "des": ("harbour", "YBtn8d/UjVK6k"),
    "md5": ("harbour", "$1$Salt1234$C3sAFjbxo0v/vNxB9DZ6k/"),
    "argon2id": ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    "argon2i": ("password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
    "apr1, not ASCII": ("pässwörd", "$apr1$GTLgNfsZ$f9IGFBZi71T5aP6LVLY4k1"),
    "md5, not ASCII": ("pässwörd", "$1$abcdefgh$xYuxUFvxUOR4Pd6a7EeUS0"),
}
BCRYPT = KNOWN["bcrypt"][1]
APR1 = KNOWN["apr1"][1]
CHEAPEST = {"bcrypt": 4, "sha256": 1000, "sha512": 1000, "argon2": 1}
MD5 = "3fec497e9c9efed1c2f34720d6a28acb"
SHA256 = "6eb63e4c3f9551e71d253a6b323ab60feeffd5bdd1e3ee4144e29aebf749d7e8"


@pytest.mark.parametrize("name", KNOWN)
def test_known_hashes(name: str) -> None:
    """A password fits the hash that other programs made of it, and no other does."""
    password, hash = KNOWN[name]
    assert verify(password, hash)
    assert not verify(password.upper(), hash)
    assert not verify("", hash)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_names_of_bcrypt(prefix: str) -> None:
    """The three names of bcrypt mean the same."""
    assert verify("harbour", prefix + BCRYPT[4:])


def test_bcrypt_looks_at_72_bytes() -> None:
    """What Apache made of a longer password is fitted by it, and by its first 72 bytes."""
    hash = "$2y$04$0IdY0ZJasa2wu4k5EVl9bu1Rdr88//WxoaO9rtH4w1k8/k5oV.F2S"
    assert verify("x" * 80, hash)
    assert verify("x" * 72, hash)
    assert not verify("x" * 71, hash)
    assert not verify("x" * 71 + "é", hash)


def test_stray_bits_in_a_salt() -> None:
    """A hash whose salt ends as passlib once made them is still good."""
    assert "." == BCRYPT[28]
    assert verify("harbour", BCRYPT[:28] + "D" + BCRYPT[29:])
    assert not verify("harbor", BCRYPT[:28] + "D" + BCRYPT[29:])


@pytest.mark.parametrize("hash", [BCRYPT, APR1, KNOWN["des"][1], KNOWN["sha"][1], KNOWN["argon2i"][1]])
@pytest.mark.parametrize("password", ["har\0bour", "harbour\0", "\udcff", "x" * 4097, "é" * 2049])
def test_what_is_no_password(password: str, hash: str) -> None:
    """NUL, text that is none, and more than 4096 bytes never get in, and do no harm."""
    assert not verify(password, hash)


@pytest.mark.parametrize(
    "hash",
    [
        "",
        "harbour",
        "*",
        "!",
        "!" + BCRYPT,
        BCRYPT[:-1],
        BCRYPT + "\n",
        BCRYPT.replace("$04$", "$03$"),
        BCRYPT.replace("$04$", "$99$"),
        BCRYPT.replace("$2y$", "$2x$"),
        APR1[:-1] + "é",
        "{SHA}YWi3kCY+Sqkj7dOAcDXAL7DeMiU",
        "{sha}YWi3kCY+Sqkj7dOAcDXAL7DeMiU=",
        "{PLAIN}harbour",
        KNOWN["sha512"][1].replace("1000", "9999999999"),
        KNOWN["sha512"][1].replace("1000", "0999"),
        KNOWN["argon2id"][1].replace("v=19", "v=99"),
        KNOWN["argon2id"][1].replace("m=256", "m=4"),
        KNOWN["argon2id"][1].replace("$argon2id$", "$argon2d$"),
    ],
)
def test_no_password_fits_a_bad_hash(hash: str) -> None:
    """Damaged, disabled and plain-text entries let nobody in, not with their own text either."""
    for password in ("harbour", "password", hash):
        assert not verify(password, hash)


def test_an_htpasswd_file() -> None:
    """Comments, blank lines, what follows the hash, a BOM and any line end are as for tracd."""
    text = f"\ufeff# staff\r\n\r\njörg:{BCRYPT}\r\n  joe:{APR1}:Joe # the one\rann lee:{APR1}\n#old:{APR1}\nz:*"
    parsed = parse_htpasswd(text.encode())
    assert {"jörg": BCRYPT, "joe": APR1, "ann lee": APR1, "z": "*"} == parsed.hashes
    assert () == parsed.faults
    assert {"jörg", "joe", "ann lee", "z"} == parsed.users


def test_faults_of_an_htpasswd_file() -> None:
    """Each line that cannot be used is told by its number, the rest works, and nothing secret is shown."""
    lines = [
        b"good:" + APR1.encode(), b"secretword", b":secretword", b"a:secretword", b"b:", b"caf\xe9:secretword",
        b"c:$y$j9T$secretword", b"d:" + BCRYPT[:-1].encode(), b"# caf\xe9", b"e:!secretword", b"f:!!", b"g:!" +
        APR1.encode(), b"good:" + BCRYPT.encode(), b"f:secretword",
    ]  # fmt: skip
    parsed = parse_htpasswd(b"\n".join(lines))
    assert {"good": BCRYPT, "g": "!" + APR1} == parsed.hashes
    assert (
        "line 2: is not of the form user:hash",
        "line 3: is not of the form user:hash",
        "line 4: user 'a' cannot log in: plain text passwords are refused",
        "line 5: user 'b' cannot log in: there is no hash",
        "line 6: is not UTF-8",
        "line 7: user 'c' cannot log in: the hash is damaged or of a kind that is not supported",
        "line 8: user 'd' cannot log in: the hash is damaged or of a kind that is not supported",
        "line 10: user 'e' cannot log in: plain text passwords are refused",
        "line 13: user 'good' has another line before; this one counts",
        "line 14: user 'f' has another line before; this one counts",
        "line 14: user 'f' cannot log in: plain text passwords are refused",
    ) == parsed.faults
    assert APR1 not in repr(parsed)


def test_argon2_without_its_extra() -> None:
    """Where the library is missing, the fault says what to install."""
    data = f"joe:{KNOWN['argon2id'][1]}\nann:!{KNOWN['argon2i'][1]}\nlee:{APR1}".encode()
    parsed = parse_htpasswd(data, argon2=False)
    assert {"lee": APR1} == parsed.hashes
    needs = "argon2 hashes need the extra argon2 (pip install 'tracd-cluster[argon2]')"
    assert f"line 1: user 'joe' cannot log in: {needs}" == parsed.faults[0]
    assert {"joe", "ann", "lee"} == parse_htpasswd(data, argon2=True).users


def test_an_htdigest_file() -> None:
    """The lines of one realm count, MD5 and SHA-256 side by side, and the disabled have no hash to compute with."""
    text = (
        f"\ufeffjörg:trac:{MD5.upper()}:Jörg\r\njörg:trac:{SHA256}\r\njörg:wiki:{'0' * 32}\r\n"
        f"# joe:trac:{MD5}\r\n\r\nann:trac:{SHA256} # new\r\nlee:trac:*\r\nx:wiki:nonsense"
    )
    parsed = parse_htdigest(text.encode(), "trac")
    assert Htdigest({"jörg": MD5}, {"jörg": SHA256, "ann": SHA256}, frozenset({"lee"})) == parsed
    assert {"jörg", "ann", "lee"} == parsed.users


def test_faults_of_an_htdigest_file() -> None:
    """The last line of a user counts, be it one to log in with or not."""
    other = "0" * 32
    lines = [f"a:trac:{MD5}", f"a:trac:{SHA256}", f"a:trac:{other}", f"b:{MD5}", f":trac:{MD5}", f"c:trac:{MD5}",
             "c:trac:secretword", f"d:trac:{SHA256}", "d:trac:*", "e:trac:!", f"e:trac:{MD5}", "f:trac:"]  # fmt: skip
    parsed = parse_htdigest("\n".join(lines).encode(), "trac")
    neither = "cannot log in: neither an MD5 nor a SHA-256 hash in hexadecimal"
    assert (
        "line 3: user 'a' has another line before; this one counts",
        "line 4: is not of the form user:realm:hash",
        "line 5: is not of the form user:realm:hash",
        "line 7: user 'c' has another line before; this one counts",
        f"line 7: user 'c' {neither}",
        "line 9: user 'd' has another line before; this one counts",
        "line 11: user 'e' has another line before; this one counts",
        f"line 12: user 'f' {neither}",
    ) == parsed.faults
    assert Htdigest({"a": other, "e": MD5}, {"a": SHA256}, frozenset("d"), parsed.faults) == parsed
    assert MD5 not in repr(parsed)


def test_another_realm() -> None:
    """A realm that the file does not know is likely to be mistyped."""
    parsed = parse_htdigest(f"joe:Trac:{MD5}\n".encode(), "trac")
    assert ("no line is of the realm 'trac', but there are others",) == parsed.faults
    assert set() == parsed.users
    assert () == parse_htdigest(b"# nobody yet\n", "trac").faults


def test_as_tracd_reads_them(tmp_path: Path) -> None:
    """Trac's own readers make the same of files that are good."""
    basic, digest = tmp_path / "htpasswd", tmp_path / "htdigest"
    basic.write_text(f"a:{APR1}\n b :{BCRYPT} #x\n\na:{BCRYPT}:A\nc#:{APR1}\n#d:{APR1}\re:{APR1}\x0bf:{APR1}\n")
    digest.write_text(f"a:trac:{MD5}\na:wiki:x\n\n#b:trac:{MD5}\nb :trac:{'0' * 32}:B\na:trac:{'1' * 32}\n")
    assert BasicAuthentication(basic, "trac").hash.keys() - {"e"} == parse_htpasswd(basic.read_bytes()).users
    assert DigestAuthentication(digest, "trac").hash == parse_htdigest(digest.read_bytes(), "trac").md5


@given(st.binary() | st.lists(st.sampled_from([b"a", b":", b"#", b"\n", b"\r", b"\xff", b"*", b"$"])).map(b"".join))
def test_parsers_take_any_bytes(data: bytes) -> None:
    """Whatever a file holds, reading it ends well."""
    for parsed in (parse_htpasswd(data), parse_htdigest(data, "a")):
        assert "" not in parsed.users


# No surprise of a cost that takes minutes: "$" begins everything that has one.
TEXT = st.text(st.characters(exclude_characters="$"))


@given(TEXT, TEXT)
def test_verify_takes_anything(password: str, hash: str) -> None:
    """No text makes it raise."""
    assert verify(password, hash) in (False, True)


@given(st.text(max_size=12))
def test_plain_text_is_no_hash(password: str) -> None:
    """A password that stands in the file as it is opens nothing."""
    assert not verify(password, password)
    assert not verify(password, "{PLAIN}" + password)
    for hash in parse_htpasswd(f"joe:{password}\n".encode(errors="replace")).hashes.values():
        assert not verify(password, hash)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_new_hashes(scheme: str) -> None:
    """A new hash fits its password, is recognised, and never the same twice where it has a salt."""
    first, second = (hash_password("pässwörd", scheme, CHEAPEST.get(scheme)) for _ in range(2))
    assert scheme == scheme_of(first)
    assert verify("pässwörd", first)
    assert not verify("pässword", first)
    assert (scheme == "sha") == (first == second)


def test_what_apache_expects() -> None:
    """Prefix and rounds of new hashes are those that Apache's tools write."""
    assert hash_password("x", "bcrypt", 4).startswith("$2y$04$")
    assert "rounds" not in hash_password("x", "sha256") + hash_password("x", "sha512")


@pytest.mark.parametrize(
    ("password", "scheme", "cost", "said"),
    [
        ("x", "plain", None, "hash 'plain' is none of bcrypt, apr1, sha, sha256, sha512, argon2"),
        ("x", "bcrypt", 18, "cost 18 of bcrypt is not a number from 4 to 17"),
        ("x", "sha512", 999, "cost 999 of sha512 is not a number from 1000 to 999999999"),
        ("x", "apr1", 5, "hash 'apr1' has no cost"),
        ("", "sha", None, "the password is empty"),
        ("a\0b", "apr1", None, "the password has a NUL byte in it"),
        ("\udcff", "apr1", None, r"the password is not valid text \(UTF-8\)"),
        ("é" * 37, "bcrypt", 4, "the password is longer than 72 bytes, the most that bcrypt takes"),
        ("x" * 4097, "sha512", None, "the password is longer than 4096 bytes, the most that sha512 takes"),
    ],
)
def test_what_gets_no_hash(password: str, scheme: str, cost: int | None, said: str) -> None:
    """A scheme, a cost or a password that makes no sense is refused with the reason."""
    with pytest.raises(ConfigError, match=f"^{said}$"):
        hash_password(password, scheme, cost)


def test_the_longest_password() -> None:
    """With bcrypt a new password has 72 bytes at most, with all others as many as are looked at."""
    assert {"bcrypt": 72, "apr1": 4096} == {scheme: longest(scheme) for scheme in ("bcrypt", "apr1")}
    password = "x" * longest("apr1")
    assert verify(password, hash_password(password, "apr1"))


def test_digest_hashes() -> None:
    """HA1 is the hash of user, realm and password in UTF-8."""
    assert MD5 == digest_ha1("jörg", "trac", "harbour", "md5")
    assert SHA256 == digest_ha1("jörg", "trac", "harbour", "sha256")
    with pytest.raises(ConfigError, match="digest algorithm 'sha1' is neither md5 nor sha256"):
        digest_ha1("joe", "trac", "harbour", "sha1")
    with pytest.raises(ConfigError, match="the password is empty"):
        digest_ha1("joe", "trac", "", "md5")
