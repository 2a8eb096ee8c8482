"""Requests as they come off a lane, made into WSGI environments (PEP 3333).

The front has checked every request and written it in one plain form: HTTP/1.1, a body only with ``Content-Length``,
and what it knows itself in fields no client can send (``Tracd-Cluster-Server``, ``-Client``, ``-User``). So nothing
is checked twice here, and the parsing is a split and a dictionary: this code runs for every request of every worker.
"""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast
from urllib.parse import unquote_to_bytes

from tracd_cluster.settings.pool import ProjectSettings

Environ = dict[str, Any]
Receive = Callable[[int], bytes]
"""Waits for bytes and gives at most so many; nothing at the end, as ``socket.recv``."""

RECEIVE_SIZE = 64 * 1024
BODY_IN_MEMORY = 64 * 1024
"""A longer body is read off the lane as the application asks for it; the front keeps it on disk meanwhile."""
READ_BLOCK = 64 * 1024

SERVER = "tracd_cluster.server"
CLIENT = "tracd_cluster.client"
USER = "tracd_cluster.user"
STRANGER = "tracd_cluster.stranger"
"""What an application puts into an environment to say that its answer is for any stranger (strangers.py)."""
SIGN_IN = "tracd_cluster.sign_in"
"""In an environment, that its page is only for those who have signed in."""
NOT_SIGNED_IN = "tracd_cluster.not_signed_in"
"""What an application puts there to say that this one has not (signing_in.py)."""
ASKED_BY = "tracd_cluster.asked_by"
"""Where it puts whose the login is that was brought, empty for nobody's (users.py)."""
NO_FILES = "tracd_cluster.no_files"
"""In an environment, that the front wants the bytes of a file, and not its name."""

_KEYS_LIMIT = 500
"""Names clients may teach us; the common ones come first and stay, a flood of odd ones is merely not remembered."""
_keys: dict[str, str] = {
    "Tracd-Cluster-Server": SERVER,
    "Tracd-Cluster-Client": CLIENT,
    "Tracd-Cluster-User": USER,
    "Tracd-Cluster-No-Files": NO_FILES,
    "Tracd-Cluster-Sign-In": SIGN_IN,
}

_BETTER = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")


class MalformedRequest(Exception):
    """Bytes on the lane that the front never writes: the two ends are out of step."""


class LaneClosed(ConnectionResetError):
    """The front closed the lane before the request, or its answer, was complete."""

    def __init__(self) -> None:
        # Trac tells by the number that the client is gone, which is what this means to it.
        super().__init__(errno.ECONNRESET, "the front closed the lane")


def constant_environ(projects: ProjectSettings | None, threads: int, base_path: str) -> Environ:
    """Give what is the same in every request; with ``projects``, Trac's own keys too (as tracd's middleware)."""
    environ: Environ = {
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": native(base_path),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if projects is not None:
        # All three always: Trac takes what is missing from TRAC_ENV and TRAC_ENV_PARENT_DIR of the process.
        parent = projects.env_parent_dir
        environ["trac.env_parent_dir"] = parent
        environ["trac.env_path"] = projects.env_paths[0] if projects.single_env and parent is None else None
        environ["trac.env_paths"] = [] if projects.single_env or parent is not None else list(projects.env_paths)
    return environ


def native(text: str) -> str:
    """Give ``text`` as PEP 3333 has strings: one character for each byte of its UTF-8."""
    return text.encode("utf-8").decode("latin-1")


class RequestReader:
    """Reads one request after the other from a lane.

    ``constant`` is what every environment begins with. The body of a request belongs to the lane until ``drain`` has
    been called; only then may the answer end, so that an answer that has ended means a lane that is in step.
    """

    __slots__ = ("_body", "_constant", "_receive", "_rest", "_skip")

    def __init__(self, receive: Receive, constant: Environ) -> None:
        self._receive = receive
        self._constant = constant
        self._skip = len(constant["SCRIPT_NAME"])
        self._rest = b""
        self._body: _Body | None = None

    def read(self) -> Environ | None:
        """Wait for a request and give its environment, or None when the front has closed the lane.

        An environment without SERVER_NAME is a probe. Raises LaneClosed in the middle of a request.
        """
        data = self._rest or self._receive(RECEIVE_SIZE)
        while b"\r\n\r\n" not in data:
            more = self._receive(RECEIVE_SIZE)
            if not more:
                if data:
                    raise LaneClosed
                return None
            data += more
        head, _, self._rest = data.partition(b"\r\n\r\n")
        environ = self._constant.copy()
        if "trac.env_paths" in environ:
            # A list of its own for each request: Trac appends what it finds in the parent directory to it.
            environ["trac.env_paths"] = environ["trac.env_paths"][:]
        parse_head(head, environ, self._skip)
        length = environ.get("CONTENT_LENGTH")
        environ["wsgi.input"] = io.BytesIO() if length is None else self._open_body(int(length))
        return environ

    def drain(self) -> None:
        """Read and forget what the application has left of the body."""
        if self._body is not None:
            body, self._body = self._body, None
            body.skip()
            self._rest = body.rest

    def _open_body(self, length: int) -> BinaryIO:
        if length > BODY_IN_MEMORY:
            self._body = _Body(self._receive, self._rest, length)
            return cast(BinaryIO, io.BufferedReader(self._body, READ_BLOCK))
        data = self._rest
        while len(data) < length:
            more = self._receive(length - len(data))
            if not more:
                raise LaneClosed
            data += more
        self._rest = data[length:]
        return io.BytesIO(data[:length])


class _Body(io.RawIOBase):
    """The next ``length`` bytes of the lane, as a file that ends there; ``rest`` are bytes already received."""

    def __init__(self, receive: Receive, rest: bytes, length: int) -> None:
        self._receive = receive
        self.rest = rest
        self.left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as one receive reaches; 0 at the end of the body. Raises LaneClosed before it."""
        wanted = min(len(buffer), self.left)
        if not wanted:
            return 0
        data, self.rest = self.rest[:wanted], self.rest[wanted:]
        data = data or self._receive(wanted)
        if not data:
            raise LaneClosed
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)

    def skip(self) -> None:
        """Read to the end of the body, even if the application has closed this file."""
        buffer = bytearray(READ_BLOCK)
        while self.left:
            self.readinto(buffer)


class FileWrapper:
    """``wsgi.file_wrapper``: a file as blocks, larger ones than the 4096 bytes Trac asks for."""

    __slots__ = ("_block", "file")

    def __init__(self, file: BinaryIO, block: int = READ_BLOCK) -> None:
        self.file = file
        self._block = max(block, READ_BLOCK)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self._block), b"")

    def close(self) -> None:
        """Close the file, if it can be closed."""
        if hasattr(self.file, "close"):
            self.file.close()


def parse_head(head: bytes, environ: Environ, skip: int) -> None:
    """Fill ``environ`` from a request head without its empty line; ``skip`` is the length of the base path.

    Repeated fields are joined with a comma, as tracd does, and cookies with a semicolon (RFC 9113 section 8.2.3).
    """
    fields = head.decode("latin-1").split("\r\n")
    try:
        method, target, _ = fields[0].split(" ")
    except ValueError:
        raise MalformedRequest(f"not a request line: {fields[0][:200]!r}") from None
    del fields[0]
    for field in fields:
        name, _, value = field.partition(":")
        key = _keys.get(name) or _key_of(name)
        value = value.strip(" \t")
        if key not in environ:
            environ[key] = value
        elif key == "HTTP_COOKIE":
            environ[key] += "; " + value
        elif key.startswith("HTTP_"):
            environ[key] += "," + value
    environ.pop("", None)
    path, _, query = target.partition("?")
    if "%" in path:
        path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    environ["REQUEST_METHOD"] = method
    environ["PATH_INFO"] = path[skip:] if skip else path
    environ["QUERY_STRING"] = query
    if "HTTP_IF_MODIFIED_SINCE" in environ and any(key in environ for key in _BETTER):
        # The other condition comes first (RFC 9110 section 13.2.2), and Trac knows only this one for files.
        del environ["HTTP_IF_MODIFIED_SINCE"]
    _take_connection(environ, target)


def _take_connection(environ: Environ, target: str) -> None:
    """Unpack what the front says of the connection and the user."""
    server = environ.pop(SERVER, None)
    if server is None:
        if target != "*":
            raise MalformedRequest(f"no Tracd-Cluster-Server field in a request for {target[:200]!r}")
        return
    scheme, environ["SERVER_NAME"], environ["SERVER_PORT"] = server.split(" ")
    if scheme == "https":
        environ["wsgi.url_scheme"] = scheme
        environ["HTTPS"] = "on"
    environ["REMOTE_ADDR"], _, environ["REMOTE_PORT"] = environ.pop(CLIENT, "").rpartition(" ")
    user = environ.pop(USER, None)
    if user is not None:
        # Not PEP 3333's byte string: Trac takes the name as it stands, and tracd gives it decoded.
        environ["REMOTE_USER"] = unquote_to_bytes(user).decode("utf-8", "replace")


def _key_of(name: str) -> str:
    """Give the environment's key for a field name; empty for a name that could pass for another one.

    The front lets no such name through; a second look costs nothing, since the answer is remembered.
    """
    folded = name.upper().replace("-", "_")
    if "_" in name or folded.startswith("TRACD_CLUSTER_"):
        key = ""
    elif folded in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = folded
    else:
        key = "HTTP_" + folded
    if len(_keys) < _KEYS_LIMIT and key and len(name) <= 64:
        _keys[name] = key
    return key
