"""The successor's side of an upgrade: takes what the old front left, says how far it is, and waits for its turn."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tracd_cluster.operating.inheritance import Inheritance, Lines, line
from tracd_cluster.workers.steps import Wish

READ_SIZE = 4096

log = Logger()


@implementer(IReadDescriptor)
class Predecessor:
    """The old front, as its successor knows it.

    ``serving`` is set once it is our turn; until then the end of the link is ``gone``. Writing blocks: it is a few
    lines in all, and the start has to go on whether anybody reads them or not.
    """

    def __init__(self, left: Inheritance, reactor: Any) -> None:
        self.left = left
        self.serving = False
        self.my_turn: Callable[[Wish], None] = _nothing
        self.gone: Callable[[str], None] = _nothing_said
        self._reactor = reactor
        self._lines = Lines()
        self._socket = socket.socket(fileno=left.link)
        for descriptor in (left.link, *left.ports.values(), *left.output):
            os.set_inheritable(descriptor, False)

    def here(self) -> None:
        """Say which process we are, now that it will not change any more."""
        self._say(here=os.getpid())

    def wait(self) -> None:
        """Begin to listen for our turn."""
        self._socket.setblocking(False)
        self._reactor.addReader(self)

    def ready(self) -> None:
        """Say that we could serve."""
        self._say(ready=os.getpid())

    def failed(self, why: str) -> None:
        """Say why we shall not."""
        if not self.serving:
            self._say(failed=why)

    def take_over(self) -> None:
        """Say that we serve, and have our output go where the old front's went."""
        self.serving = True
        self._say(serving=os.getpid())
        for number, descriptor in enumerate(self.left.output, 1):
            with suppress(OSError):
                os.dup2(descriptor, number, inheritable=True)
        self.close()

    def close(self) -> None:
        """Leave the link."""
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()
            for descriptor in self.left.output:
                os.close(descriptor)

    def _say(self, **what: Any) -> None:
        if self._socket.fileno() >= 0:
            with suppress(OSError):
                self._socket.send(line(**what))

    # -- the reactor's side

    def fileno(self) -> int:
        """Give the link's descriptor, or -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:  # noqa: N802 - the reactor's name
        """Name the link in a traceback the reactor logs."""
        return "predecessor"

    def doRead(self) -> Any:  # noqa: N802
        """Take what the old front says; give the reason when nothing can come any more."""
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        for message in self._lines.feed(data):
            if message.get("turn") is True and not self.serving:
                self.my_turn(Wish(*message["wish"]))
        return None

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The old front has given us up, or is no more."""
        self.close()
        if not self.serving:
            self.gone("the process that started this one has given it up")


def _nothing(wish: Wish) -> None:
    """Nobody has said what to do."""


def _nothing_said(why: str) -> None:
    """Nobody has said what to do."""
