"""logrotate rotates the log of a running service with the file of ``deploy/``, and no line is lost."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.daemon import Daemon, running
from tests.processes import ROOT, wait_until

pytestmark = pytest.mark.needs("logrotate")

APPLICATION = ("--application", "tests.integration.apps:misbehaving", "--workers", "1")


def adapted(folder: Path, changes: Mapping[str, str]) -> Path:
    """Write the file with our places and our user in it."""
    text = (ROOT / "deploy" / "logrotate" / "tracd-cluster").read_text()
    who = f"su {pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"
    for old, new in {"/var/log/tracd-cluster/*.log": f"{folder}/*.log", "su trac trac": who, **changes}.items():
        assert old in text, f"{old!r} is not in the file"
        text = text.replace(old, new)
    file = folder / "logrotate.conf"
    file.write_text(text)
    file.chmod(0o644)
    return file


def rotate(file: Path, path: str = "") -> None:
    """Rotate once, whatever the age."""
    argv = ["logrotate", "--force", "--verbose", "--state", str(file.with_name("state")), str(file)]
    environment = {**os.environ, "PATH": f"{path}{os.environ['PATH']}:/usr/sbin"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert 0 == done.returncode, done.stderr
    assert "error" not in done.stderr, done.stderr


def rotated_twice(service: Daemon, file: Path, path: str = "") -> None:
    """Rotate, have the service write, and again; see where the lines are."""
    log = file.with_name("tracd-cluster.log")
    rotate(file, path)
    wait_until(lambda: log.exists() and "opened again" in log.read_text(), 10, "the new file")
    assert "Serving on" in log.with_name("tracd-cluster.log.1").read_text()
    assert "Serving on" not in log.read_text()
    rotate(file, path)
    wait_until(lambda: log.exists() and 1 == log.read_text().count("opened again"), 10, "the next new file")
    assert ["tracd-cluster.log", "tracd-cluster.log.1", "tracd-cluster.log.2.gz"] == sorted(
        found.name for found in file.parent.glob("tracd-cluster.log*")
    )
    assert b"hello\n" == service.get("/")


def test_a_daemon_is_found_by_its_pidfile(tmp_path: Path) -> None:
    """As on a host without systemd."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "tracd-cluster.log"
    with running(tmp_path, *APPLICATION, "--logfile", str(log)) as service:
        service.wait_until_ready(1)
        rotated_twice(service, adapted(log.parent, {"/run/tracd-cluster.pid": str(service.pidfile)}))
        service.stop()


def test_systemd_is_asked_where_there_is_no_pidfile(tmp_path: Path) -> None:
    """With a program in the place of systemctl that does what it would: signal the main process."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "tracd-cluster.log"
    with running(tmp_path, *APPLICATION, "--logfile", str(log), daemonize=False) as service:
        service.wait_until_ready(1)
        stand_in = tmp_path / "bin" / "systemctl"
        stand_in.parent.mkdir()
        words = "kill --kill-who=main --signal=USR1 tracd-cluster.service"
        stand_in.write_text(f'#!/bin/sh\n[ "$*" = "{words}" ] && kill -USR1 {service.tree.pid}\n')
        stand_in.chmod(0o755)
        file = adapted(log.parent, {"/run/tracd-cluster.pid": str(tmp_path / "none")})
        rotated_twice(service, file, f"{stand_in.parent}:")
