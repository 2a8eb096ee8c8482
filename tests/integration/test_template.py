"""The template gets ready, forks, reaps, and never leaves a process behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.gate import Gate
from tests.integration.templates import ControlledTemplate, wait_gone
from tests.processes import kill, title, wait_until

Start = Callable[..., ControlledTemplate]

APPLICATION = """
import os, signal, sys, threading
from tests.integration.gate import go_through

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        go_through(environ["QUERY_STRING"])
    if path == "/deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(environ["QUERY_STRING"], "w").close()
        while True:
            signal.pause()
    if path == "/print":
        print("on stdout")
        sys.stderr.write("on stderr\\n")
    if path == "/fail":
        raise ZeroDivisionError("in the application")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/umask":
        before = os.umask(0)
        os.umask(before)
        return [oct(before).encode()]
    if path == "/threads":
        return [b"%d %s" % (threading.active_count(), str(environ["wsgi.multithread"]).encode())]
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start templates that end with the test."""
    templates: list[ControlledTemplate] = []

    def begin(**settings: Any) -> ControlledTemplate:
        templates.append(ControlledTemplate(tmp_path / f"output{len(templates)}", **settings))
        return templates[-1]

    yield begin
    for template in templates:
        template.end()


@pytest.fixture
def start_app(start: Start, tmp_path: Path) -> Start:
    """Start templates of a small application, which are ready at once."""
    (tmp_path / "small_application.py").write_text(APPLICATION)

    def begin(**settings: Any) -> ControlledTemplate:
        template = start(application="small_application:app", **settings)
        template.ready()
        return template

    return begin


@pytest.fixture
def small(start_app: Start) -> ControlledTemplate:
    """A template of the small application."""
    return start_app()


def test_workers_are_forked_on_command(small: ControlledTemplate) -> None:
    """Each worker is a process of its own and serves its own lane."""
    pids = {}
    for number in (1, 2, 3):
        pid, (lane,) = small.fork(number)
        pids[pid] = lane
    assert {str(pid): pid for pid in pids} == {lane.get("/").text: pid for pid, lane in pids.items()}
    assert all(psutil.Process(pid).ppid() == small.process.pid for pid in pids)


def test_processes_have_telling_names(small: ControlledTemplate) -> None:
    """``ps`` shows which process is which."""
    pid, _ = small.fork(3)
    assert "tracd-cluster: template, generation 1" == title(psutil.Process(small.process.pid))
    wait_until(lambda: title(psutil.Process(pid)) == "tracd-cluster: worker 3, generation 1", 10, "the worker's title")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0), (signal.SIGSEGV, -11)])
def test_the_end_of_a_worker_is_reported_as_it_was(small: ControlledTemplate, number: int, status: int) -> None:
    """The log can say whether a worker was killed, crashed or ended by itself."""
    pid, (lane,) = small.fork(7)
    assert lane.probe()
    os.kill(pid, number)
    assert {"type": "exited", "worker": 7, "pid": pid, "status": status} == small.receive()
    assert lane.at_end()


def test_a_worker_ends_with_its_lane(small: ControlledTemplate) -> None:
    """Closing a lane is all it takes to let a worker go."""
    pid, (lane,) = small.fork()
    lane.close()
    assert {"type": "exited", "worker": 1, "pid": pid, "status": 0} == small.receive()


def test_a_worker_finishes_its_request_before_it_ends(small: ControlledTemplate) -> None:
    """Stopping a worker does not cost anybody an answer."""
    pid, (lane,) = small.fork()
    with Gate() as gate:
        lane.send("GET", gate.target)
        gate.wait_for(1)
        os.kill(pid, signal.SIGTERM)
        gate.open()
        assert 200 == lane.receive().status
    assert lane.at_end()
    assert 0 == small.receive()["status"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_for_the_whole_group_are_the_front_s_business(small: ControlledTemplate, number: int) -> None:
    """Ctrl-C in a terminal lets the front drain instead of killing requests."""
    pid, (lane,) = small.fork()
    assert lane.probe()
    os.kill(pid, number)
    os.kill(small.process.pid, number)
    assert str(pid) == lane.get("/").text
    _, (other,) = small.fork(2)
    assert other.probe()


def test_no_worker_holds_another_one_s_lane(small: ControlledTemplate) -> None:
    """The front sees the end of a worker at once, whoever else is running."""
    pids = [small.fork(number)[0] for number in (1, 2, 3)]
    assert all(lane.probe() for lane in small.lanes)
    assert [1, 1, 1] == [len([file for file in small.files(pid) if file.startswith("socket:")]) for pid in pids]
    kill(pids[0])
    assert small.lanes[0].at_end()


def test_forks_asked_for_at_once_do_not_mix_their_descriptors(small: ControlledTemplate) -> None:
    """Several workers can be asked for in one go."""
    pairs = [socket.socketpair() for _ in range(4)]
    with open(os.devnull, "wb") as output:
        for number, (_, theirs) in enumerate(pairs):
            small.send_line({"type": "fork", "worker": number}, theirs.fileno(), output.fileno())
        forked = [small.receive() for _ in pairs]
    for _, theirs in pairs:
        theirs.close()
    assert [0, 1, 2, 3] == [message["worker"] for message in forked]
    kill(forked[2]["pid"])
    pairs[2][0].settimeout(10)
    assert b"" == pairs[2][0].recv(1)
    for ours, _ in pairs:
        ours.close()


def test_a_fork_without_its_descriptors_is_refused(small: ControlledTemplate) -> None:
    """A worker that could not be reached is not made, and the template goes on."""
    small.send_line({"type": "fork", "worker": 5})
    message = small.receive()
    assert ("fork-failed", 5) == (message["type"], message["worker"])
    assert "2 descriptors expected, 0 received" == message["error"]
    assert small.worker(6).probe()


def test_what_a_worker_prints_goes_to_the_front_line_by_line(small: ControlledTemplate) -> None:
    """Messages of a plugin are seen when they are written."""
    lane = small.worker()
    lane.get("/print")
    assert ["on stdout", "on stderr"] == small.told.splitlines()
    assert 500 == lane.get("/fail").status
    assert "ZeroDivisionError: in the application" in small.told
    assert 200 == lane.get("/").status


def test_the_umask_is_the_configured_one(start_app: Start) -> None:
    """Attachments get the permissions that the operator asked for."""
    assert "0o27" == start_app(umask=0o027).worker().get("/umask").text


def test_a_worker_with_threads_serves_a_request_on_each_lane(start_app: Start) -> None:
    """``--threads`` lets a slow request pass a quick one by in the same process."""
    template = start_app(threads=2)
    pid, (first, second) = template.fork()
    with Gate() as gate:
        first.send("GET", gate.target)
        gate.wait_for(1)
        assert "2 True" == second.get("/threads").text
        gate.open()
        assert str(pid) == first.receive().text
    os.kill(pid, signal.SIGTERM)
    assert first.at_end()
    assert second.at_end()
    assert 0 == template.receive()["status"]


def test_quit_waits_for_workers_that_still_run(small: ControlledTemplate) -> None:
    """The old generation's template reports its workers until the last has drained."""
    pid, (lane,) = small.fork()
    small.send_line({"type": "quit"})
    assert str(pid) == lane.get("/").text
    lane.close()
    assert {"type": "exited", "worker": 1, "pid": pid, "status": 0} == small.receive()
    assert 0 == small.process.wait(10)


def test_quit_without_workers_is_immediate(small: ControlledTemplate) -> None:
    """A stop takes no longer than it must."""
    assert 0 == small.quit()


def test_nothing_outlives_the_front(small: ControlledTemplate) -> None:
    """After ``kill -9`` of the front there is nothing to clean up."""
    pids = [small.fork(number)[0] for number in (1, 2)]
    small.front_dies()
    wait_gone(small.process.pid, *pids, deadline=3)


def test_not_even_a_worker_that_does_not_listen_outlives_the_front(small: ControlledTemplate, tmp_path: Path) -> None:
    """A request that hangs for ever is killed in the end."""
    pid, (lane,) = small.fork()
    lane.send("GET", f"/deaf?{tmp_path / 'deaf'}")
    wait_until((tmp_path / "deaf").exists, 10, "the request")
    small.front_dies()
    wait_gone(small.process.pid, pid, deadline=10)


def test_workers_outlive_their_template(small: ControlledTemplate) -> None:
    """A template that crashes costs no request; its workers serve until the front lets them go."""
    pid, (lane,) = small.fork()
    assert lane.probe()
    kill(small.process.pid)
    small.process.wait(10)
    assert str(pid) == lane.get("/").text
    lane.close()
    wait_gone(pid)


def test_a_front_that_dies_during_the_start_is_noticed(start: Start, tmp_path: Path) -> None:
    """A template that hangs in a plugin or a database does not stay behind."""
    (tmp_path / "hanging_application.py").write_text("import signal\nwhile True:\n    signal.pause()\n")
    template = start(application="hanging_application:app")
    wait_until(lambda: "generation 1" in title(psutil.Process(template.process.pid)), 10, "the template's title")
    template.front_dies()
    wait_gone(template.process.pid, deadline=5)


def test_an_application_that_is_not_there_is_told(start: Start) -> None:
    """A wrong name is shown, with the place where it was looked for."""
    message = start(application="no_such_module_here:app").failed()
    assert ("import no_such_module_here:app", "ModuleNotFoundError: No module named 'no_such_module_here'") == (
        message["step"],
        message["error"],
    )
    assert "Traceback" in message["traceback"]


def test_a_configuration_that_does_not_fit_is_told(start: Start) -> None:
    """Two versions of the program do not misunderstand each other in silence."""
    message = start(env_paths=[]).failed()
    assert ("read the configuration", "configure names no environment") == (message["step"], message["error"])


def test_without_preloading_each_worker_starts_by_itself(start_app: Start) -> None:
    """``--no-preload`` works for what cannot be forked warm."""
    template = start_app(preload=False)
    pids = [template.worker(number).get("/").text for number in (1, 2)]
    assert 2 == len(set(pids))
