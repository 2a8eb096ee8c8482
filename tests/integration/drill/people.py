"""Everything that people do while the drill goes on, by HTTP and by HTTPS at once, in one tally."""

from __future__ import annotations

from collections import Counter

from tests.integration.drill.site import LONG_PATH, SOON, Site
from tests.integration.load import Tally
from tests.integration.slow_load import SlowLoad, content_of
from tests.processes import wait_until

LONG_FILE = content_of("long", 900_000)
"""More than what is on its way between two ends of a connection, and as much as the front takes from a worker."""
THINKING = 0.1
"""Seconds before each new ticket: with tens of thousands of one day, a page of Trac's takes half a minute."""
KINDS = 8
"""What is done by those of one port: by two readers, a visitor, a writer, a sipper, and three things by a dripper."""


class People:
    """They begin at once, and end when they are stopped; ``name`` tells their tickets from those of others."""

    def __init__(self, site: Site, name: str, tally: Tally) -> None:
        self.tally = tally
        self.name = name
        self._loads = []
        for suffix, port, tls in (("", site.daemon.port, None), ("-tls", site.https_port, site.context)):
            load = SlowLoad(port, tls=tls, name=name + suffix, tally=tally)
            load.readers(2, "/wiki/WikiStart", "/chrome/common/css/trac.css").visitors(1, "/about")
            load.writers(1, THINKING)
            self._loads.append(load.sippers(1, LONG_PATH, LONG_FILE).drippers(1, "SandBox"))

    def all_go_on(self, since: Counter[str] | None = None) -> None:
        """Wait until each of them has got something done since then, or since now."""
        before = self.done() if since is None else since
        try:
            wait_until(lambda: len(self.done() - before) == 2 * KINDS, SOON)
        except AssertionError:
            what = f"before: {dict(before)}; now: {dict(self.done())}; {self.tally.failures}"
            raise AssertionError(f"somebody has got nothing done within {SOON:g} s: {what}") from None

    def done(self) -> Counter[str]:
        """Count what they have got done so far, by kind; forms are fetched once for each connection only."""
        with self.tally.lock:
            kinds = self.tally.done.copy()
        mine = {kind: count for kind, count in kinds.items() if kind.startswith(self.name)}
        return Counter({kind: count for kind, count in mine.items() if not kind.endswith("form")})

    def stop(self) -> None:
        """End it all."""
        for load in self._loads:
            load.stop()
