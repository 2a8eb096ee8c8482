"""The operator's command against a real service: what it shows, does, refuses, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.daemon import Daemon, ctl, running
from tests.processes import wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A service that the tests of this module share; at the end the operator stops it."""
    with running(tmp_path_factory.mktemp("s"), *APPLICATION, "--workers", "2") as daemon:
        daemon.wait_until_ready(2)
        yield daemon
        daemon.stop()


def pids(daemon: Daemon) -> dict[int, int]:
    """Give the processes of the ready workers, by the workers' numbers."""
    return {one["number"]: one["pid"] for one in daemon.report()["workers"] if one["life"] == "ready"}


@contextlib.contextmanager
def hanging(daemon: Daemon) -> Iterator[None]:
    """Have one worker at a page that never comes."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/hang?token=secret")
        yield


# -- looking


def test_status_shows_what_every_worker_does(service: Daemon) -> None:
    """A line for each process, with the page that is being made and for how long; nothing of the query."""
    with hanging(service):
        wait_until(lambda: "/hang" in service.ctl("status").stdout, 10, "the page in the status")
        done = service.ctl("status")
        report = service.report()
    assert (0, "") == (done.returncode, done.stderr)
    assert re.search(r"(?m)^\d +1 +ready +\d+ +\d+ +(\d+ MB|-)  \d+\.\d s GET /hang$", done.stdout)
    assert re.search(r"(?m)^\d +1 +ready .* idle$", done.stdout)
    assert re.search(rf"(?m)^front +ready +{service.pid} ", done.stdout)
    assert f"serving on http://127.0.0.1:{service.port}/" in done.stdout
    assert "secret" not in done.stdout + json.dumps(report)
    assert service.pid == report["pid"]
    [asked] = [asked for worker in report["workers"] for asked in worker["asked"]]
    assert ("GET", "/hang", "") == (asked["method"], asked["path"], asked["user"])
    # That worker would make the others wait for it: it never comes back.
    for worker in report["workers"]:
        if worker["asked"]:
            os.kill(worker["pid"], signal.SIGKILL)
    service.wait_until_ready(2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "COMMAND"),
        (("fly",), "invalid choice: 'fly'"),
        (("scale",), "scale needs the number of a count"),
        (("scale", "0"), "from 1 to 1000"),
        (("scale", "²"), "from 1 to 1000"),
        (("drain", "x"), "drain needs the number of a worker"),
        (("status", "3"), "status takes no 3"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], said: str) -> None:
    """It is 2, and a word on what was expected."""
    done = ctl(*words)
    assert 2 == done.returncode
    assert said in done.stderr


# -- doing


def test_restart_returns_when_the_new_generation_serves(service: Daemon) -> None:
    """All workers are others by then, and nobody was turned away."""
    before = pids(service)
    done = service.ctl("restart")
    assert 0 == done.returncode, done.stderr
    generation = service.report()["generation_wanted"]
    assert f"generation {generation} serves with 2 workers\n" == done.stdout
    assert not set(before.values()) & set(pids(service).values())
    assert "its template is starting" in done.stderr


def test_who_does_not_want_to_wait(service: Daemon) -> None:
    """The command has been taken when it returns."""
    done = service.ctl("--no-wait", "restart")
    assert 0 == done.returncode
    assert "has been asked for" in done.stdout
    service.wait_until_ready(2)


def test_reload_says_what_it_does(service: Daemon) -> None:
    """It ends with a new generation as well."""
    done = service.ctl("--json", "reload")
    answer = json.loads(done.stdout)
    assert (0, 0, "") == (done.returncode, answer["status"], done.stderr)
    assert "serves with 2 workers" in answer["say"]


def test_scale(service: Daemon) -> None:
    """It returns when so many are ready."""
    assert (0, "3 workers are ready\n") == _told(service, "scale", "3")
    assert {1, 2, 3} == set(pids(service))
    assert (0, "2 workers are ready\n") == _told(service, "scale", "2")
    assert {1, 2} == set(pids(service))


def _told(service: Daemon, *words: str) -> tuple[int, str]:
    done = service.ctl(*words)
    return done.returncode, done.stdout


def test_drain(service: Daemon) -> None:
    """That worker ends, another one comes in its place, the rest stay."""
    before = pids(service)
    done = service.ctl("drain", "2")
    after = pids(service)
    assert 0 == done.returncode, done.stderr
    assert f"pid {after[2]}) is in its place" in done.stdout
    assert (before[1], True) == (after[1], before[2] != after[2])
    refused = service.ctl("drain", "9")
    assert (1, "") == (refused.returncode, refused.stdout)
    assert "there is no worker 9" in refused.stderr


def test_a_generation_that_cannot_start_is_told_with_its_reason(tmp_path: Path) -> None:
    """Restart ends with 1 and says why; everybody is served as before."""
    code = "def application(environ, start):\n    start('200 OK', [])\n    return [b'one']\n"
    (tmp_path / "made.py").write_text(code)
    python_path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"
    how = {"environment": {"PYTHONPATH": python_path}}
    with running(tmp_path, "--application", "made:application", "--workers", "1", **how) as daemon:
        daemon.wait_until_ready(1)
        (tmp_path / "made.py").write_text("def application(:\n")
        done = daemon.ctl("restart")
        assert (1, "") == (done.returncode, done.stdout)
        assert "generation 2 failed: " in done.stderr
        assert "generation 1 goes on with 1 worker" in done.stderr
        assert "generation 2 failed" not in daemon.ctl("status").stdout
        assert "template 2 (generation 2): " in daemon.ctl("status").stdout
        assert b"one" == daemon.get("/")
        daemon.stop()


def test_upgrade_is_refused_where_nobody_could_follow(tmp_path: Path) -> None:
    """In the foreground whoever started it would take its end for the end of the service."""
    with running(tmp_path, *APPLICATION, "--workers", "1", daemonize=False) as service:
        service.wait_until_ready(1)
        done = service.ctl("upgrade")
        assert 1 == done.returncode
        assert "runs in the foreground" in done.stderr
        assert 0 == service.ctl("stop").returncode
        assert 0 == service.tree.wait(10)


# -- finding


def test_how_a_service_is_found(tmp_path: Path) -> None:
    """By its pidfile, by its configuration, or because there is no other; the folder is for nobody else."""
    with tempfile.TemporaryDirectory(prefix="run") as runtime:
        variables = {"RUNTIME_DIRECTORY": runtime}
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        auto = ("--control", "auto", *APPLICATION, "--workers", "1")
        with (
            running(tmp_path / "one", *auto, environment=variables) as one,
            running(tmp_path / "two", *auto, environment=variables) as two,
        ):
            places = {one: Path(runtime, f"127.0.0.1-{one.port}"), two: Path(runtime, f"127.0.0.1-{two.port}")}
            for place in places.values():
                assert 0o700 == stat.S_IMODE(place.stat().st_mode)
                assert 0o600 == stat.S_IMODE((place / "ctl.sock").stat().st_mode)
            done = ctl("status", environment=variables)
            assert 3 == done.returncode
            assert "more than one service runs" in done.stderr
            for daemon in (one, two):
                found = ctl("--json", "--pidfile", str(daemon.pidfile), "status", environment=variables)
                assert daemon.pid == json.loads(found.stdout)["report"]["pid"]
            config = tmp_path / "config.toml"
            config.write_text(f'hostname = ["127.0.0.1"]\nport = {two.port}\nenvs = ["{tmp_path}"]\n')
            found = ctl("--json", "--config", str(config), "status", environment=variables)
            assert two.pid == json.loads(found.stdout)["report"]["pid"]
            assert 0 == ctl("--pidfile", str(two.pidfile), "stop", environment=variables).returncode
            assert not places[two].exists()
            found = ctl("--json", "status", environment=variables)
            if found.returncode == 0:  # root sees what else root runs on this machine
                assert one.pid == json.loads(found.stdout)["report"]["pid"]
            assert 0 == ctl("--pidfile", str(one.pidfile), "stop", environment=variables).returncode


def test_nobody_answers(tmp_path: Path) -> None:
    """It is 3, with the place where somebody was expected."""
    done = ctl("--socket", str(tmp_path / "none"), "status")
    assert (3, "") == (done.returncode, done.stdout)
    assert str(tmp_path / "none") in done.stderr
    assert 3 == ctl("--pidfile", str(tmp_path / "none"), "status").returncode


def test_a_control_socket_that_cannot_be(tmp_path: Path) -> None:
    """A place where anybody could put another socket is refused at the start."""
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(AssertionError, match=r"--control .*/open/ctl: .*/open can be written by others"):
        Daemon(tmp_path, *APPLICATION, "--control", str(tmp_path / "open" / "ctl"))


# -- hostile clients


def test_nobody_can_hold_the_socket_or_the_service(service: Daemon) -> None:
    """Junk, half lines, endless lines and a crowd: pages and status come as before."""
    with contextlib.ExitStack() as crowd:
        for data in [b"\0" * 100_000, b"{" * 5000 + b"\n", b"[]\n", b'{"command": ', b"GET / HTTP/1.1\r\n\r\n"] * 3:
            client = crowd.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(10)
            client.connect(str(service.socket))
            with contextlib.suppress(OSError):
                client.sendall(data)
        assert b"hello\n" == service.get("/")
        # Half a line keeps its place for five seconds; nobody keeps them all.
        wait_until(lambda: service.ctl("status").returncode == 0, 15, "a place for the operator")
    assert 2 == len(pids(service))


def test_a_client_that_leaves_ends_nothing(service: Daemon) -> None:
    """What was begun goes on without it."""
    before = set(pids(service).values())
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(service.socket))
        client.sendall(b'{"command": "restart"}\n')
        client.recv(10)
    wait_until(lambda: not before & set(pids(service).values()), 20, "the new generation")
    service.wait_until_ready(2)


# -- logs


def test_a_log_that_was_rotated_goes_on_in_a_new_file(service: Daemon, tmp_path: Path) -> None:
    """Rename and SIGUSR1, as logrotate does; what is logged then is in the new file, and nothing is lost."""
    old = service.log_file.with_name("log.1")
    os.rename(service.log_file, old)
    before = old.read_text()
    os.kill(service.pid, signal.SIGUSR1)
    wait_until(lambda: "has been opened again" in service.log, 10, "the new file")
    assert before == old.read_text()
    assert 0 == service.ctl("restart").returncode
    assert "The operator asks to restart" in service.log
    assert before == old.read_text()


def test_a_log_is_never_rotated_by_us(tmp_path: Path) -> None:
    """Where twistd's own would begin a new one, ours goes on."""
    with running(tmp_path, *APPLICATION, "--workers", "1") as daemon:
        with daemon.log_file.open("a") as log:
            log.write("x" * 1_100_000 + "\n")
        daemon.wait_until_ready(1)
        assert 0 == daemon.ctl("restart").returncode
        assert ["log"] == [path.name for path in tmp_path.iterdir() if path.name.startswith("log")]
        daemon.stop()


# -- stopping


def test_a_stop_can_be_watched(tmp_path: Path) -> None:
    """While the last requests end, the status says which; --no-wait does not wait for them."""
    with running(tmp_path, *APPLICATION, "--workers", "1") as daemon:
        daemon.wait_until_ready(1)
        with hanging(daemon):
            wait_until(lambda: "/hang" in daemon.ctl("status").stdout, 10, "the page in the status")
            done = daemon.ctl("--no-wait", "stop")
            assert (0, "the service is stopping\n") == (done.returncode, done.stdout)
            status = daemon.ctl("status").stdout
            assert "\nstopping\n" in status
            assert "GET /hang" in status
            os.kill(daemon.pid, signal.SIGTERM)
            daemon.assert_nothing_left()


def test_stop_waits_for_the_end_and_serves_on_for_a_while(tmp_path: Path) -> None:
    """With --drain-delay clients are still let in; asked a second time, it does not wait."""
    with running(tmp_path, *APPLICATION, "--workers", "1", "--drain-delay", "30") as daemon:
        daemon.wait_until_ready(1)
        front = psutil.Process(daemon.pid)
        ended: list[int] = []
        stopping = threading.Thread(target=lambda: ended.append(daemon.ctl("stop").returncode))
        stopping.start()
        wait_until(lambda: "Stopping in 30 s" in daemon.log, 10, "the stop")
        assert b"hello\n" == daemon.get("/")
        assert daemon.ctl("upgrade").returncode == 1
        front.send_signal(signal.SIGTERM)
        stopping.join(20)
        assert [0] == ended
        daemon.assert_nothing_left()
