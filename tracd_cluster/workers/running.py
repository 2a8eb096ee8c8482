"""A template as the supervisor uses it, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from tracd_cluster.workers.template_process import Owner

if TYPE_CHECKING:
    import socket


class RunningTemplate(Protocol):
    """A template's process, and through it those of its workers."""

    @property
    def pid(self) -> int | None: ...

    def fork(self, number: int, theirs: Sequence[socket.socket]) -> None: ...

    def signal_worker(self, number: int, signal_number: int) -> None: ...

    def ask_for_stack(self, number: int | None) -> None: ...

    def quit(self) -> None: ...

    def kill(self) -> None: ...


Launch = Callable[[int, Owner], RunningTemplate]
"""Starts the template of a generation, which tells the owner what becomes of it; raises OSError if it cannot."""
