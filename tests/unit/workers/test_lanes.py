"""The lanes of one worker, as one."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.fakes import FakeLane
from tracd_cluster.balancer import Balancer
from tracd_cluster.traffic.place import STRANGERS
from tracd_cluster.workers.lanes import WorkerLanes, open_pairs, open_to_port


def make(count: int = 2) -> tuple[WorkerLanes, list[FakeLane]]:
    """Make the lanes of one worker; give them as one, and each."""
    made: list[FakeLane] = []

    def open_lane(sock: socket.socket, name: str, lost: Any) -> FakeLane:
        made.append(FakeLane(sock, name, lost))
        return made[-1]

    lanes = open_pairs(open_lane, count, "worker 1", lambda lane, why: None)
    for end in lanes.theirs:
        end.close()
    return lanes, made


class Request:
    """Wants a lane and does nothing with it."""

    queue_deadline = 10.0
    place = STRANGERS

    def lane_given(self, lane: object) -> None: ...

    def line_failed(self, error: Exception) -> None: ...


def test_a_worker_serves_when_every_lane_has_answered() -> None:
    """One thread alone could be stuck from the start."""
    lanes, made = make()
    told: list[str] = []
    lanes.probe(lambda: told.append("answered"))
    made[1].answer()
    assert ([], False) == (told, lanes.answered)
    made[0].answer()
    assert (["answered"], True) == (told, lanes.answered)


def test_withdrawing_counts_what_runs() -> None:
    """Only these are waited for."""
    lanes, made = make(3)
    balancer = Balancer(10)
    for lane in made[:2]:
        balancer.add(lane)
    assert made[1] is balancer.claim(Request())
    assert 1 == lanes.withdraw(balancer)
    assert 0 == lanes.withdraw(balancer)
    assert "<Balancer 0 lanes, 0 idle, 0 in line>" == repr(balancer)


def test_served_is_the_sum() -> None:
    """A worker's exchanges are those of its lanes."""
    lanes, made = make()
    made[0].served, made[1].served = 3, 4
    assert 7 == lanes.served


def test_when_descriptors_run_out_nothing_is_left_open() -> None:
    """A server at its limit does not make it worse."""
    made: list[FakeLane] = []

    def open_lane(sock: socket.socket, name: str, lost: Any) -> FakeLane:
        lane = FakeLane(sock, name, lost)
        made.append(lane)
        if len(made) == 2:
            raise OSError("too many open files")
        return lane

    with pytest.raises(OSError, match="too many open files"):
        open_pairs(open_lane, 2, "worker 1", lambda lane, why: None)
    assert made[0].closed


def test_a_port_is_kept_free_until_the_command_starts() -> None:
    """Nobody else gets the port that the lanes lead to, until the end that keeps it is closed."""
    made: list[int] = []

    def open_lane(port: int, name: str, lost: Any) -> FakeLane:
        made.append(port)
        return FakeLane(socket.socket(), name, lost)

    lanes = open_to_port(open_lane, 3, "worker 1", lambda lane, why: None)
    assert 3 == len(lanes.lanes)
    assert 1 == len(set(made))
    with lanes.theirs[0], socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", made[0]))
    with socket.socket() as command:
        command.bind(("127.0.0.1", made[0]))
