"""What systemd's own tools say to the files of ``deploy/systemd``; systemd itself is never started."""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.deploy.unit_file import Unit
from tests.processes import ROOT

pytestmark = pytest.mark.needs("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles")

FOLDER = ROOT / "deploy" / "systemd"
UNITS = ["tracd-cluster.service", "tracd-cluster.socket"]
MOST_EXPOSED = 3.0


def analyze(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Have the units analysed, with a program that is there."""
    for name in UNITS:
        text = (FOLDER / name).read_text().replace("/opt/trac/bin/tracd-cluster", sys.executable)
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "SYSTEMD_COLORS": "0"}
    argv = ["systemd-analyze", "--no-pager", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", UNITS)
def test_the_units_are_well_formed(name: str, tmp_path: Path) -> None:
    """What deploy/ has is understood by systemd, word for word."""
    done = analyze(tmp_path, "verify", "--man=no", str(tmp_path / name))
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_little_is_exposed(tmp_path: Path) -> None:
    """Of ten points of exposure, systemd counts fewer than three."""
    done = analyze(tmp_path, "security", "--offline=true", str(tmp_path / "tracd-cluster.service"))
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED


def test_the_drop_in_of_the_socket_unit_exposes_less(tmp_path: Path) -> None:
    """What the socket unit advises is understood, and takes rights away."""
    analyze(tmp_path, "--version")
    advised = re.findall(r"(?m)^#   ([A-Z\[].*)$", (FOLDER / "tracd-cluster.socket").read_text())
    assert advised[0] == "[Service]"
    service = tmp_path / "tracd-cluster.service"
    service.write_text(service.read_text() + "\n".join(["", *advised, ""]))
    argv = ["systemd-analyze", "--no-pager", "security", "--offline=true", "--threshold=15", str(service)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.needs("root")
def test_user_and_folders(tmp_path: Path) -> None:
    """In a root of their own: a user without shell and password, and folders that others cannot read."""
    (tmp_path / "etc").mkdir()
    root = f"--root={tmp_path}"
    subprocess.run(["systemd-sysusers", root, str(FOLDER / "tracd-cluster.sysusers")], check=True, timeout=30)
    (line,) = [line for line in (tmp_path / "etc" / "passwd").read_text().splitlines() if line.startswith("trac:")]
    user = pwd.struct_passwd(line.split(":"))
    assert user.pw_uid
    assert ("/srv/trac", "/usr/sbin/nologin") == (user.pw_dir, user.pw_shell)
    assert "trac:!*" in (tmp_path / "etc" / "shadow").read_text()
    for _ in range(2):
        done = subprocess.run(
            ["systemd-tmpfiles", root, "--create", str(FOLDER / "tracd-cluster.tmpfiles")],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (0, "") == (done.returncode, done.stderr)
    unit = Unit(FOLDER / "tracd-cluster.service")
    expected = {
        unit["ReadWritePaths"]: (int(user.pw_uid), 0o750),
        "/etc/tracd-cluster": (0, 0o750),
        "/etc/tracd-cluster/certificates": (0, 0o750),
        f"/var/log/{unit['LogsDirectory']}": (int(user.pw_uid), int(unit["LogsDirectoryMode"], 8)),
    }
    for path, (owner, mode) in expected.items():
        found = (tmp_path / path.lstrip("/")).stat()
        assert (owner, int(user.pw_gid), mode) == (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)), path


def test_time_enough(tmp_path: Path) -> None:
    """Systemd waits longer for a start and a stop than the service does by default."""
    unit = Unit(FOLDER / "tracd-cluster.service")
    argv = [sys.executable, "-m", "tracd_cluster.cli", "--show-config", "-s", str(tmp_path)]
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout
    seconds = {name: float(value) for name, value in re.findall(r"(?m)^([a-z-]+) = ([\d.]+)\b", shown)}
    assert float(unit["TimeoutStartSec"]) > seconds["start-timeout"]
    assert float(unit["TimeoutStopSec"]) > seconds["drain-timeout"] + seconds["drain-delay"]
