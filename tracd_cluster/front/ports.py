"""Opening the ports, taking them over from another process, and leaving them: to nobody, or to another process.

Note [Shared sockets]. A port that came from another process, or goes to one, is one socket with several descriptors.
What is done to the socket is done to all who have it: it must not be shut down, and the filter that lets nobody in
must not be attached. Who leaves such a port closes a descriptor and nothing else; whoever has knocked waits in the
kernel for the other process. The same holds for systemd's sockets, which are there before us and after us.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
import sys
from contextlib import suppress
from typing import Any

from twisted.internet import unix
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.tcp import Port
from twisted.python.failure import Failure
from twisted.python.lockfile import FilesystemLock

from tracd_cluster.errors import StartError

SO_ATTACH_FILTER = 26
"""From Linux's asm-generic/socket.h; Python does not name it."""
BPF_RET = 0x06
"""From linux/bpf_common.h: return a constant, the number of bytes to take."""

BACKLOG = 1024
"""As config.py has it; a Unix socket that is taken over is told again."""

ACCEPTS = 16
"""Connections to accept in one turn of the reactor. Twisted takes ever more of them while more come, thousands in the
end, and whoever is connected already waits that long."""


def open_port(reactor: Any, description: str, factory: IProtocolFactory, inherited: int | None) -> IListeningPort:
    """Open a port, or take it over by its descriptor; raise StartError that says why it cannot be had."""
    port = _open(reactor, description, factory, inherited)
    if isinstance(port, Port):
        _accept_a_few(port)
    return port


def _open(reactor: Any, description: str, factory: IProtocolFactory, inherited: int | None) -> IListeningPort:
    if inherited is not None:
        return _adopt(reactor, inherited, factory)
    try:
        endpoint = serverFromString(reactor, description)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        if description.startswith("systemd:"):
            raise StartError(f"cannot listen on {description}: systemd has handed over no such socket") from None
        raise StartError(f"cannot listen on {description}: it is not an endpoint of Twisted's ({error})") from None
    if isinstance(endpoint, AdoptedStreamServerEndpoint):
        return _adopt(reactor, endpoint.fileno, factory)
    opened: list[IListeningPort] = []
    problems: list[Failure] = []
    endpoint.listen(factory).addCallbacks(opened.append, problems.append)
    for problem in problems:
        raise StartError(f"cannot listen on {description}: {_why_not(problem.value)}")
    return opened[0]


def _adopt(reactor: Any, descriptor: int, factory: IProtocolFactory) -> IListeningPort:
    """Take over a listening socket; its descriptor is closed, the port has one of its own."""
    with socket.socket(fileno=descriptor) as sock:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            adopted: IListeningPort = reactor.adoptStreamPort(descriptor, sock.family, factory)
            return adopted
        port = unix.Port._fromListeningDescriptor(reactor, descriptor, factory)  # type: ignore[no-untyped-call]
        # Twisted would let everybody use it from now on.
        with suppress(OSError):
            port.mode = stat.S_IMODE(os.stat(port._bindPath).st_mode)
        port.backlog = BACKLOG
        port.startListening()
        return port  # type: ignore[no-any-return]


def _accept_a_few(port: Any) -> None:
    """Have the reactor accept a few connections at a time, however many wait."""
    do_read = port.doRead

    def read_a_few() -> None:
        port.numberAccepts = min(port.numberAccepts, ACCEPTS)
        do_read()

    port.doRead = read_a_few


def take_lock(port: Any) -> None:
    """Take the lock of a Unix socket from the process that has left the socket to us, if it had one."""
    if isinstance(port, unix.Port) and port.lockFile is None:
        name = os.fsdecode(port._bindPath) + ".lock"
        if os.path.lexists(name):
            os.symlink(str(os.getpid()), name + ".new")
            os.rename(name + ".new", name)
            port.lockFile = FilesystemLock(os.fsencode(name))  # type: ignore[no-untyped-call]
            port.lockFile.locked = True


def close(port: Any) -> None:
    """Close a port so that nobody who has got through to it is turned away."""
    _let_nobody_in(port)
    _accept_the_rest(port)
    port.stopListening()


def leave(port: Any) -> None:
    """Close our descriptor of a port that another process serves (Note [Shared sockets])."""
    port.stopReading()
    port.socket.close()


def _let_nobody_in(port: Any) -> None:
    """Have the kernel drop what comes for this port from now on, so that nobody gets through only to be reset.

    A socket filter that takes no byte of any packet (Linux: socket(7), SO_ATTACH_FILTER); connections that are there
    do not have it. Elsewhere, and for Unix sockets, a client that comes within microseconds of the end is reset.
    """
    if sys.platform == "linux" and isinstance(port, Port):
        take_nothing = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET, 0, 0, 0))
        program = struct.pack("HP", 1, ctypes.addressof(take_nothing))
        with suppress(OSError):
            port.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _accept_the_rest(port: Any) -> None:
    """Accept what the kernel has already accepted for this port: closing the port would reset those clients."""
    do_read = getattr(port, "doRead", None)
    if do_read is not None:
        for _ in range(2 * BACKLOG // ACCEPTS):
            do_read()


def _why_not(error: BaseException | None) -> str:
    """Say why a port cannot be opened, and what to do about it."""
    reason = error.socketError if isinstance(error, CannotListenError) else error
    number = getattr(reason, "errno", None)
    text = getattr(reason, "strerror", None) or str(reason)
    if number == 13:
        return f"{text} (ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; or choose a port above)"
    if number == 98:
        return f"{text} (another process listens there; choose another port, or stop it)"
    return text
