"""Which pages strangers share, for how long, and in how much memory; and that nothing of anybody's is in them."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracd_cluster.front.cache import (
    OVERHEAD,
    PASS,
    Page,
    PageCache,
    fields_to_keep,
    is_for_anybody,
    key_of,
)
from tracd_cluster.front.head import Head
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.cache import UNKEYED, CacheSettings

BROWSER: list[Field] = [
    (b"Host", b"trac.example"),
    (b"User-Agent", b"Mozilla/5.0"),
    (b"Accept", b"text/html"),
    (b"Accept-Language", b"de"),
    (b"Accept-Encoding", b"gzip"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Cache-Control", b"max-age=0"),
    (b"Connection", b"keep-alive"),
]
SHARED: list[Field] = [
    (b"Content-Type", b"text/html;charset=utf-8"),
    (b"Cache-Control", b"must-revalidate"),
    (b"Set-Cookie", b"trac_form_token=f0f0f0f0; HttpOnly; Path=/"),
    (b"Set-Cookie", b"trac_session=50505050; HttpOnly; Path=/"),
    (b"Set-Cookie", b"trac_visit=abc; HttpOnly; Path=/"),
    (b"Tracd-Cluster-Stranger", b"1"),
]
LARGEST = 1000


def key(
    *more: Field, fields: list[Field] | None = None, method: bytes = b"GET", target: bytes = b"/wiki",
    scheme: bytes = b"http",
) -> bytes | None:  # fmt: skip
    """Give the key of a request."""
    head = Head(method, "1.1", target, [*(BROWSER if fields is None else fields), *more])
    return key_of(head, scheme)


def replaced(name: bytes, value: bytes) -> list[Field]:
    """Give a browser's fields with another value of one."""
    return [(each, value if each == name else old) for each, old in BROWSER]


# -- whose


def test_strangers_who_ask_for_the_same_have_the_same_key() -> None:
    """Whatever browser they use, and wherever they come from."""
    assert key() is not None
    assert key() == key(fields=replaced(b"User-Agent", b"curl/8")) == key((b"Referer", b"http://elsewhere/"))
    assert key() == key(method=b"HEAD") == key(fields=replaced(b"Host", b"TRAC.example"))
    assert key() == key(*((name.encode(), b"x") for name in UNKEYED - {"connection", "keep-alive", "te"}))


@pytest.mark.parametrize(
    "other",
    [
        key(scheme=b"https"),
        key(target=b"/wiki?x=1"),
        key(target=b"/wiki/"),
        key(fields=replaced(b"Host", b"other.example")),
        key(fields=replaced(b"Host", b"trac.example:8000")),
        key(fields=replaced(b"Accept-Language", b"en")),
        key(fields=replaced(b"Accept-Encoding", b"br")),
        key((b"Accept-Language", b"fr")),
        key(fields=[field for field in BROWSER if field[0] != b"Accept-Language"]),
    ],
)
def test_another_address_or_language_is_another_page(other: bytes | None) -> None:
    """Scheme, host with its port, path with its query, language and encoding make the key."""
    assert other is not None
    assert other != key()


@pytest.mark.parametrize(
    "field",
    [
        (b"Cookie", b"trac_session=abc"),
        (b"Cookie", b""),
        (b"COOKIE", b"a=b"),
        (b"Authorization", b"Basic YTpi"),
        (b"If-None-Match", b'"x"'),
        (b"If-Modified-Since", b"Thu, 26 Nov 2026 00:00:00 GMT"),
        (b"Range", b"bytes=0-1"),
        (b"X-Requested-With", b"XMLHttpRequest"),
        (b"Content-Length", b"5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-Anything", b"1"),
        (b"Content-Type", b"text/plain"),
    ],
    ids=lambda field: field[0].decode(),
)
def test_who_brings_anything_else_is_no_stranger(field: Field) -> None:
    """His page is made for him."""
    assert key(field) is None


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PROPFIND"])
def test_only_pages_are_shared(method: bytes) -> None:
    """Nothing that changes something, or asks for something else."""
    assert key(method=method) is None


def test_a_request_for_no_host_is_nobodys() -> None:
    """What Trac takes for its host then depends on the port it came by."""
    assert key_of(Head(b"GET", "1.0", b"/", []), b"http") is None


@given(st.lists(st.tuples(st.sampled_from([n for n, _ in BROWSER[1:]]), st.binary(max_size=5)), max_size=6))
def test_no_two_pages_share_a_key_that_trac_would_tell_apart(more: list[Field]) -> None:
    """Where keys are the same, so are languages and encodings, in their order."""
    clean = [(name, value.replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")) for name, value in more]
    if any(name == b"Connection" for name, _ in clean):
        return
    told = [field for field in clean if field[0] in (b"Accept-Language", b"Accept-Encoding")]
    assert (key(*clean) == key()) == (not told)


# -- what


def test_the_visitors_own_cookies_are_left_out() -> None:
    """The note of the visit stays: it is the page's."""
    found = fields_to_keep(200, SHARED, LARGEST)
    assert found is not None
    fields, secrets = found
    assert [SHARED[0], SHARED[1], SHARED[4]] == fields
    assert {b"f0f0f0f0", b"50505050", b"abc"} == set(secrets)


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 304, 401, 403, 404, 500, 503])
def test_only_whole_good_answers_are_kept(status: int) -> None:
    """Redirects and errors are each one's own."""
    assert fields_to_keep(status, SHARED, LARGEST) is None


def test_without_its_worker_s_word_nothing_is_kept() -> None:
    """Whatever else an answer looks like."""
    assert fields_to_keep(200, SHARED[:-1], LARGEST) is None


@pytest.mark.parametrize(
    "field",
    [
        (b"Set-Cookie", b"trac_auth=abc; Path=/"),
        (b"Set-Cookie", b"plugin=abc"),
        (b"Set-Cookie", b"trac_session_extra=abc"),
        (b"Set-Cookie", b"TRAC_SESSION=abc"),
        (b"Set-Cookie", b""),
        (b"Vary", b"Cookie"),
        (b"Vary", b"Accept-Language, User-Agent"),
        (b"Vary", b"*"),
        (b"Cache-Control", b"private"),
        (b"Cache-Control", b"max-age=0, NO-STORE"),
        (b"cache-control", b'no-cache="x"'),
        (b"Pragma", b"no-cache"),
        (b"Content-Encoding", b"br"),
        (b"Content-Length", b"1001"),
        (b"WWW-Authenticate", b"Basic"),
        (b"Tracd-Cluster-File", b"/x"),
    ],
    ids=lambda field: b" ".join(field).decode(),
)
def test_an_answer_that_may_be_somebody_s_is_not_kept(field: Field) -> None:
    """By its own word, or because it cannot be told."""
    assert fields_to_keep(200, [*SHARED, field], LARGEST) is None


@pytest.mark.parametrize(
    "field",
    [
        (b"Vary", b"Accept-Language"),
        (b"Vary", b"accept-encoding, Accept-Language"),
        (b"Content-Length", b"1000"),
        (b"Cache-Control", b"max-age=10"),
        (b"Content-Disposition", b"attachment"),
    ],
    ids=lambda field: b" ".join(field).decode(),
)
def test_what_the_key_knows_is_no_hindrance(field: Field) -> None:
    """Neither is what says nothing of the visitor."""
    found = fields_to_keep(200, [*SHARED, field], LARGEST)
    assert found is not None
    assert field in found[0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html>hello</html>\n", True),
        (b"<html>hello", False),
        (b"<html>hello</html>" + b" " * 2000, False),
        (b"<html><input name='__FORM_TOKEN' value='x'></html>", False),
        (b'<html><script>var form_token="x"</script></html>', False),
        (b"<html>f0f0f0f0</html>", False),
        (b"<html>session 50505050</html>", False),
        (b"<HTML></HTML>", True),
        (b"", False),
    ],
)
def test_a_page_with_anything_of_a_visitor_s_is_not_shared(body: bytes, expected: bool) -> None:
    """Nor half a page."""
    assert is_for_anybody(SHARED, [b"f0f0f0f0", b"50505050"], body, LARGEST) is expected


def test_what_is_no_page_needs_no_end() -> None:
    """But tokens are nobody else's there either."""
    calendar = [(b"Content-Type", b"text/calendar")]
    assert is_for_anybody(calendar, [b"", b"secret"], b"BEGIN:VCALENDAR", LARGEST)
    assert not is_for_anybody(calendar, [b"secret"], b"the secret", LARGEST)


ENCODED: list[Field] = [*SHARED, (b"Content-Encoding", b"gzip")]


def test_a_page_in_gzip_is_looked_into() -> None:
    """What may not stand in a page may not stand in it compressed; what cannot be read is not kept."""
    page = b"<html>" + b" " * 500 + b"</html>"
    assert is_for_anybody(ENCODED, [b"f0f0f0f0"], gzip.compress(page), LARGEST)
    mail: list[Field] = [(b"Content-Type", b"text/plain"), (b"Content-Encoding", b"gzip")]
    packed = gzip.compress(page)
    for body in (
        gzip.compress(b"f0f0f0f0" + page), gzip.compress(b"__FORM_TOKEN" + page), gzip.compress(page * 3),
        packed[:-1], packed + b"x", packed + packed, b"", page,
    ):  # fmt: skip
        assert not is_for_anybody(ENCODED, [b"f0f0f0f0"], body, LARGEST)
        assert not is_for_anybody(mail, [b"f0f0f0f0"], body, LARGEST)
    assert not is_for_anybody(ENCODED, [], gzip.compress(b"<html>"), LARGEST)


def test_no_other_coding_is_kept() -> None:
    """Nobody here could look into it."""
    assert fields_to_keep(200, ENCODED, LARGEST) is not None
    assert fields_to_keep(200, [*SHARED, (b"Content-Encoding", b"br")], LARGEST) is None


# -- how long


def page(size: int = 10, since: float = 100.0, workers: int = 1) -> Page:
    """Make a page."""
    return Page(b"HTTP/1.1 200 Ok\r\n", b"x" * size, since, workers)


def test_a_page_is_as_good_as_new_for_a_while_and_better_than_none_for_longer() -> None:
    """And then it is nothing."""
    cache = PageCache(CacheSettings(period=2.0, stale=600.0))
    kept = page()
    cache.keep(b"k", kept)
    assert [kept, kept, None] == [cache.fresh(b"k", now, 1) for now in (100.0, 101.9, 102.0)]
    assert [kept, kept, None] == [cache.stale(b"k", now) for now in (100.0, 699.9, 700.0)]
    assert cache.fresh(b"other", 100.0, 1) is cache.stale(b"other", 100.0) is None


def test_other_workers_make_other_pages() -> None:
    """New code shows at once, and old pages only where there is nobody to make a new one."""
    cache = PageCache(CacheSettings())
    cache.keep(b"k", page(workers=1))
    assert cache.fresh(b"k", 100.0, 2) is None
    assert cache.stale(b"k", 100.0) is not None


def test_what_is_never_shared_is_remembered_for_a_while() -> None:
    """And an older page that was is not given any more."""
    cache = PageCache(CacheSettings())
    cache.keep(b"k", page())
    cache.pass_by(b"k", 100.0)
    assert cache.is_passed(b"k", 100.0)
    assert not cache.is_passed(b"k", 100.0 + PASS)
    assert cache.fresh(b"k", 100.0, 0) is cache.stale(b"k", 100.0) is None
    cache.keep(b"k", page())
    assert not cache.is_passed(b"k", 100.0)


def test_the_answer_says_how_old_it_is() -> None:
    """In whole seconds (RFC 9111 section 5.1)."""
    first = b"HTTP/1.1 200 Ok\r\nAge: 1\r\nX: y\r\nX-Request-ID: a\r\n\r\nxx"
    assert first == page(2).answer(101.9, b"X: y\r\n", b"a", False)
    assert b"HTTP/1.1 200 Ok\r\nAge: 0\r\nX-Request-ID: b\r\n\r\n" == page(2).answer(100.0, b"", b"b", True)


# -- how many


def test_what_was_not_asked_for_longest_goes_first() -> None:
    """Where there is no room."""
    cache = PageCache(CacheSettings(memory=3 * (OVERHEAD + 100)))
    for name in (b"a", b"b", b"c"):
        cache.keep(name, page())
    assert cache.fresh(b"a", 100.0, 1) is not None
    cache.keep(b"d", page())
    assert [True, False, True, True] == [cache.stale(name, 100.0) is not None for name in (b"a", b"b", b"c", b"d")]


def test_less_memory_is_obeyed_at_once() -> None:
    """When options are read again."""
    cache = PageCache(CacheSettings())
    cache.keep(b"a", page())
    cache.take(CacheSettings(memory=0))
    assert (0, None) == (cache.size, cache.stale(b"a", 100.0))


@given(st.lists(st.tuples(st.sampled_from("kp"), st.integers(0, 20), st.integers(0, 3000))))
def test_memory_is_never_exceeded(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is kept, in place of whatever."""
    cache = PageCache(CacheSettings(memory=8000))
    for what, number, size in steps:
        if what == "k":
            cache.keep(b"%d" % number, page(size))
        else:
            cache.pass_by(b"%d" % number, 100.0)
        assert 0 <= cache.size <= 8000
    for number in range(21):
        cache._forget(b"%d" % number)
    assert 0 == cache.size
