"""Settings read again: all that can be is taken, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tracd_cluster.errors import ConfigError, StartError
from tracd_cluster.reloading import Reloading
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.settings.process import ProcessSettings
from tracd_cluster.settings.whole import Settings

BEFORE = Settings(front=FrontSettings(), pool=PoolSettings())


class Desk:
    """A service that writes down what it is told."""

    def __init__(self) -> None:
        self.after: Settings | Exception = BEFORE
        self.fault: StartError | None = None
        self.did: list[str] = []
        self.taken: Settings | None = None
        self.reloading = Reloading(BEFORE, self.reread, self.prepare, self.prepare_last)
        self.reloading.also.append(lambda: self.did.append("also"))

    def reread(self) -> Settings:
        if isinstance(self.after, Exception):
            raise self.after
        return self.after

    def prepare(self, settings: Settings) -> Callable[[], None]:
        def take() -> None:
            self.taken = settings

        return take

    def prepare_last(self, settings: Settings) -> Callable[[], None]:
        if self.fault is not None:
            raise self.fault
        return lambda: self.did.append("taken")


def test_without_a_change_everything_is_read_again() -> None:
    """HUP is also for passwords, certificates and code."""
    desk = Desk()
    assert [] == desk.reloading.reload()
    assert ["taken", "also"] == desk.did


def test_what_is_taken_and_what_is_not_is_said() -> None:
    """What needs a restart is compared again the next time."""
    desk = Desk()
    front = replace(BEFORE.front, queue=5, endpoints=("tcp:81",))
    desk.after = replace(BEFORE, front=front, warnings=("be careful",))
    said = [
        "Changed: queue", "Not changed, this needs a restart: the addresses to listen on", "be careful",
    ]  # fmt: skip
    assert said == desk.reloading.reload()
    assert replace(BEFORE.front, queue=5) == (desk.taken and desk.taken.front)
    assert said[1:] == desk.reloading.reload()


@pytest.mark.parametrize("error", [ConfigError("/etc/t.toml:3: workers: 'x' is no number"), None])
def test_something_wrong_leaves_everything_as_it_was(error: ConfigError | None) -> None:
    """A wrong line in the file, or a password file that cannot be read: nobody takes anything."""
    desk = Desk()
    desk.after = error or replace(BEFORE, process=ProcessSettings(auto_reload=True))
    desk.fault = StartError("cannot read /srv/users")
    assert [f"Nothing is changed: {error or desk.fault}"] == desk.reloading.reload()
    assert ([], None, BEFORE) == (desk.did, desk.taken, desk.reloading.settings)
