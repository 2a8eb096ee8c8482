"""``--auto-reload``: a new generation when a file of the running code has changed.

Files are looked at in a thread, once a second as tracd does; there may be thousands. An editor writes a file in
several steps, and a checkout many files: the new generation is asked for once two looks have found the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tracd_cluster.workers.sources import Look, changed, look_at

INTERVAL = 0.5

log = Logger()

InThread = Callable[..., "Deferred[Look]"]


class Watch(Service):
    """Looks at the files of the newest generation until it is stopped.

    ``files`` gives them; ``reload`` asks for a new generation; ``in_thread`` runs a function off the reactor, with its
    arguments.
    """

    def __init__(
        self, reactor: Any, files: Callable[[], tuple[str, ...]], reload: Callable[[], None], in_thread: InThread
    ) -> None:
        self._files = files
        self._reload = reload
        self._in_thread = in_thread
        self._known: Look = {}
        self._pending: Look | None = None
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._looking.start(INTERVAL, now=False)

    def stopService(self) -> None:  # noqa: N802
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> Deferred[None]:
        return self._in_thread(look_at, self._files()).addCallback(self._compare)

    def _compare(self, found: Look) -> None:
        if not self.running:
            return  # the thread was under way when we were stopped
        different = changed(self._known, found)
        if not different:
            # What a generation has loaded for the first time is known from here on.
            self._known = found | self._known
            self._pending = None
        elif self._pending is None or changed(self._pending, found):
            self._pending = found
        else:
            self._known, self._pending = found, None
            shown = different[0] if len(different) == 1 else f"{different[0]} and {len(different) - 1} more"
            log.info("Detected modification of {files}, starting new workers", files=shown)
            self._reload()
