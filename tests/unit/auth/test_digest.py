"""Digest: what is read, what is asked for, and that only who knows the password gets in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.auth.digest import (
    MD5,
    MOST_BYTES,
    SHA256,
    Granted,
    Refused,
    challenges,
    check,
    offered,
    parse,
    response_to,
)
from tracd_cluster.auth.nonces import Nonces

NOW = 1_700_000_000.0
REALM = 'The "Trac"'
TARGET = b"/env/ticket/1?a=b,c"
URL = b"https://trac.example.org:8080" + TARGET
HASHES = {MD5: hashlib.md5, SHA256: hashlib.sha256}


def ha1_of(algorithm: bytes, user: str, password: str, realm: str = REALM) -> str:
    """What a password file has for a user."""
    return HASHES[algorithm](f"{user}:{realm}:{password}".encode()).hexdigest()


@dataclass
class File:
    """The users of a password file."""

    md5: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)


PASSWORDS = {"ann": "secret", "Jäsøn": "Mööp", 'b"o\\b': "x"}
ACCOUNTS = File(
    {user: ha1_of(MD5, user, password) for user, password in PASSWORDS.items()},
    {user: ha1_of(SHA256, user, password) for user, password in PASSWORDS.items()},
)


class Client:
    """A client that knows a password, and the front's nonces."""

    def __init__(self, user: str = "ann", password: str = "secret", algorithm: bytes = SHA256) -> None:
        self.nonces = Nonces(b"secret", NOW)
        self.algorithm = algorithm
        self.ha1 = ha1_of(algorithm, user, password).encode()
        self.params = {
            "username": user.encode(),
            "realm": REALM.encode(),
            "nonce": self.nonces.issue(REALM, algorithm, NOW),
            "uri": TARGET,
            "algorithm": algorithm,
            "nc": b"00000001",
            "cnonce": b'0a4f"113b',
            "qop": b"auth",
        }

    def value(self, method: bytes = b"GET") -> bytes:
        """Sign the parameters and write them as an Authorization field."""
        signed = self.params | {"response": response_to(self.params, method, self.algorithm, self.ha1)}
        return written(signed)

    def check(self, value: bytes, now: float = NOW, method: bytes = b"GET") -> Granted | Refused:
        """Have a value checked with the request it was meant for."""
        return check(value, method, TARGET, ACCOUNTS, REALM, self.nonces, now)


def written(params: Mapping[str, bytes]) -> bytes:
    """Write parameters as clients do: numbers and words as tokens, all else quoted."""
    return b"Digest " + b", ".join(
        b"%b=%b" % (name.encode(), value) if name in ("nc", "qop", "algorithm", "userhash") else quoted(name, value)
        for name, value in params.items()
    )


def quoted(name: str, value: bytes) -> bytes:
    """Write one parameter with its value quoted."""
    return b'%b="%b"' % (name.encode(), value.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))


# -- reading


def rfc_value(algorithm: bytes, response: bytes) -> bytes:
    """The Authorization field of RFC 7616 section 3.9.1."""
    return (
        b'Digest username="Mufasa",\r\n realm="http-auth@example.org",\r\n uri="/dir/index.html",\r\n '
        b"algorithm=%b,\r\n "
        b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",\r\n nc=00000001,\r\n '
        b'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",\r\n qop=auth,\r\n '
        b'response="%b",\r\n opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' % (algorithm, response)
    ).replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        (MD5, b"8ca523f5e9506fed4657c9700eebdbec"),
        (SHA256, b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_rfc(algorithm: bytes, response: bytes) -> None:
    """Mufasa knows the Circle of Life (RFC 7616 section 3.9.1)."""
    params = parse(rfc_value(algorithm, response))
    assert params is not None
    ha1 = ha1_of(algorithm, "Mufasa", "Circle of Life", "http-auth@example.org").encode()
    assert response == params["response"] == response_to(params, b"GET", algorithm, ha1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"dIGEST  A=b", {"a": b"b"}),
        (b'Digest a = "b" ,, c\t=d,', {"a": b"b", "c": b"d"}),
        (b'Digest ,a="b, c=\\"d\\\\"', {"a": b'b, c="d\\'}),
        (b'Digest a=""', {"a": b""}),
        (b'Digest a="\xc3\xa4 \xff"', {"a": b"\xc3\xa4 \xff"}),
        (b"Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe", {"username": "Jäsøn Doe".encode()}),
        (b"Digest USERNAME*=utf-8'en'a", {"username": b"a"}),
    ],
)
def test_what_is_read(value: bytes, expected: dict[str, bytes]) -> None:
    """Tokens, quoted-strings and the extended name, with the white space and empty elements that lists may have."""
    assert expected == parse(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Digest",
        b"Digesta=b",
        b"Basic a=b",
        b"Digest a",
        b"Digest a=",
        b"Digest =b",
        b"Digest a=b c=d",
        b'Digest a="b',
        b'Digest a="b"c',
        b'Digest a="b\\"',
        b'Digest a="b\n"',
        b"Digest a=b/c",
        b"Digest a=b, A=c",
        b"Digest a=b\n",
        b"Digest a=b, username=c, username*=UTF-8''c",
        b"Digest username*=ISO-8859-1''c",
        b"Digest username*=UTF-8''c%",
        b"Digest username*=c",
        b'Digest a="' + b"b" * MOST_BYTES + b'"',
    ],
)
def test_what_is_not_read(value: bytes) -> None:
    """Broken, doubled and overlong parameters are refused and not guessed at."""
    assert parse(value) is None


@given(
    st.binary()
    | st.lists(
        st.sampled_from([b"a", b"=", b",", b'"', b"\\", b" ", b"username", b"*", b"UTF-8''", b"%41", b"\xff"])
    ).map(lambda parts: b"Digest " + b"".join(parts))
)
def test_nothing_breaks_it(value: bytes) -> None:
    """Any bytes are parameters or are not, and get nobody in."""
    parse(value)
    assert isinstance(Client().check(value), Refused)


# -- asking


def test_the_challenges_begin_with_the_better_one() -> None:
    """Old clients take the first they know; each has its own nonce, and says stale only if it is."""
    nonces = Nonces(b"secret", NOW, random=bytes)
    first, second = nonces.issue(REALM, SHA256, NOW), nonces.issue(REALM, MD5, NOW)
    expected = [
        b'Digest realm="The \\"Trac\\"", qop="auth", algorithm=SHA-256, nonce="%b", charset=UTF-8' % first,
        b'Digest realm="The \\"Trac\\"", qop="auth", algorithm=MD5, nonce="%b", charset=UTF-8' % second,
    ]
    assert expected == challenges(REALM, nonces, (MD5, SHA256), NOW, stale=False)
    assert [expected[1] + b", stale=true"] == challenges(REALM, nonces, (MD5,), NOW, stale=True)


def test_what_has_no_users_is_not_offered() -> None:
    """A file of MD5 hashes does not make clients try SHA-256."""
    some = {"ann": "0"}
    expected = [(), (MD5,), (SHA256,), (SHA256, MD5)]
    assert expected == [offered(file) for file in (File(), File(some), File({}, some), File(some, some))]


# -- checking


@pytest.mark.parametrize("algorithm", [MD5, SHA256])
@pytest.mark.parametrize("user", PASSWORDS)
def test_who_knows_the_password_gets_in(user: str, algorithm: bytes) -> None:
    """Names in any script, quotes and all, with both algorithms."""
    client = Client(user, PASSWORDS[user], algorithm)
    assert Granted(user) == client.check(client.value())


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({"uri": URL}, b"GET"),
        ({"uri": b"HTTP://other" + TARGET}, b"POST"),
        ({"algorithm": b"sha-256"}, b"GET"),
        ({"userhash": b"false"}, b"GET"),
        ({"opaque": b"anything"}, b"GET"),
    ],
)
def test_what_clients_may_do_otherwise(changes: dict[str, bytes], method: bytes) -> None:
    """Whole URLs, words in another case and parameters of no meaning here."""
    client = Client()
    client.params |= changes
    assert Granted("ann") == client.check(client.value(method), method=method)


def test_everything_may_be_quoted() -> None:
    """Some clients quote what the RFC wants as a token, and write the response in upper case."""
    client = Client(algorithm=MD5)
    signed = client.params | {"response": response_to(client.params, b"GET", MD5, client.ha1).upper()}
    del signed["algorithm"]
    assert Granted("ann") == client.check(b"Digest " + b",".join(quoted(*param) for param in signed.items()))


def test_a_name_may_come_in_the_extended_form() -> None:
    """Percent escapes bring any name, but no control characters past the check."""
    for name, expected in (
        (b"J%C3%A4s%C3%B8n", Granted("Jäsøn")),
        (b"a%0Ab", Refused(None, "a user name that is not text")),
    ):
        client = Client("Jäsøn", PASSWORDS["Jäsøn"])
        value = client.value().replace(quoted("username", client.params["username"]), b"username*=UTF-8''" + name)
        assert expected == client.check(value)


def test_a_name_may_come_in_latin_1() -> None:
    """Some clients write the name so, though they prove who they are in UTF-8."""
    client = Client("Jäsøn", "Mööp")
    client.params["username"] = "Jäsøn".encode("latin-1")
    assert Granted("Jäsøn") == client.check(client.value())


def test_an_algorithm_that_only_some_could_use_is_not_offered() -> None:
    """A client takes the best algorithm it knows; in a file that is half changed over, the others could not log in."""
    both, one = {"ann": "a" * 32, "bob": "b" * 32}, {"ann": "a" * 64}
    assert (MD5,) == offered(File(both, one))
    assert (SHA256, MD5) == offered(File(both, {"ann": "a" * 64, "bob": "b" * 64}))
    assert (SHA256, MD5) == offered(File({"bob": "b" * 32}, one))
    assert (SHA256,) == offered(File({}, one))


def test_a_url_without_a_path_means_the_root() -> None:
    """The request target of http://host?a is /?a (RFC 9112 section 3.2.1)."""
    client = Client()
    client.params["uri"] = b"http://host?a"
    assert Granted("ann") == check(client.value(), b"GET", b"/?a", ACCOUNTS, REALM, client.nonces, NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"username": b""}, "no username"),
        ({"username": b"a\xc2\x9b"}, "a user name that is not text"),
        ({"realm": b"Other"}, "another realm"),
        ({"nonce": b""}, "no nonce"),
        ({"uri": b"/env/ticket/2?a=b,c"}, "the uri of another request"),
        ({"uri": b"/env/ticket/1"}, "the uri of another request"),
        ({"uri": b"ftp://host" + TARGET}, "the uri of another request"),
        ({"uri": b"http://host/x" + TARGET}, "the uri of another request"),
        ({"qop": b"auth-int"}, "a qop that is not offered"),
        ({"nc": b"1"}, "a malformed count"),
        ({"nc": b"000000001"}, "a malformed count"),
        ({"nc": b"0000000g"}, "a malformed count"),
        ({"cnonce": b""}, "no cnonce"),
        ({"userhash": b"true"}, "a hashed user name, which is not offered"),
        ({"algorithm": b"SHA-256-sess"}, "an algorithm that is not offered"),
        ({"algorithm": b"SHA-512-256"}, "an algorithm that is not offered"),
    ],
)
def test_what_is_refused_unchecked(changes: dict[str, bytes], reason: str) -> None:
    """What is not as it was asked for is no guess at a password, and no reason to try it again."""
    client = Client()
    client.params |= changes
    refused = client.check(client.value())
    assert isinstance(refused, Refused)
    assert (reason, False, False) == (refused.reason, refused.stale, refused.guessed)


@pytest.mark.parametrize(("user", "password"), [("ann", "Secret"), ("nobody", "secret"), ("Ann", "secret")])
def test_a_wrong_password_is_never_stale(user: str, password: str) -> None:
    """Neither a fresh nonce nor an old one makes a wrong guess look right, and unknown users look the same."""
    client = Client(user, password)
    expected = Refused(user, "wrong user or password", guessed=True)
    assert expected == client.check(client.value())
    assert expected == client.check(client.value(), NOW + 1000.0)


@pytest.mark.parametrize("algorithm", [MD5, SHA256])
@pytest.mark.parametrize("locked", ["", "*", "0" * 32, "0" * 64])
def test_nobody_gets_in_by_a_made_up_hash(locked: str, algorithm: bytes) -> None:
    """What stands in for an unknown or locked user's hash opens nothing."""
    accounts = File({"ann": "*", "eve": "0" * 31}, {"ann": "", "eve": "0" * 63})
    for user in ("ann", "bob", "eve"):
        client = Client(user, "", algorithm)
        client.ha1 = locked.encode()
        refused = check(client.value(), b"GET", TARGET, accounts, REALM, client.nonces, NOW)
        assert Refused(user, "wrong user or password", guessed=True) == refused


def test_an_algorithm_without_users_is_refused() -> None:
    """A client that knows an MD5 hash cannot use it where only SHA-256 is offered."""
    client = Client(algorithm=MD5)
    refused = check(client.value(), b"GET", TARGET, File({}, ACCOUNTS.sha256), REALM, client.nonces, NOW)
    assert Refused("ann", "an algorithm that is not offered") == refused


def test_an_old_nonce_asks_for_the_same_again() -> None:
    """A right response with an old nonce is stale: the client repeats it without asking anybody."""
    client = Client()
    assert Refused("ann", "an old nonce or a used count", stale=True) == client.check(client.value(), NOW + 301.0)


def test_a_nonce_from_before_the_restart_asks_for_the_same_again() -> None:
    """With a new secret no nonce is known any more; browsers go on without asking their users, and nothing gets in."""
    client = Client()
    client.params["nonce"] = Nonces(b"another secret", NOW).issue(REALM, client.algorithm, NOW)
    refused = client.check(client.value())
    assert isinstance(refused, Refused)
    assert (True, False) == (refused.stale, refused.guessed)
    client.ha1 = b"0" * 64
    refused = client.check(client.value())
    assert isinstance(refused, Refused)
    assert (False, True) == (refused.stale, refused.guessed)


def test_a_stolen_response_is_of_no_use() -> None:
    """What was seen on the wire is refused the second time, in any spelling, and counts of zero always."""
    client = Client()
    value = client.value()
    assert Granted("ann") == client.check(value)
    stale = Refused("ann", "an old nonce or a used count", stale=True)
    assert stale == client.check(value)
    assert stale == client.check(value.replace(b"Digest ", b"digest  opaque=x,"))
    client.params["nc"] = b"00000000"
    assert stale == client.check(client.value())
    client.params["nc"] = b"00000002"
    assert Granted("ann") == client.check(client.value())


@pytest.mark.parametrize("name", ["username", "realm", "nonce", "uri", "nc", "cnonce", "qop", "response", "algorithm"])
def test_no_parameter_can_be_left_out(name: str) -> None:
    """Each has its part in the proof."""
    client = Client()
    params = parse(client.value())
    assert params is not None
    del params[name]
    assert isinstance(client.check(written(params)), Refused)


@pytest.mark.parametrize(
    ("method", "target", "realm", "nonces"),
    [
        (b"POST", TARGET, REALM, None),
        (b"GET", b"/env/ticket/1", REALM, None),
        (b"GET", b"/", REALM, None),
        (b"GET", TARGET, "Other", None),
        (b"GET", TARGET, REALM, Nonces(b"other", NOW)),
    ],
)
def test_a_response_is_for_one_request(method: bytes, target: bytes, realm: str, nonces: Nonces | None) -> None:
    """Another method, target, realm or front refuses it."""
    client = Client()
    assert isinstance(check(client.value(), method, target, ACCOUNTS, realm, nonces or client.nonces, NOW), Refused)


def meaning(value: bytes) -> dict[str, bytes] | None:
    """What a value says, in one spelling."""
    params = parse(value)
    if params is None or "response" not in params:
        return None
    kept = {name: params[name] for name in params if name in (*Client().params, "response")}
    return kept | {"response": params["response"].lower(), "algorithm": params.get("algorithm", MD5).upper()}


@pytest.mark.parametrize("algorithm", [MD5, SHA256])
def test_every_byte_matters(algorithm: bytes) -> None:
    """No byte can be dropped or changed but by one that says the same."""
    client = Client(algorithm=algorithm)
    value = client.value()
    said = meaning(value)
    for at in range(len(value)):
        for new in (b"", b"0", b"a", b"A", b'"', b"\\", b",", b" ", b"=", b"\xff", value[at : at + 1].swapcase()):
            changed = value[:at] + new + value[at + 1 :]
            if meaning(changed) != said:
                assert isinstance(client.check(changed), Refused), changed
    assert Granted("ann") == client.check(value)


@given(st.data())
def test_no_mutation_gets_in(data: st.DataObject) -> None:
    """Parts of a right response, moved, doubled or replaced by others, prove nothing."""
    client = Client()
    value = client.value()
    start = data.draw(st.integers(7, len(value)))
    end = data.draw(st.integers(start, min(len(value), start + 20)))
    new = data.draw(st.binary(max_size=10) | st.sampled_from(value.split(b" ")))
    changed = value[:start] + new + value[end:]
    assert meaning(changed) == meaning(value) or isinstance(client.check(changed), Refused)
