"""Settings read again while everything runs: all that can be taken is, or nothing is if something is wrong.

First everybody concerned makes ready, which may fail; then everybody takes what they have made ready, which may not.
"""

from __future__ import annotations

from collections.abc import Callable

from tracd_cluster.changes import changes
from tracd_cluster.errors import ConfigError, StartError
from tracd_cluster.settings.whole import Settings

Take = Callable[[], None]
Prepare = Callable[[Settings], Take]
"""Makes new settings ready, and gives what puts them in force. Raises StartError for what cannot be used."""


class Reloading:
    """What is in force, and how to read it again.

    ``prepare`` are asked in their order, ``also`` are called afterwards: what is read anew that is no setting.
    """

    def __init__(self, settings: Settings, reread: Callable[[], Settings], *prepare: Prepare) -> None:
        self.settings = settings
        self.also: list[Callable[[], object]] = []
        self._reread = reread
        self._prepare = prepare

    def reload(self) -> list[str]:
        """Take new settings, and say in one line each what became of them."""
        try:
            after = self._reread()
            found = changes(self.settings, after)
            takes = [prepare(found.settings) for prepare in self._prepare]
        except (ConfigError, StartError) as error:
            return [f"Nothing is changed: {error}"]
        for take in takes:
            take()
        self.settings = found.settings
        for also in self.also:
            also()
        said = [f"Changed: {', '.join(found.live)}"] if found.live else []
        if found.refused:
            said.append(f"Not changed, this needs a restart: {', '.join(found.refused)}")
        return said + [warning for warning in after.warnings if warning]
