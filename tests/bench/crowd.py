"""Clients who say hardly anything: ``python -m tests.bench.crowd PORT SLOW IDLE``.

SLOW ones begin a request and add to its head now and then, for as long as they are let; IDLE ones ask for a style
sheet once and keep their connections. Each comes from an address of its own. Whoever is sent away comes again. It says
``ready`` when all are there for the first time, then works until its standard input is closed.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import sys
from collections import deque
from time import monotonic

from tests.bench.addresses import address_of

BEGIN = b"GET /wiki/WikiStart HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MORE = b"X-More: a\r\n"
WHOLE = b"GET /chrome/common/css/trac.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PAUSE = 5.0
"""Seconds between two lines of a slow one."""
AT_ONCE = 64
"""Who is on the way in at any time: more would wait in the kernel's line, and be dropped from it."""


class Crowd:
    """All of them, in one thread."""

    def __init__(self, port: int, slow: int, idle: int) -> None:
        self._port = port
        self._slow = slow
        self._outside = deque(range(slow + idle))
        self._coming: set[int] = set()
        self._next: deque[tuple[float, int, socket.socket]] = deque()
        """When to say more, by time."""
        self._inside: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self.everybody = slow + idle

    def run(self) -> None:
        """Work until standard input ends."""
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        ready = False
        while True:
            self._come()
            for key, _ in self._selector.select(0.1):
                if key.data is None:
                    return
                self._event(key.data, key.fileobj)  # type: ignore[arg-type]
            self._say_more(monotonic())
            if not ready and len(self._inside) == self.everybody:
                ready = True
                print("ready", flush=True)

    def _come(self) -> None:
        while self._outside and len(self._coming) < AT_ONCE:
            number = self._outside.popleft()
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: as many ports as there are addresses
            sock.bind((address_of(number), 0))
            if sock.connect_ex(("127.0.0.1", self._port)) not in (0, errno.EINPROGRESS):
                sock.close()
                self._outside.append(number)
                return
            self._coming.add(number)
            self._selector.register(sock, selectors.EVENT_WRITE, number)

    def _event(self, number: int, sock: socket.socket) -> None:
        try:
            if number in self._coming and number not in self._inside:
                self._arrived(number, sock)
            elif sock.recv(65536):
                self._inside[number] = sock
                self._coming.discard(number)
            else:
                self._leave(number, sock)
        except OSError:
            self._leave(number, sock)

    def _arrived(self, number: int, sock: socket.socket) -> None:
        """Say the first thing; an idle one is there when it has been answered."""
        slow = number < self._slow
        sock.send(BEGIN if slow else WHOLE)
        self._selector.modify(sock, selectors.EVENT_READ, number)
        if slow:
            self._coming.discard(number)
            self._next.append((monotonic() + PAUSE, number, sock))
        self._inside[number] = sock

    def _say_more(self, now: float) -> None:
        while self._next and self._next[0][0] <= now:
            _, number, sock = self._next.popleft()
            if self._inside.get(number) is sock:
                with contextlib.suppress(OSError):
                    sock.send(MORE)
                self._next.append((now + PAUSE, number, sock))

    def _leave(self, number: int, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()
        self._inside.pop(number, None)
        self._coming.discard(number)
        self._outside.append(number)


if __name__ == "__main__":
    Crowd(*map(int, sys.argv[1:4])).run()
