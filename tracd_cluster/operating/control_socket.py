"""The control socket: who may speak on it, and for how long; what is said stands in ``protocol.py``.

Lifetime. A ``Visit`` is one connection: a request within ``REQUEST_TIMEOUT``, the command's work looked at every
``LOOK`` seconds, the answer, the end. A client that leaves ends the visit and not what its command has begun. At most
``VISITS`` are there at a time, so whatever a client does, it costs a few descriptors and kilobytes.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IAddress, IReadDescriptor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.errors import StartError
from tracd_cluster.operating.commands import Work
from tracd_cluster.operating.places import LONGEST_PATH
from tracd_cluster.operating.protocol import (
    REQUEST_LIMIT,
    REQUEST_TIMEOUT,
    SIGN_OF_LIFE,
    BadRequest,
    End,
    Request,
    decode_request,
    encode_end,
    encode_progress,
)

VISITS = 16
LOOK = 0.05
ANSWER_TIMEOUT = 10.0
"""Seconds a client may take to read the last line."""

Begin = Callable[[Request], Work]

log = Logger()


class Visit(Protocol):
    """One connection of an operator's."""

    transport: Any

    def __init__(self, begin: Begin, reactor: Any, left: Callable[[Visit], None]) -> None:
        self._begin = begin
        self._reactor = reactor
        self._left = left
        self._data = b""
        self._work: Work | None = None
        self._told = ""
        self._told_at = 0.0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._timer: Any = reactor.callLater(REQUEST_TIMEOUT, self._slow)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take (more of) the request; what comes behind it is thrown away."""
        if self._data.endswith(b"\n"):
            return
        line, newline, _ = (self._data + data).partition(b"\n")
        self._data = line + newline
        if len(line) > REQUEST_LIMIT:
            self._data = b"\n"
            self._answer(End(1, f"a request has {REQUEST_LIMIT} bytes at the most"))
        elif newline:
            self._timer.cancel()
            self._start(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client has gone, or has been answered."""
        if self._timer.active():
            self._timer.cancel()
        if self._looking.running:
            self._looking.stop()
        self._left(self)

    def _start(self, line: bytes) -> None:
        try:
            request = decode_request(line)
        except BadRequest as error:
            self._answer(End(1, f"not understood: {error}"))
            return
        if request.command != "status":
            log.info("The operator asks to {command}{number}", command=request.command, number=_shown(request))
        try:
            self._work = self._begin(request)
            self._looking.start(LOOK)
        except Exception as error:
            log.failure("A command failed")
            self._answer(End(1, f"an error of the service's own: {error!r}; its log has more"))

    def _look(self) -> None:
        assert self._work is not None
        try:
            told = next(self._work)
        except StopIteration as stop:
            self._answer(stop.value)
            return
        except Exception as error:
            log.failure("A command failed")
            self._answer(End(1, f"an error of the service's own: {error!r}; its log has more"))
            return
        now = self._reactor.seconds()
        if told != self._told or now >= self._told_at + SIGN_OF_LIFE:
            self._told, self._told_at = told, now
            self.transport.write(encode_progress(told))

    def _answer(self, end: End) -> None:
        if self._looking.running:
            self._looking.stop()
        if self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(ANSWER_TIMEOUT, self._slow)
        self.transport.write(encode_end(end))
        self.transport.loseConnection()

    def _slow(self) -> None:
        self.transport.abortConnection()


def _shown(request: Request) -> str:
    return f" {request.number}" if request.number else ""


class VisitFactory(Factory):
    """Makes visits, as many as there may be."""

    noisy = False

    def __init__(self, begin: Begin, reactor: Any) -> None:
        self.visits: set[Visit] = set()
        self._begin = begin
        self._reactor = reactor

    def buildProtocol(self, addr: IAddress | None) -> Visit | None:  # noqa: N802
        """Make a visit; None, which closes the connection, if there are too many."""
        if len(self.visits) >= VISITS:
            return None
        visit = Visit(self._begin, self._reactor, self.visits.discard)
        self.visits.add(visit)
        return visit


@implementer(IReadDescriptor)
class ControlSocket:
    """The listening socket at ``path``: made before the service gives root up, read from its start on.

    A new one takes the place of an old one by a rename, so that an upgrade leaves no moment without; only the one
    that has the path takes it away at its end.
    """

    def __init__(self, path: str, begin: Begin, reactor: Any, own_folder: bool = False) -> None:
        self.path = path
        self._own_folder = own_folder
        self._reactor = reactor
        self._factory = VisitFactory(begin, reactor)
        self._socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"<ControlSocket {self.path}, {len(self._factory.visits)} visits>"

    def open(self, user: int | None = None, replace: bool = False) -> None:
        """Listen, for ``user`` as well; raise StartError, for one where another service answers too."""
        temporary = f"{self.path}.{os.getpid()}"
        if len(os.fsencode(temporary)) > LONGEST_PATH:
            raise StartError(f"the path {self.path} is too long for a socket")
        if not replace and _answers(self.path):
            raise StartError(f"another service answers at {self.path}")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o177)
            try:
                sock.bind(temporary)
            finally:
                os.umask(before)
            if user is not None and os.geteuid() == 0:
                os.chown(temporary, user, -1)
            sock.listen(VISITS)
            sock.setblocking(False)
            os.rename(temporary, self.path)
            found = os.stat(self.path)
        except OSError as error:
            sock.close()
            with suppress(OSError):
                os.unlink(temporary)
            raise StartError(f"{self.path}: {error.strerror or error}") from None
        self._identity = (found.st_dev, found.st_ino)
        self._socket = sock

    def start(self) -> None:
        """Begin to listen to operators."""
        if self._socket is not None:
            self._reactor.addReader(self)

    @property
    def visits(self) -> int:
        """How many clients are here."""
        return len(self._factory.visits)

    @property
    def is_ours(self) -> bool:
        """Whether the path still leads here."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return self._identity == (found.st_dev, found.st_ino)

    def close(self) -> None:
        """Let nobody in any more; visits go on."""
        if self._socket is not None:
            self._reactor.removeReader(self)
            if self.is_ours:
                with suppress(OSError):
                    os.unlink(self.path)
                if self._own_folder:
                    with suppress(OSError):
                        os.rmdir(os.path.dirname(self.path))
            self._socket.close()
            self._socket = None

    # -- the reactor's side

    def fileno(self) -> int:
        """Give the socket's descriptor, or -1 once it is closed."""
        return self._socket.fileno() if self._socket is not None else -1

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name
        """Name the socket in a traceback the reactor logs."""
        return "control socket"

    def doRead(self) -> None:  # noqa: N802
        """Let one client in, if it may come in."""
        assert self._socket is not None
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        with client:
            user = peer_of(client)
            if user is not None and user not in (0, os.geteuid()):
                log.warn("User {user} tried the control socket and was turned away", user=user)
                return
            client.setblocking(False)
            with suppress(OSError):
                self._reactor.adoptStreamConnection(client.fileno(), socket.AF_UNIX, self._factory)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The reactor has ended."""
        self.close()


def peer_of(client: socket.socket) -> int | None:
    """Give the user at the other end; None where the platform does not tell, and the socket's mode has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    size = struct.calcsize("3i")
    return int(struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
