"""Sockets that systemd has opened for us (sd_listen_fds(3)), where nothing says where to listen."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace

from twisted.internet.endpoints import _SystemdParser

from tracd_cluster.operating.inheritance import peek_inheritance
from tracd_cluster.settings.whole import Settings

PREFIX = "systemd:"
SAID_BY = frozenset({"hostname", "port", "listen"})
"""Keys of the options that say where to listen."""


def with_activated(settings: Settings, given: Mapping[str, str]) -> Settings:
    """Listen on what systemd or a predecessor has handed over, unless the options ``given`` say where."""
    found = () if SAID_BY & set(given) else activated()
    return replace(settings, front=replace(settings.front, endpoints=found)) if found else settings


def activated() -> tuple[str, ...]:
    """Give an endpoint description for each socket that has been handed to this process."""
    left = peek_inheritance(os.environ)
    if left is not None:
        return tuple(description for description in left.ports if description.startswith(PREFIX))
    found = []
    # Twisted has taken them out of the environment when its endpoints were imported, so it is Twisted that knows.
    for index, descriptor in enumerate(_SystemdParser._sddaemon.inheritedDescriptors()):
        sock = socket.socket(fileno=descriptor)
        found.append(f"{PREFIX}domain={sock.family.name.removeprefix('AF_')}:index={index}")
        sock.detach()
    return tuple(found)
