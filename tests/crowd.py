"""A crowd of slow clients in a process of its own: ``python -m tests.crowd PORT JSON``.

It prints ``ready`` as soon as each reader has the head of its answer and each uploader has begun, or what is wrong,
and goes on in sips and drips. A line on its standard input makes it hurry: it takes and sends what is left, and prints
what came of it.
"""

from __future__ import annotations

import json
import select
import selectors
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any

from tests.processes import FROM_TREE

SIP = 1024
"""Bytes that a client takes or sends at its turn."""
PERIOD = 2.0
"""Seconds from one turn of a client to its next."""
TICK = 0.02
BEGINNING = 32
"""Clients that begin at the same time: nobody is to be refused for want of patience."""
KERNEL = 4096
"""What the kernel is to keep for a reader; it makes a little more of it."""
PATIENCE = 300.0
"""Seconds that a crowd may take to get ready, or to end."""


@dataclass
class Plan:
    """How many read what, and how many send what; the bytes of an upload that are sent at once, and in all."""

    readers: dict[str, int] = field(default_factory=dict)
    cookie: str = "Cookie: slow=1\r\n"
    """What makes a reader somebody, for whom pages are made; empty for strangers, who share them."""
    upload_path: str = "/newticket"
    uploaders: int = 0
    begin: int = 0
    size: int = 0


class Client:
    """One slow client; ``begun`` and ``over`` say how far it is, ``wrong`` what it does not like."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.begun = self.over = False
        self.wrong = ""
        self.status = 0
        self._head = b""
        self._left = -1

    @property
    def writes(self) -> bool:
        """Whether it has something to send."""
        return False

    def turn(self, size: int) -> None:
        """Take or send so many bytes, if the other side lets it."""
        try:
            self._step(size)
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(f"{type(error).__name__}: {error}")

    def _step(self, size: int) -> None:
        data = self.socket.recv(size)
        if not data:
            self._end("the connection ended")
        elif self._left < 0:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if end:
                self.begun = True
                self.status = int(head[9:12])
                self.wrong = self._judge()
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                self._left = int(length or 0) - len(rest)
        else:
            self._left -= len(data)
        if not self._left:
            self._end("")
        elif self._left < -1:
            self._end("more came than was announced")

    def _judge(self) -> str:
        return "" if self.status == 200 else f"status {self.status}"

    def _end(self, wrong: str) -> None:
        self.over = True
        self.wrong = self.wrong or wrong
        self.socket.close()


class Reader(Client):
    """Takes an answer in sips."""

    def __init__(self, port: int, plan: Plan, path: str) -> None:
        super().__init__(port)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{plan.cookie}\r\n".encode())


class Uploader(Client):
    """Sends a form that no application takes, in drips."""

    def __init__(self, port: int, plan: Plan) -> None:
        super().__init__(port)
        head = (
            f"POST {plan.upload_path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {plan.size}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        self._rest = memoryview(head.encode() + b"x" * plan.size)
        self._begin = len(head) + plan.begin

    @property
    def writes(self) -> bool:
        return bool(self._rest)

    def _step(self, size: int) -> None:
        if not self._rest:
            super()._step(size)
            return
        with suppress(BlockingIOError):
            self.socket.recv(1, socket.MSG_PEEK)
            super()._step(size)  # an answer before the end
            return
        sent = self.socket.send(self._rest[: max(size, self._begin)])
        self._rest = self._rest[sent:]
        self._begin = max(0, self._begin - sent)
        self.begun = not self._begin

    def _judge(self) -> str:
        if self._rest:
            return f"status {self.status} before the end"
        # Without a token Trac takes no form: so it has seen it.
        return "" if self.status == 400 else f"status {self.status}"


def run(port: int, plan: Plan) -> dict[str, Any]:
    """Be the crowd, until told to hurry; give how many came through, and what went wrong with how many."""
    make: list[Callable[[], Client]] = [partial(Uploader, port, plan)] * plan.uploaders
    for path, count in plan.readers.items():
        make += [partial(Reader, port, plan, path)] * count
    clients = _begin(make)
    wrong = _wrong(clients, begun=True)
    print(json.dumps(wrong) if wrong else "ready", flush=True)  # noqa: T201
    each, place = int(-(-len(clients) * TICK // PERIOD)), 0
    while True:
        begun = monotonic()
        for _ in range(each):
            client = clients[place % len(clients)]
            place += 1
            if not client.over:
                client.turn(SIP)
        readable, _, _ = select.select([sys.stdin], [], [], max(0.0, TICK - (monotonic() - begun)))
        if readable:
            break
    _hurry(clients)
    return {"well": sum(client.over and not client.wrong for client in clients), "wrong": _wrong(clients)}


def _begin(make: list[Callable[[], Client]]) -> list[Client]:
    clients: list[Client] = []
    end = monotonic() + PATIENCE
    beginning: list[Client] = []
    while (make or beginning) and monotonic() < end:
        while make and len(beginning) < BEGINNING:
            client = make.pop()()
            clients.append(client)
            beginning.append(client)
        waiting = select.poll()
        for client in beginning:
            waiting.register(client.socket, select.POLLOUT if client.writes else select.POLLIN)
        waiting.poll(1000)
        for client in beginning:
            client.turn(SIP)
        beginning = [client for client in beginning if not (client.begun or client.over)]
    return clients


def _wrong(clients: list[Client], begun: bool = False) -> dict[str, int]:
    """Count what went wrong; to have ``begun`` well may be enough."""
    late = [client for client in clients if not (client.begun if begun else client.over)]
    return dict(Counter([client.wrong for client in clients if client.wrong] + ["not in time"] * len(late)))


def _hurry(clients: list[Client]) -> None:
    end = monotonic() + PATIENCE
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            if not client.over:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                waiting.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE * client.writes, client)
        while waiting.get_map() and monotonic() < end:
            for key, _ in waiting.select(1.0):
                client, wrote = key.data, key.data.writes
                sock = client.socket
                client.turn(64 * 1024)
                if client.over:
                    waiting.unregister(key.fd)
                elif wrote and not client.writes:
                    waiting.modify(sock, selectors.EVENT_READ, client)


class Crowd:
    """A crowd that runs beside, from its start until it is ended."""

    def __init__(self, port: int, plan: Plan) -> None:
        argv = [sys.executable, "-m", "tests.crowd", str(port), json.dumps(asdict(plan))]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=FROM_TREE)

    def __enter__(self) -> Crowd:
        line = self._line()
        if line != "ready":
            self.__exit__(None, None, None)
            raise AssertionError(f"the crowd did not get ready: {line}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with self._process:
            self._process.kill()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def hurry(self) -> dict[str, Any]:
        """Let all of them finish, and give what came of them."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._line())
        return found


def main() -> None:
    """Be a crowd."""
    print(json.dumps(run(int(sys.argv[1]), Plan(**json.loads(sys.argv[2])))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
