"""Addresses between the client's side and that of a foreign server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.rewrite.outward import Outward, Side, inward, move

CLIENT = Side(b"https", b"trac.example.org", b"/site")
SERVER = Side(b"https", b"trac.example.org", b"/inner")
NAMES = frozenset((b"10.0.0.5:8000", b"trac1.internal:8000"))
OUTWARD = Outward(SERVER, CLIENT, NAMES, b"http")

_CHARACTERS = st.characters(codec="latin-1", exclude_characters="?#")
PATHS = st.text(_CHARACTERS, max_size=20).map(lambda text: text.encode("latin-1"))
BASES = st.sampled_from([b"", b"/site", b"/inner", b"/a/b", b"/inner/site"])


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (b"http://10.0.0.5:8000/inner/wiki?a=/inner#x", b"https://trac.example.org/site/wiki?a=/inner#x"),
        (b"http://TRAC1.internal:8000/inner", b"https://trac.example.org/site"),
        (b"http://trac.example.org/inner/wiki", b"https://trac.example.org/site/wiki"),
        (b"http://trac.example.org:80/inner/wiki", b"https://trac.example.org/site/wiki"),
        (b"//10.0.0.5:8000/inner/wiki", b"//trac.example.org/site/wiki"),
        (b"http://user:secret@10.0.0.5:8000/inner/", b"https://trac.example.org/site/"),
        (b"http://10.0.0.5:8000/elsewhere", b"https://trac.example.org/elsewhere"),
        (b"/inner/wiki", b"/site/wiki"),
        (b"/inner?q", b"/site?q"),
        (b"/innermost/wiki", b"/innermost/wiki"),
        (b"wiki/Start", b"wiki/Start"),
        (b"?order=id", b"?order=id"),
        (b"", b""),
        (b"https://elsewhere.example.org/inner/wiki", b"https://elsewhere.example.org/inner/wiki"),
        (b"http://10.0.0.5:8001/inner/", b"http://10.0.0.5:8001/inner/"),
        (b"mailto:ines@example.org", b"mailto:ines@example.org"),
    ],
)
def test_a_location_shows_no_inner_address(inner: bytes, outer: bytes) -> None:
    """Scheme, host and base path become the client's; relative and foreign addresses stay."""
    assert outer == OUTWARD.url(inner)


def test_a_path_never_becomes_a_host() -> None:
    """Losing the base path must not turn the rest of a path into somebody else's address."""
    outward = Outward(SERVER, Side(b"http", b"x", b""), frozenset(), b"http")
    assert b"/.//evil.example/" == outward.url(b"/inner//evil.example/")
    assert b"/./\\evil.example/" == outward.url(b"/inner/\\evil.example/")
    assert b"http://x//evil.example/" == outward.url(b"http://x/inner//evil.example/")


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (b"5; url=http://10.0.0.5:8000/inner/a", b"5; url=https://trac.example.org/site/a"),
        (b"0;URL='/inner/a'", b"0;URL='/site/a'"),
        (b"3, /inner/a", b"3, /site/a"),
        (b"30", b"30"),
    ],
)
def test_refresh(inner: bytes, outer: bytes) -> None:
    """The address after the seconds is rewritten, with or without its quotes."""
    assert outer == OUTWARD.refresh(inner)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (b"trac_auth=1; Path=/inner; HttpOnly", b"trac_auth=1; Path=/site; HttpOnly; Secure"),
        (b"a=1; path=/inner/sub/; secure", b"a=1; path=/site/sub/; secure"),
        (b"a=1; Path=/", b"a=1; Path=/; Secure"),
        (b"a=1; Domain=trac1.internal; Secure", b"a=1; Secure"),
        (b"a=1; Domain=.example.org; Secure", b"a=1; Domain=.example.org; Secure"),
        (b"a=1", b"a=1; Secure"),
    ],
)
def test_a_cookie_is_the_clients(inner: bytes, outer: bytes) -> None:
    """Path, domain and Secure are those of the address that the client uses."""
    assert outer == OUTWARD.cookie(inner)


def test_a_cookie_at_the_root_comes_below_the_base_path() -> None:
    """The cookie of a whole server becomes that of the whole site, with and without a slash at its end."""
    outward = Outward(Side(b"http", b"x", b""), Side(b"http", b"x", b"/site"), frozenset(), b"http")
    assert b"a=1; Path=/site" == outward.cookie(b"a=1; Path=/")
    outward = Outward(Side(b"http", b"x", b"/inner"), Side(b"http", b"x", b""), frozenset(), b"http")
    assert b"a=1; Path=/" == outward.cookie(b"a=1; Path=/inner")


def test_a_cookie_comes_back_where_tls_ends_here() -> None:
    """Secure for the way to the server only would keep a client without TLS from ever sending the cookie."""
    outward = Outward(SERVER, Side(b"http", b"x", b"/site"), NAMES, b"https")
    assert b"a=1; HttpOnly" == outward.cookie(b"a=1; Secure; HttpOnly")
    assert b"__Host-a=1; Secure" == outward.cookie(b"__Host-a=1; Secure")


def test_what_only_our_own_workers_may_say_is_dropped() -> None:
    """A foreign server cannot have the front send files or anything else of its own."""
    fields = [(b"Tracd-Cluster-File", b"/etc/passwd"), (b"Content-Type", b"text/html"), (b"LOCATION", b"/inner/a")]
    assert [(b"Content-Type", b"text/html"), (b"LOCATION", b"/site/a")] == OUTWARD.fields(fields)


@given(rest=PATHS, query=st.sampled_from([b"", b"?a=b", b"?/site/../%2f"]), outer=BASES, inner=BASES)
def test_outward_after_inward_gives_the_start(rest: bytes, query: bytes, outer: bytes, inner: bytes) -> None:
    """What a client asks for and what it is sent to are the same address, whatever the server calls it."""
    target = b"%b/%b%b" % (outer, rest, query)
    asked = inward(target, outer, inner)
    assert asked.startswith(inner + b"/")
    assert asked.endswith(b"/" + rest + query)
    client, server = Side(b"https", b"out.example", outer), Side(b"http", b"in.example:8000", inner)
    outward = Outward(server, client, frozenset((b"in.example:8000",)), b"http")
    assert b"https://out.example" + target == outward.url(b"http://in.example:8000" + asked)
    assert b"http://in.example:8000" + asked == client.move(b"https://out.example" + target, server)


def test_the_base_path_ends_at_a_segment() -> None:
    """Only the base path itself and what is below it is moved."""
    assert b"/sites/x" == move(b"/sites/x", b"/site", b"")
    assert b"/" == inward(b"/site", b"/site", b"")
    assert b"*" == inward(b"*", b"/site", b"")
