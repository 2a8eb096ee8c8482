"""The operator's commands where root has become somebody else: what the new user can take over, and what not."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme

from tests.integration.daemon import running
from tests.integration.dropin.server import NOBODY, Python
from tests.processes import wait_until

pytestmark = pytest.mark.needs("root")

AS_NOBODY = ("--user", "nobody", "--group", "nogroup", "--workers", "1")


def owner(path: Path) -> int:
    """Give whose a file is."""
    return path.lstat().st_uid


def test_upgrade_and_rotation_as_another_user(
    sample_env: Path, everyones_folder: Path, everyones_python: Python
) -> None:
    """Sockets, pidfile and control socket move, with no root left to help; a log that logrotate made is written."""
    env = Path(shutil.copytree(sample_env, everyones_folder / "env", ignore=shutil.ignore_patterns("git")))
    for path in (env, *env.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    folder = everyones_folder / "run"
    folder.mkdir(mode=0o755)
    os.chown(folder, NOBODY, NOBODY)
    program = (everyones_python.path, "-m", "tracd_cluster.cli")
    how: dict[str, Any] = {"program": program, "environment": dict(everyones_python.environment)}
    with running(folder, *AS_NOBODY, "-s", str(env), **how) as daemon:
        daemon.wait_until_ready(1)
        assert {NOBODY} == {owner(path) for path in (daemon.log_file, daemon.pidfile, daemon.socket)}
        old = daemon.pid
        done = daemon.ctl("upgrade")
        assert 0 == done.returncode, f"{done.stderr}\n{daemon.log}"
        assert old != daemon.pid
        assert NOBODY == psutil.Process(daemon.pid).uids().real
        assert b"</html>" in daemon.get("/about")
        wait_until(lambda: not psutil.pid_exists(old), 20, "the end of the old front")
        daemon.log_file.rename(folder / "log.1")
        os.kill(daemon.pid, signal.SIGUSR1)
        wait_until(lambda: "has been opened again" in daemon.log, 10, "the new file")
        daemon.stop()


def test_what_root_alone_may(sample_env: Path, everyones_folder: Path, everyones_python: Python) -> None:
    """A log in root's folder and a key that root alone reads: both are said, and the service goes on as it is."""
    env = Path(shutil.copytree(sample_env, everyones_folder / "env", ignore=shutil.ignore_patterns("git")))
    for path in (env, *env.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    pem = everyones_folder / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    pem.chmod(0o600)
    program = (everyones_python.path, "-m", "tracd_cluster.cli")
    how: dict[str, Any] = {"program": program, "environment": dict(everyones_python.environment)}
    https = ("--protocol", "https", "--certfile", str(pem), "--control", "auto")
    runtime = everyones_folder / "runtime"
    runtime.mkdir()
    how["environment"] |= {"RUNTIME_DIRECTORY": str(runtime)}
    with running(everyones_folder, *AS_NOBODY, *https, "-s", str(env), **how) as daemon:
        daemon.socket = runtime / f"127.0.0.1-{daemon.port}" / "ctl.sock"
        daemon.wait_until_ready(1)
        assert {NOBODY} == {owner(daemon.socket), owner(daemon.socket.parent)}
        old = daemon.pid
        done = daemon.ctl("upgrade")
        assert 1 == done.returncode, done
        assert "Permission denied" in done.stderr
        assert f"a successor starts as user {NOBODY} and never was root" in done.stderr
        assert old == daemon.pid
        daemon.log_file.rename(everyones_folder / "log.1")
        os.kill(old, signal.SIGUSR1)
        renamed = everyones_folder / "log.1"
        wait_until(lambda: "create 0640 USER GROUP" in renamed.read_text(), 10, "the reason")
        assert 0 == daemon.ctl("stop").returncode
        wait_until(lambda: not daemon.tree.alive(), 20, "the end")
