"""A client that takes a file at its own pace, and sees how it ends."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from types import TracebackType


class Download:
    """One request on a connection of its own, plain or encrypted; the head is read at once, the body as asked.

    The kernel keeps little for it, so that the server has to wait.
    """

    def __init__(self, port: int, path: str, *lines: str, ca: Path | None = None, method: str = "GET") -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", port))
        self._socket: socket.socket = raw
        if ca is not None:
            self._socket = ssl.create_default_context(cafile=ca).wrap_socket(raw, server_hostname="localhost")
        self.ask(path, *lines, method=method)

    def __enter__(self) -> Download:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, path: str, *lines: str, method: str = "GET") -> None:
        """Send one more request, and read the head of its answer."""
        fields = "".join(f"{line}\r\n" for line in ("Host: localhost", *lines))
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = self._socket.recv(1)  # not a byte of the body
            assert data, f"the connection ended within a head: {head!r}"
            head += data
        first, *rest = head.decode("latin-1").split("\r\n")[:-2]
        self.status = int(first.split(" ")[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        self.length = int(self.headers.get("content-length", 0))

    def take(self, size: int) -> bytes:
        """Give the next bytes of the body, fewer if it breaks off."""
        found = bytearray()
        while len(found) < size:
            try:
                data = self._socket.recv(min(65536, size - len(found)))
            except (ConnectionResetError, ssl.SSLError):
                break
            if not data:
                break
            found += data
        return bytes(found)

    def body(self) -> bytes:
        """Give the whole body, or what comes of it."""
        return self.take(self.length)

    def close(self) -> None:
        """Leave."""
        self._socket.close()
