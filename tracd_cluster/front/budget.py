"""How many files the front may have open, and how many clients that is room for.

Every client takes one, and another while it is sent a file or an upload of it is kept; not all do that at once. If
they do, the front goes on: what cannot be opened is refused, and who cannot be accepted is closed.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress

from twisted.logger import Logger

from tracd_cluster.settings.whole import Settings

log = Logger()

RESERVED = 128
"""What else is open: logs, ports, pipes to the templates, the control socket, the operators' connections."""

CLIENTS_PER_FILE = 4
"""Of so many clients one is sent a file, or has an upload kept."""


def needed(connections: int, lanes: int) -> int:
    """Give how many files have to be open for so many clients and lanes."""
    return connections + connections // CLIENTS_PER_FILE + lanes + RESERVED


def room(files: int, lanes: int) -> int:
    """Give how many clients there is room for, with so many files; one in any case, who may be told."""
    groups, rest = divmod(files - lanes - RESERVED, CLIENTS_PER_FILE + 1)
    return max(1, groups * CLIENTS_PER_FILE + min(rest, CLIENTS_PER_FILE - 1))


def lanes_of(settings: Settings) -> int:
    """Give how many lanes there may be; while generations change, there are two of each."""
    pool, foreign = settings.pool, settings.foreign
    if foreign.upstreams:
        return 2 * foreign.connections * len(foreign.upstreams)
    return 2 * pool.most_workers * pool.threads


def complaint(settings: Settings, files: int) -> str:
    """Say that there is no room for as many clients as there may be, with so many files; nothing if there is."""
    lanes, most = lanes_of(settings), settings.clients.max_connections
    wanted = needed(most, lanes)
    if files >= wanted:
        return ""
    return (
        f"only {files} files may be open at a time: that is room for {room(files, lanes)} clients, and "
        f"--max-connections {most} needs {wanted} (ulimit -n {wanted}, or LimitNOFILE={wanted} in the unit)"
    )


def make_room(settings: Settings) -> int:
    """Ask the system for as many files as are needed, and give how many clients there is room for."""
    lanes, most = lanes_of(settings), settings.clients.max_connections
    files = ask_for(needed(most, lanes))
    if words := complaint(settings, files):
        log.warn("{words}", words=words[0].upper() + words[1:])
    return min(most, room(files, lanes))


def available() -> int:
    """Give how many files this process may have open, once it has asked for them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def ask_for(files: int) -> int:
    """Ask the system for so many, and give what there is: that many or more, or as many as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, available()), hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
