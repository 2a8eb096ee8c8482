"""Pages kept for strangers: whose a page is, which may be kept, for how long, and in how much memory.

A stranger is a client without cookie and login, most of them crawlers. Trac makes the same page for each of them, but
for the cookies that it gives to each and the tokens in its forms.

Note [Nobody else's page]. What one visitor is given that was made for another must have nothing of either in it. So

- only a GET without cookie, credentials, user, body, condition or range is looked at, and with no other header field
  but those of the key and those that a worker says it has not looked at (settings/cache.py);
- a worker of ours has said of the answer that it is for any stranger (tracd/strangers.py);
- the answer is a complete 200, in clear or in gzip, which sets no cookie but Trac's own for visitors, and does not say
  itself that it is private or that it depends on more than the key;
- the session and the form token in these cookies are left out, and a page in which one of them stands, or which has
  any form token at all, is not kept. The note of the visit is no visitor's (tracd/visitors.py): it goes with the page.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

from tracd_cluster.codings import GZIP
from tracd_cluster.rewrite.headers import Field
from tracd_cluster.settings.cache import UNKEYED, CacheSettings

STRANGER = b"tracd-cluster-stranger"
"""A worker's word that its answer is for any stranger."""
METHODS = (b"GET", b"HEAD")
PERSONAL_COOKIES = (b"trac_session", b"trac_form_token")
VISIT_COOKIE = b"trac_visit"
TOKEN_MARKS = (b"__form_token", b"form_token")
KEYED = (b"accept-language", b"accept-encoding")
PRIVATE = frozenset((b"private", b"no-store", b"no-cache"))
NEVER = frozenset((b"tracd-cluster-file", b"www-authenticate", b"authentication-info"))
"""Fields of answers that are not looked into: files that the front sends itself, answers to a login."""
TAIL = 1024
"""Bytes at the end of a page in which its last tag stands."""
PASS = 60.0
"""Seconds for which it is remembered that a page is never shared, so that nobody waits for it in vain."""
OVERHEAD = 1024
"""Bytes that an entry takes beside its own, on a generous estimate."""

_UNKEYED = frozenset(name.encode("ascii") for name in UNKEYED)


class Asked(Protocol):
    """The head of a request."""

    method: bytes
    target: bytes
    host: bytes | None
    lines: list[bytes]
    authorization: bytes | None
    length: int
    chunked: bool


def key_of(head: Asked, scheme: bytes) -> bytes | None:
    """Give what a stranger's page is kept by; None for a request that is no stranger's (Note [Nobody else's page])."""
    if head.method not in METHODS or head.authorization is not None or head.host is None:
        return None
    if head.length or head.chunked:
        return None
    language = encoding = b""
    lines = iter(head.lines)
    next(lines)  # Host, always the first
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _UNKEYED:
            continue
        if name == b"accept-language":
            language += b"," + value
        elif name == b"accept-encoding":
            encoding += b"," + value
        else:
            return None
    return b"\n".join((scheme, head.host.lower(), head.target, language, encoding))


def fields_to_keep(status: int, fields: Sequence[Field], largest: int) -> tuple[list[Field], list[bytes]] | None:
    """Give what may be kept of an answer's fields, and what may not stand in its page; None for one not to be kept."""
    if status != 200:
        return None
    kept: list[Field] = []
    secrets: list[bytes] = []
    for_any = False
    for name, value in fields:
        key = name.lower()
        if key == STRANGER:
            for_any = True
        elif key == b"set-cookie":
            cookie, _, secret = value.partition(b";")[0].partition(b"=")
            if cookie.strip() == VISIT_COOKIE:
                kept.append((name, value))
            elif cookie.strip() not in PERSONAL_COOKIES:
                return None
            secrets.append(secret.strip(b' "'))
        elif key in NEVER or not _may_be_shared(key, value.lower(), largest):
            return None
        else:
            kept.append((name, value))
    return (kept, secrets) if for_any else None


def _may_be_shared(name: bytes, value: bytes, largest: int) -> bool:
    if name == b"content-length":
        return int(value) <= largest
    if name == b"content-encoding":
        return value == GZIP
    if name in (b"cache-control", b"pragma"):
        return not PRIVATE.intersection(_words(value))
    return name != b"vary" or all(word in KEYED for word in _words(value))


def _words(value: bytes) -> list[bytes]:
    return [word.partition(b"=")[0].strip(b" \t") for word in value.split(b",")]


def is_for_anybody(fields: Sequence[Field], secrets: Sequence[bytes], body: bytes, largest: int) -> bool:
    """Tell whether a page is complete and has nothing in it that is one visitor's own; one in gzip is looked into."""
    if any(name.lower() == b"content-encoding" for name, _ in fields):
        plain = _in_clear(body, largest)
        if plain is None:
            return False
        body = plain
    html = any(name.lower() == b"content-type" and b"html" in value.lower() for name, value in fields)
    if html and b"</html>" not in body[-TAIL:].lower():
        return False
    lowered = body.lower()
    return not any(mark in lowered for mark in TOKEN_MARKS) and not any(s in body for s in secrets if s)


def _in_clear(body: bytes, largest: int) -> bytes | None:
    """Give what a body in gzip says; None if it is broken off, or longer than what is kept."""
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = stream.decompress(body, largest)
    except zlib.error:
        return None
    return found if stream.eof and not stream.unused_data else None


class Page:
    """A page that is kept: ``head`` without its last line, and ``body``; made at ``since``.

    ``workers`` tells one set of workers from the next, as the balancer counts them: the one that it was begun by.

    An empty head stands for a page that is never shared.
    """

    __slots__ = ("body", "head", "since", "workers")

    def __init__(self, head: bytes, body: bytes, since: float, workers: int) -> None:
        self.head = head
        self.body = body
        self.since = since
        self.workers = workers

    def answer(self, now: float, lines: bytes, request_id: bytes, no_body: bool) -> bytes:
        """Make an answer of it; ``lines`` are whole header lines of this answer's own."""
        last = b"Age: %d\r\n%bX-Request-ID: %b\r\n\r\n" % (now - self.since, lines, request_id)
        return b"".join((self.head, last, b"" if no_body else self.body))


class PageCache:
    """Pages by their keys, the one used last at the end; the first ones go when there is no room."""

    def __init__(self, settings: CacheSettings) -> None:
        self._pages: dict[bytes, Page] = {}
        self.size = 0
        self.take(settings)

    def __repr__(self) -> str:
        return f"<PageCache {len(self._pages)} pages, {self.size} bytes>"

    def take(self, settings: CacheSettings) -> None:
        """Go by these settings from now on."""
        self.settings = settings
        self._make_room()

    def fresh(self, key: bytes, now: float, workers: int) -> Page | None:
        """Give a page that is as good as a new one; none that other workers have made, with other code perhaps."""
        page = self._pages.get(key)
        if page is None or now - page.since >= self.settings.period or page.workers != workers or not page.head:
            return None
        self._pages[key] = self._pages.pop(key)
        return page

    def stale(self, key: bytes, now: float) -> Page | None:
        """Give a page that is better than none."""
        page = self._pages.get(key)
        return page if page is not None and page.head and now - page.since < self.settings.stale else None

    def is_passed(self, key: bytes, now: float) -> bool:
        """Tell whether a page is known not to be shared."""
        page = self._pages.get(key)
        return page is not None and not page.head and now - page.since < PASS

    def keep(self, key: bytes, page: Page) -> None:
        """Keep a page in place of an older one."""
        self._forget(key)
        self._pages[key] = page
        self.size += _size(key, page)
        self._make_room()

    def pass_by(self, key: bytes, now: float) -> None:
        """Remember that a page is never shared, and let nobody wait for it; an older one is not kept either."""
        self.keep(key, Page(b"", b"", now, 0))

    def _forget(self, key: bytes) -> None:
        page = self._pages.pop(key, None)
        if page is not None:
            self.size -= _size(key, page)

    def _make_room(self) -> None:
        while self.size > self.settings.memory:
            self._forget(next(iter(self._pages)))


def _size(key: bytes, page: Page) -> int:
    return len(key) + len(page.head) + len(page.body) + OVERHEAD
