"""A new generation when the running code or its settings have changed; ``--auto-reload`` is for the code.

The operating system gives word of what happens in the folders concerned (``notice``), and then they are looked at, in
a thread. Where there is no word, as from a network file system, they are looked at now and then all the same: every
ten seconds, or as often as ``--reload-poll`` says, which does without word. While something is going on, looks follow
each other until it has come to rest (``sources``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tracd_cluster.workers.notice import InThread, Notice
from tracd_cluster.workers.sources import Look, Matter, Settling, Sources, look_at

TICK = 0.2
"""Seconds between two looks while something is going on."""
AWAKE = 5.0
"""Seconds for which looks follow each other after word of something: a folder is made before what is in it."""
SELDOM = 10.0
"""Seconds between two looks without word."""
OFTEN = 1.0
"""The same where there can be no word."""

log = Logger()


class Watch(Service):
    """Watches until it is stopped.

    ``wanted`` gives what is to be watched now; ``reload`` asks for a new generation; ``poll`` is the time between two
    looks where no word is to be waited for, None to wait for it. ``in_thread`` runs a function off the reactor.
    """

    def __init__(
        self,
        reactor: Any,
        wanted: Callable[[], Sources],
        reload: Callable[[], object],
        in_thread: InThread,
        poll: float | None = None,
        make: Callable[..., Notice] = Notice,
    ) -> None:
        self._clock = reactor
        self._wanted = wanted
        self._reload = reload
        self._in_thread = in_thread
        self._poll = poll
        self._make = make
        self._sources = Sources()
        self._matter = Matter(self._sources)
        self._settling = Settling()
        self._notice: Notice | None = None
        self._under_way = False
        self._look_at = 0.0
        self._awake_until = 0.0
        self._warned = False
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to watch."""
        super().startService()  # type: ignore[no-untyped-call]
        self._ticking.start(TICK, now=False)

    def stopService(self) -> None:  # noqa: N802
        """Watch no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._ticking.running:
            self._ticking.stop()
        self._wait_for_no_word()

    def poll_every(self, seconds: float | None) -> None:
        """Look so often from now on, None to wait for word."""
        self._poll = seconds
        self._warned = False
        self._sources = Sources()

    def _tick(self) -> None:
        wanted = self._wanted()
        if wanted != self._sources:
            self._arm(wanted)
        if not self._under_way and self._clock.seconds() >= self._look_at and wanted.generation:
            self._under_way = True
            looking = self._in_thread(look_at, wanted)
            looking.addCallbacks(lambda found: self._compare(wanted, found), self._could_not_look)

    def _arm(self, wanted: Sources) -> None:
        self._sources = wanted
        self._matter = Matter(wanted)
        self._look_at = 0.0
        self._wait_for_no_word()
        if self._poll is None and not self._warned and wanted.generation:
            self._notice = self._make(wanted.places, self._in_thread, self._heard, self._no_word)

    def _wait_for_no_word(self) -> None:
        if self._notice is not None:
            self._notice.close()
            self._notice = None

    def _heard(self, paths: list[str]) -> None:
        if any(path in self._matter for path in paths):
            self._look_at = 0.0
            self._awake_until = self._clock.seconds() + AWAKE
            self._tick()

    def _no_word(self, why: str) -> None:
        self._warned = True
        log.warn(
            "The system gives no word of changed files ({why}), so they are looked at every {seconds:g} s; on Linux "
            "fs.inotify.max_user_watches and max_user_instances are the limits to raise",
            why=why,
            seconds=OFTEN,
        )

    def _could_not_look(self, reason: object) -> None:
        self._under_way = False
        self._look_at = self._clock.seconds() + SELDOM
        log.error("Looking for changed files failed: {reason}", reason=reason)

    def _compare(self, sources: Sources, found: Look) -> None:
        self._under_way = False
        if not self.running:
            return  # the thread was under way when we were stopped
        now = self._clock.seconds()
        different = self._settling.see(sources, found, now)
        if self._settling.pending is not None or now < self._awake_until:
            self._look_at = now + TICK / 2
        else:
            self._look_at = now + (self._poll or (OFTEN if self._warned else SELDOM))
        if different:
            shown = different[0] if len(different) == 1 else f"{different[0]} and {len(different) - 1} more"
            log.info("Detected modification of {files}, starting new workers", files=shown)
            self._reload()
