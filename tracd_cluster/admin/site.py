"""The admin addresses as a web site: what stands at which path, and what is said to whom.

It is twisted.web's: a handful of requests a second is all that comes here, and the front's own connection is made for
workers behind it. What a browser may do with the page is said once, for all answers: nothing but its own files, and
nobody else's frame.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tracd_cluster.admin.guard import CHALLENGE, Asked, Guard, Refusal
from tracd_cluster.admin.memory import Memory
from tracd_cluster.admin.metrics import Metrics
from tracd_cluster.admin.overview import Overview
from tracd_cluster.admin.visits import BODY_LIMIT
from tracd_cluster.front.health import health
from tracd_cluster.front.listener import Front
from tracd_cluster.operating.commands import Commands, Work
from tracd_cluster.operating.protocol import BadRequest, End, decode_request

FILES = {
    b"/-/": ("index.html", "text/html; charset=utf-8"),
    b"/-/admin.js": ("admin.js", "text/javascript; charset=utf-8"),
    b"/-/admin.css": ("admin.css", "text/css; charset=utf-8"),
    b"/-/icon.svg": ("icon.svg", "image/svg+xml"),
}
FOLDER = os.path.join(os.path.dirname(__file__), "pages")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "tracd-cluster",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

CHANGES = frozenset({"restart", "reload", "scale", "drain"})
"""Of the commands of ``ctl``, those that leave the service serving."""

GUESS_DELAY = 1.0
"""Seconds until a wrong password is told to be wrong; the right one never waits."""

log = Logger()


@dataclass(frozen=True, slots=True)
class Room:
    """What the pages are made of."""

    front: Front
    overview: Overview
    commands: Commands
    metrics: Metrics
    memory: Memory


class AdminPages(Resource):
    """Everything below ``/-/``, behind one guard."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, guard: Guard, room: Room, reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.guard = guard
        self._room = room
        self._reactor = reactor
        self._files: dict[bytes, tuple[bytes, str]] = {}
        for path, (name, kind) in FILES.items():
            with open(os.path.join(FOLDER, name), "rb") as file:
                self._files[path] = file.read(), kind
        self._ways: dict[tuple[bytes, bytes], Callable[[Any], Any]] = {
            (b"GET", b"/-/status.json"): self._status,
            (b"GET", b"/-/metrics"): self._metrics,
            (b"POST", b"/-/do"): self._change,
        }

    def render(self, request: Any) -> Any:
        """Answer one request."""
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        if (refusal := self.guard.refuse(_asked(request))) is not None:
            return self._refuse(request, refusal)
        path, method = request.path, b"GET" if request.method == b"HEAD" else request.method
        if method == b"GET" and (told := health(self._room.front, path)) is not None:
            return _text(request, told[0], told[1])
        if method == b"GET" and path in self._files:
            return _put(request, *self._files[path])
        if method == b"GET" and path in (b"/", b"/-"):
            request.setHeader("Location", "/-/")
            return _text(request, 302, "The status page is at /-/")
        way = self._ways.get((method, path))
        if way is not None:
            return way(request)
        allowed = [*(one for one, other in self._ways if other == path), *([b"GET"] if path in self._files else [])]
        if allowed:
            request.setHeader(b"Allow", b", ".join(allowed))
            return _text(request, 405, "This is not done here.")
        return _text(request, 404, "There is nothing at this address. The status page is at /-/")

    def _refuse(self, request: Any, refusal: Refusal) -> Any:
        if refusal.status == 401:
            request.setHeader(b"WWW-Authenticate", CHALLENGE)
        if not refusal.guess:
            return _text(request, refusal.status, refusal.text)
        log.warn(
            "Login failed from {address} for user {user}: it was not the password of the admin address",
            address=_address(request),
            user=ascii(request.getUser()[:100].decode("utf-8", "replace")),
        )
        later = self._reactor.callLater(GUESS_DELAY, _finish_text, request, refusal.status, refusal.text)
        request.notifyFinish().addErrback(lambda _: later.cancel())
        return NOT_DONE_YET

    def _status(self, request: Any) -> Any:
        self._room.memory.refresh()
        found = self._room.overview.of(self._reactor.seconds())
        return _put_json(request, {**found, "token": self.guard.token()})

    def _metrics(self, request: Any) -> Any:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        accept = request.getHeader("accept") or ""

        def measured(_: None) -> None:
            if gone:
                return
            kind, text = self._room.metrics.text(accept)
            if isinstance(body := _put(request, text, kind), bytes):
                request.write(body)
            request.finish()

        def failed(failure: Failure) -> None:
            log.failure("The metrics could not be told", failure=failure)
            if not gone:
                _finish_text(request, 500, "The metrics could not be told; the log says why.")

        self._room.memory.refresh().addCallback(measured).addErrback(failed)
        return NOT_DONE_YET

    def _change(self, request: Any) -> Any:
        """Begin what a button is for; whoever looks on sees how it goes."""
        try:
            asked = decode_request(request.content.read(BODY_LIMIT))
            if asked.command not in CHANGES or asked.wait:
                raise BadRequest(f"one of {', '.join(sorted(CHANGES))}, and wait false")
        except BadRequest as error:
            return _put_json(request, {"status": 1, "say": f"not understood: {error}"}, 400)
        number = f" {asked.number}" if asked.number else ""
        what, where = asked.command, _address(request)
        log.info("The operator asks to {what}{number} on the status page, from {where}", what=what, number=number,
                 where=where)  # fmt: skip
        end = _end_of(self._room.commands.begin(asked))
        return _put_json(request, {"status": end.status, "say": end.say}, 409 if end.status else 200)


def _end_of(work: Work) -> End:
    """Let a command that does not wait come to its end."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            end: End = stop.value
            return end


def _asked(request: Any) -> Asked:
    def field(name: bytes) -> bytes | None:
        values = request.requestHeaders.getRawHeaders(name)
        # Two of them are none: nobody means that well.
        return values[0] if values is not None and len(values) == 1 else None if values is None else b""

    return Asked(
        method=request.method,
        path=request.path,
        host=field(b"host"),
        authorization=field(b"authorization"),
        origin=field(b"origin"),
        fetch_site=field(b"sec-fetch-site"),
        token=field(b"x-tracd-cluster-token"),
    )


def _address(request: Any) -> str:
    host: str = getattr(request.getClientAddress(), "host", "")
    return host or "the admin socket"


def _put(request: Any, body: bytes, kind: str, status: int = 200) -> bytes | int:
    request.setResponseCode(status)
    request.setHeader("Content-Type", kind)
    request.setHeader("Content-Length", str(len(body)))
    return body


def _text(request: Any, status: int, words: str) -> bytes | int:
    return _put(request, f"{words}\n".encode(), "text/plain; charset=utf-8", status)


def _put_json(request: Any, what: dict[str, Any], status: int = 200) -> bytes | int:
    return _put(request, json.dumps(what, separators=(",", ":")).encode(), "application/json", status)


def _finish_text(request: Any, status: int, words: str) -> None:
    body = _text(request, status, words)
    assert isinstance(body, bytes)
    request.write(body)
    request.finish()
