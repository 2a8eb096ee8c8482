"""A supervisor for tests, between templates that fork on paper and lanes over no socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent

from tests.fakes import FakeLane, FakeTemplate
from tracd_cluster.balancer import Balancer, Lane
from tracd_cluster.errors import TracdClusterError
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.traffic.place import STRANGERS
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.lanes import open_pairs
from tracd_cluster.workers.supervisor import Supervisor
from tracd_cluster.workers.template_process import Owner

KILLED = Ending(status=-9)


class Request:
    """One request in want of a lane."""

    queue_deadline = 1e9
    place = STRANGERS

    def __init__(self) -> None:
        self.lane: Any = None
        self.error: TracdClusterError | None = None

    def lane_given(self, lane: Lane) -> None:
        self.lane = lane

    def line_failed(self, error: TracdClusterError) -> None:
        self.error = error


class Pool:
    """A supervisor and all that it talks to."""

    def __init__(self, log: list[LogEvent], **settings: Any) -> None:
        self.log = log
        self.clock = Clock()
        self.clock.advance(1000)
        self.balancer = Balancer(10)
        self.transcript: list[str] = []
        self.fatal: list[str] = []
        self.templates: list[FakeTemplate] = []
        self.lanes: list[FakeLane] = []
        self.launch_error: Exception | None = None
        self.supervisor = Supervisor(
            PoolSettings(**{"workers": 2, **settings}),
            self.balancer,
            self.clock,
            partial(open_pairs, self.open_lane),
            self.fatal.append,
            self.launch,
        )

    def open_lane(self, sock: socket.socket, name: str, lost: Callable[[Lane, str], None]) -> FakeLane:
        self.lanes.append(FakeLane(sock, name, lost))
        return self.lanes[-1]

    def launch(self, generation: int, owner: Owner) -> FakeTemplate:
        if self.launch_error is not None:
            raise self.launch_error
        self.templates.append(FakeTemplate(generation, owner, self.transcript))
        return self.templates[-1]

    # what the processes do

    def said(self) -> list[str]:
        """Give what was asked of the templates since the last look."""
        said, self.transcript[:] = list(self.transcript), []
        return said

    def logged(self, level: LogLevel | None = None) -> list[str]:
        """Give what was logged since the last look, of this level."""
        events, self.log[:] = list(self.log), []
        return [formatEvent(event) for event in events if level is None or event["log_level"] is level]

    def fork(self, number: int, generation: int = 1) -> list[FakeLane]:
        """Let the fork asked for last be made, and its worker answer; give its lanes."""
        lanes = [lane for lane in self.lanes if lane.name == f"worker {number}" and not lane.closed][-1:]
        self.supervisor.worker_forked(generation, number, 100 * generation + number)
        for lane in lanes:
            lane.answer()
        return lanes

    def run(self) -> list[FakeLane]:
        """Start, and let everything get ready; give one lane of each worker."""
        self.supervisor.startService()
        self.templates[0].get_ready()
        lanes = [lane for number in range(1, self.supervisor.desired.count + 1) for lane in self.fork(number)]
        self.said()
        self.logged()
        return lanes

    def end(self, number: int, status: int | None = -9, generation: int = 1, words: str = "") -> None:
        """Let a worker exit."""
        ending = Ending(status=status, last_words=[words] if words else [])
        self.supervisor.worker_ended(generation, number, ending)

    def lives(self) -> list[str]:
        """Give the workers in short."""
        return [f"{w.number}.{w.generation} {w.life.value}" for w in self.supervisor.table.workers.values()]
