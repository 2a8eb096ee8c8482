"""A new front in the place of the old one: nobody is turned away, and what cannot start changes nothing."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import stat
from pathlib import Path

import psutil

from tests.integration.daemon import Daemon, running
from tests.integration.gate import Gate
from tests.integration.load import Load, assert_no_ticket_lost_or_doubled
from tests.processes import ROOT, wait_until

APPLICATION = ("--application", "tests.integration.apps:misbehaving")
UPGRADES = 5


def upgrade(daemon: Daemon) -> int:
    """Have the front replaced, and give the process that serves now."""
    before = daemon.pid
    done = daemon.ctl("upgrade")
    assert 0 == done.returncode, f"{done.stderr}\n{daemon.log}"
    assert before != daemon.pid
    assert done.stdout.startswith(f"pid {daemon.pid} serves; pid {before} ends")
    return daemon.pid


def wait_for_the_end_of(fronts: list[int]) -> None:
    """Wait until these processes are no more."""
    wait_until(lambda: not [pid for pid in fronts if psutil.pid_exists(pid)], 30, f"the end of {fronts}")


def test_upgrades_under_load(env: Path, tmp_path: Path) -> None:
    """Clients on new and on kept connections and writers of tickets go on through five of them; nothing fails."""
    with running(tmp_path, "--workers", "2", "-s", str(env)) as daemon:
        daemon.wait_until_ready(2)
        wait_until(daemon.watches, 10, "the watch over files, which has descriptors of its own")
        idle = daemon.descriptors()
        fronts = [daemon.pid]
        load = Load(daemon.port).readers(2, "/wiki/WikiStart", "/about").visitors(2, "/about", "/wiki").writers(1)
        for _ in range(UPGRADES):
            done = load.tally.good
            fronts.append(upgrade(daemon))
            wait_until(lambda done=done: load.tally.good > done + 20, 30, "pages of the new front")  # type: ignore[misc]
        tally = load.stop()
        assert ([], 0) == (tally.failures, tally.refused)
        assert tally.good > 100
        assert assert_no_ticket_lost_or_doubled(env, tally) > 5
        assert [] == [what for what in tally.tickets.values() if "/ticket/" not in what]
        wait_for_the_end_of(fronts[:-1])
        wait_until(lambda: daemon.descriptors() <= idle, 10, "descriptors that are closed")
        alive = daemon.tree.alive()
        # The front, its template, two workers.
        assert 4 == len(alive), alive
        daemon.stop()


def test_the_old_front_ends_what_it_has(tmp_path: Path) -> None:
    """A download, an upload and an idle connection of the old front go on beside the new one, and then it ends."""
    with running(tmp_path, *APPLICATION, "--workers", "2") as daemon:
        daemon.wait_until_ready(2)
        old = daemon.pid
        idle = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        idle.request("GET", "/")
        idle.getresponse().read()
        with (
            contextlib.closing(idle),
            socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as reader,
            socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as writer,
        ):
            reader.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
            answer = reader.recv(1000)
            writer.sendall(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
            wait_until(lambda: daemon.report()["connections"] == 3, 10, "three connections")
            upgrade(daemon)
            assert 0 == daemon.report()["connections"]
            writer.sendall(b"bc")
            assert b"HTTP/1.1 200" in writer.recv(65536)
            idle.request("GET", "/")
            last = idle.getresponse()
            assert (200, "close") == (last.status, last.getheader("Connection"))
            last.read()
            assert psutil.pid_exists(old)
            while data := reader.recv(1 << 20):
                answer += data
        assert 10_000_000 == len(answer.partition(b"\r\n\r\n")[2])
        wait_for_the_end_of([old])
        daemon.stop()


def test_broken_code_changes_nothing(tmp_path: Path) -> None:
    """The old front goes on, says why, and is followed once the code is mended."""
    tree = tmp_path / "tree"
    for part in ("tracd_cluster", "twisted", "tests"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    with running(tmp_path, *APPLICATION, "--workers", "1", environment={"PYTHONPATH": str(tree)}) as daemon:
        daemon.wait_until_ready(1)
        old = daemon.pid
        identity = daemon.socket.stat().st_ino
        for part, broken, why in (
            ("tap.py", "import nothing_of_the_kind\n", "No module named 'nothing_of_the_kind'"),
            ("front/listener.py", "def (:\n", "SyntaxError"),
            ("tracd/template.py", "raise SystemExit('out of order')\n", "out of order"),
        ):
            path = tree / "tracd_cluster" / part
            good = path.read_text()
            path.write_text(broken)
            done = daemon.ctl("upgrade")
            path.write_text(good)
            assert (1, "") == (done.returncode, done.stdout)
            assert "the new process failed: " in done.stderr
            assert why in done.stderr + daemon.log
            assert f"pid {old} goes on" in done.stderr
            assert old == daemon.pid
            assert b"hello\n" == daemon.get("/")
            wait_until(lambda: len(daemon.tree.alive()) == 3, 20, "the end of what came to nothing")
        assert identity == daemon.socket.stat().st_ino
        assert old != upgrade(daemon)
        assert b"hello\n" == daemon.get("/")
        wait_for_the_end_of([old])
        daemon.stop()


def slow_application(folder: Path) -> tuple[Path, dict[str, str]]:
    """Make ``slow:application``, whose import goes through a gate; give the gate's place, and the variables."""
    (folder / "slow.py").write_text(
        "import os\nfrom tests.integration.apps import hello as application\n"
        "from tests.integration.gate import go_through\ngo_through(os.environ['GATE'])\n"
    )
    place = folder / "gate"
    return place, {"GATE": str(place), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_as_many_workers_as_somebody_has_asked_for(tmp_path: Path) -> None:
    """The new front has them when it takes over, and what is asked while it starts it has soon after."""
    place, variables = slow_application(tmp_path)
    with running(tmp_path, "--application", "slow:application", "--workers", "1", environment=variables) as daemon:
        daemon.wait_until_ready(1)
        assert 0 == daemon.ctl("scale", "3").returncode
        first = daemon.pid
        upgrade(daemon)
        assert (3, 3) == (daemon.report()["workers_wanted"], len(daemon.report()["workers"]))
        wait_for_the_end_of([first])
        second = daemon.pid
        with Gate(place):
            assert 0 == daemon.ctl("--no-wait", "upgrade").returncode
            assert 0 == daemon.ctl("scale", "2").returncode
        wait_for_the_end_of([second])
        daemon.wait_until_ready(2)
        assert 2 == daemon.report()["workers_wanted"]
        daemon.stop()


def test_a_new_front_that_is_not_ready_in_time_or_is_killed(tmp_path: Path) -> None:
    """Whatever becomes of the new one, the old one serves and keeps pidfile and socket."""
    place, variables = slow_application(tmp_path)
    with running(tmp_path, "--application", "slow:application", "--workers", "1", environment=variables) as daemon:
        daemon.wait_until_ready(1)
        old, ours = daemon.pid, set(daemon.tree.alive())
        load = Load(daemon.port).visitors(1, "/").readers(1, "/")
        with Gate(place) as gate:
            done = daemon.ctl("--no-wait", "upgrade")
            assert (0, "") == (done.returncode, done.stderr), done
            gate.wait_for(1)
            assert 1 == daemon.ctl("upgrade").returncode
            new = int(daemon.log.rpartition("Server starting in PID ")[2].partition(".")[0])
            psutil.Process(new).kill()
            wait_until(lambda: "the new process failed" in daemon.log, 20, "the failure")
            wait_until(lambda: set(daemon.tree.alive()) == ours, 20, "the end of all that was new")
        assert old == daemon.pid
        assert old == daemon.report()["pid"]
        upgrade(daemon)
        tally = load.stop()
        assert ([], 0) == (tally.failures, tally.refused)
        wait_for_the_end_of([old])
        daemon.stop()


def test_a_unix_socket_moves_too(tmp_path: Path) -> None:
    """Path, permissions and lock go on with the new front; at the end they are gone."""
    path, lock = tmp_path / "web", tmp_path / "web.lock"
    with running(tmp_path, *APPLICATION, "--workers", "1", "-b", f"unix:{path}") as daemon:
        daemon.wait_until_ready(1)
        old = daemon.pid
        assert 0o660 == stat.S_IMODE(path.stat().st_mode)
        new = upgrade(daemon)
        wait_for_the_end_of([old])
        assert 0o660 == stat.S_IMODE(path.stat().st_mode)
        assert str(new) == os.readlink(lock)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        daemon.stop()
        assert not path.exists()
        assert not os.path.lexists(lock)
