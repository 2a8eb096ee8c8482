"""Basic: which credentials are understood."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.auth.basic import challenge, parse

TEXT = st.text('aZ0 :%"\\é£名\u00a0\U0001f600')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ("Aladdin", "open sesame")),  # RFC 7617 section 2
        (b"Basic dGVzdDoxMjPCow==", ("test", "123£")),  # RFC 7617 section 2.1
        (b"Basic dGVzdDoxMjPCow", ("test", "123£")),
        (b"bASIC   dGVzdDoxMjPCow==\t", ("test", "123£")),
        (b"Basic " + b64encode(b"a:b:c:"), ("a", "b:c:")),
        (b"Basic " + b64encode(b"a:"), ("a", "")),
    ],
)
def test_what_is_understood(value: bytes, expected: tuple[str, str]) -> None:
    """The RFC's own examples, any case, missing padding, passwords with colons and empty ones."""
    assert expected == parse(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic\tdGVzdDoxMjPCow==",
        b"BasicdGVzdDoxMjPCow==",
        b"Bearer dGVzdDoxMjPCow==",
        b" Basic dGVzdDoxMjPCow==",
        b"Basic dGVzdDoxMjPCow=",
        b"Basic dGVzdDoxMjPCow===",
        b"Basic dGVzdDoxMjPCow==\n",
        b"Basic dGVz dDoxMjPCow==",
        b"Basic dGVzdDoxMjPC-w==",
        b"Basic dGVzdDoxMjPCo",
        b"Basic dGVzd",
        b"Basic dGVzdDoxMjPCow==, Basic YTpi",
        b"Basic " + b64encode(b"no colon"),
        b"Basic " + b64encode(b":nobody"),
        b"Basic " + b64encode(b"te\nst:1"),
        b"Basic " + b64encode(b"test:1\0"),
        b"Basic " + b64encode("tést:1".encode("latin-1")),
    ],
)
def test_what_is_not(value: bytes) -> None:
    """Other schemes, broken base64, other encodings, control characters and nobody's name are no credentials."""
    assert parse(value) is None


@given(TEXT.filter(lambda user: user and ":" not in user), TEXT)
def test_whoever_can_be_written_is_understood(user: str, password: str) -> None:
    """What a client encodes as the RFC says comes out again."""
    assert (user, password) == parse(b"Basic " + b64encode(f"{user}:{password}".encode()))


@given(
    st.binary() | st.binary().map(lambda some: b"Basic " + some) | st.binary().map(lambda b: b"basic " + b64encode(b))
)
def test_nothing_breaks_it(value: bytes) -> None:
    """Any bytes are credentials or are not."""
    found = parse(value)
    assert found is None or found[0]


def test_the_challenge_names_realm_and_encoding() -> None:
    """A realm with quotes stays one parameter."""
    assert b'Basic realm="The \\"Trac\\"", charset="UTF-8"' == challenge('The "Trac"')
