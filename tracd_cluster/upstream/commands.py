"""Lanes to the port of a command of ours: what the worker behind it is told, and when it is taken for lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from tracd_cluster.rewrite.outward import plain
from tracd_cluster.settings.foreign import ForeignSettings
from tracd_cluster.settings.pool import CommandSettings
from tracd_cluster.upstream.dialling import dialler
from tracd_cluster.upstream.foreign import Claims, ForeignLane, Trouble
from tracd_cluster.upstream.rest import Rest
from tracd_cluster.upstream.site import Site

HOST = "127.0.0.1"
"""Where open_to_port (workers/lanes.py) keeps a port free."""


class Watcher:
    """Tells of a worker that cannot be reached any more, or that has taken too long for a request.

    What else goes wrong on a connection is no more than that: stock tracd closes one where it meets an error.
    """

    def __init__(self, lost: Callable[[ForeignLane, str], None]) -> None:
        self._lost = lost

    def answered(self, lane: ForeignLane, status: int) -> None:
        """Nothing to do: whether it answers well is Trac's business."""

    def troubled(self, lane: ForeignLane, trouble: Trouble, why: str) -> None:
        """Have the worker replaced if it does not serve."""
        if trouble in (Trouble.CONNECT, Trouble.TIMEOUT):
            self._lost(lane, why)


def command_lanes(
    command: CommandSettings, settings: ForeignSettings, claims: Claims, reactor: Any
) -> Callable[[int, str, Callable[[Any, str], None]], ForeignLane]:
    """Make the function that opens a lane to a port, for the worker of this name."""
    inner = command.base_path.encode("ascii")
    health = settings.health_path.encode("ascii") if settings.health_path is not None else inner + b"/"

    rests: WeakValueDictionary[int, Rest] = WeakValueDictionary()

    def open_lane(port: int, name: str, lost: Callable[[Any, str], None]) -> ForeignLane:
        site = Site(
            authority=b"%b:%d" % (HOST.encode("ascii"), port),
            names=frozenset((plain(b"localhost:%d" % port),)),
            outer=settings.base_path.encode("ascii"),
            inner=inner,
            trusted=True,
            passwords=settings.passwords,
            health_path=health,
            health_host=settings.health_host.encode("ascii"),
            health_scheme=settings.health_scheme.encode("ascii"),
        )
        rest = rests.setdefault(port, Rest())
        return ForeignLane(name, site, dialler(reactor, HOST, port), Watcher(lost), claims, reactor, rest)

    return open_lane
