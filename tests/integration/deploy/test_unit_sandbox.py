"""The sandbox of the unit, made by bubblewrap of the unit's own settings: all that a service does works inside.

What cannot be had without systemd: ports below 1024, NoExecPaths, other users' processes, and ProtectHome, because
the Python of the tests may be in a home.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.certificates import ca_file, issue, write_certbots
from tests.integration.daemon import ctl
from tests.integration.deploy import seccomp
from tests.integration.deploy.unit_file import Unit
from tests.integration.dropin.accounts import htpasswd
from tests.integration.test_systemd import Manager
from tests.integration.tls_clients import s_client
from tests.integration.walk import Walk
from tests.processes import ROOT, ProcessTree, free_port, wait_until

pytestmark = pytest.mark.needs("Linux", "systemd-analyze", "bwrap", "openssl")

UNIT = Unit(ROOT / "deploy" / "systemd" / "tracd-cluster.service")
OPTIONS = ROOT / "deploy" / "systemd" / "tracd-cluster.toml"
PROGRAM = Path(sys.executable).with_name("tracd-cluster")
AS_SOMEBODY = "990"
USER, PASSWORD = "keeper", "harbour"


class Sandbox:
    """Where the unit's service runs: ``srv``, ``run`` and ``log`` can be written, ``etc`` and all else read."""

    def __init__(self, folder: Path, also_read: Path) -> None:
        self.srv, self.run, self.log, self.etc = (folder / name for name in ("srv", "run", "log", "etc"))
        self.port, self.https_port = free_port(), free_port()
        self.run.mkdir(mode=0o700)
        self.log.mkdir()
        (self.etc / "certificates").mkdir(parents=True)
        self._read = [also_read, self.etc, ROOT, Path(sys.prefix), Path(sys.base_prefix)]

    def settle(self, text: str) -> str:
        """Put our places for those of the unit."""
        places = {
            "/opt/trac/bin/tracd-cluster": PROGRAM, "/etc/tracd-cluster": self.etc, "/srv/trac": self.srv,
            "/run/tracd-cluster": self.run, "/var/log/tracd-cluster": self.log,
        }  # fmt: skip
        for old, new in places.items():
            text = text.replace(old, str(new))
        return text

    @contextmanager
    def around(self, argv: list[str]) -> Iterator[tuple[list[str], list[int]]]:
        """Give the command line that runs another one inside, and what it has to inherit."""
        words = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--bind", "/proc", "/proc", *_only_processes()]
        words += ["--tmpfs", "/tmp"]
        for path in self._read:
            words += ["--ro-bind", str(path), str(path)]
        for path in (self.srv, self.run, self.log):
            words += ["--bind", str(path), str(path)]
        words += ["--unshare-user", "--uid", AS_SOMEBODY, "--gid", AS_SOMEBODY, "--cap-drop", "ALL", "--unshare-uts"]
        filters = [seccomp.only(UNIT.system_calls()), seccomp.families(UNIT.words("RestrictAddressFamilies"))]
        filters += [made() for name, made in seccomp.BY_SETTING.items() if UNIT[name] == "yes"]
        with ExitStack() as files:
            programs = [files.enter_context(one.program()).fileno() for one in filters]
            for number in programs:
                words += ["--add-seccomp-fd", str(number)]
            yield [*words, "--", *argv], programs


def _only_processes() -> list[str]:
    """ProcSubset=pid: hide what /proc has besides processes."""
    words = []
    for path in sorted(Path("/proc").iterdir()):
        if not path.name.isdecimal() and not path.is_symlink() and path.name != "fs":
            words += ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
    return words


@pytest.fixture
def sandbox(env: Path, sample_env: Path, tmp_path: Path) -> Sandbox:
    """A sandbox with one environment, a password file, a certificate, and the options of ``deploy/``."""
    made = Sandbox(tmp_path, sample_env.parent)
    made.srv.mkdir()
    env.rename(made.srv / "project")
    htpasswd(made.etc / "users.htpasswd", {USER: PASSWORD}, kind="bcrypt")
    write_certbots(made.etc / "certificates" / "localhost", issue("localhost", cn="first"))
    text = made.settle(OPTIONS.read_text())
    for old, new in {
        "\nport = 80\n": f'\nport = {made.port}\nhostname = ["127.0.0.1"]\nworkers = 2\n',
        "#https-port = 443": f"https-port = {made.https_port}",
        '#cert-dir = "certificates"': 'cert-dir = "certificates"',
        '#basic-auth = ["*,users.htpasswd,Trac"]': 'basic-auth = ["*,users.htpasswd,Trac"]',
    }.items():
        assert old in text
        text = text.replace(old, new)
    (made.etc / "tracd-cluster.toml").write_text(text)
    return made


def variables(sandbox: Sandbox, manager: Manager) -> dict[str, str]:
    """Give what systemd sets, with the EnvironmentFile's."""
    lines = (ROOT / "deploy" / "systemd" / "tracd-cluster.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    given |= dict(word.split("=", 1) for word in UNIT.words("Environment"))
    given["TRACD_CLUSTER_OPTIONS"] = f"--logfile {sandbox.log}/tracd-cluster.log"
    return given | {
        "NOTIFY_SOCKET": manager.address, "RUNTIME_DIRECTORY": str(sandbox.run), "LOGS_DIRECTORY": str(sandbox.log),
        "WATCHDOG_USEC": str(int(UNIT["WatchdogSec"]) * 1_000_000),
    }  # fmt: skip


def command(sandbox: Sandbox, name: str, given: dict[str, str]) -> list[str]:
    """Give the words of a command of the unit, as systemd makes them."""
    words = [[word] if not word.startswith("$") else given[word[1:]].split() for word in UNIT[name].split()]
    return [sandbox.settle(part) for word in words for part in word]


def test_everything_works_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    """Pages, a repository, logins, tickets, attachments, TLS, ctl, a reload, and an upgrade: a new main process."""
    manager = Manager(str(sandbox.run / "notify"))
    given = variables(sandbox, manager)
    with sandbox.around(command(sandbox, "ExecStart", given)) as (words, inherited):
        tree = ProcessTree(words, tmp_path / "output", given, pass_fds=inherited)
    try:
        manager.wait_for(READY="1")
        assert "2" == kernel_status(tree, "NoNewPrivs", "Seccomp")["Seccomp"]
        url = f"http://127.0.0.1:{sandbox.port}/project"
        Walk(url).all(USER, PASSWORD)
        assert "tidewatch" in requests.get(f"{url}/browser/code", timeout=30).text
        seen = s_client(sandbox.https_port, ca_file(tmp_path), name="localhost")
        assert (True, "first") == (seen.good, seen.name), seen.output
        with sandbox.around(command(sandbox, "ExecReload", given)) as (words, inherited):
            reload = ProcessTree(words, tmp_path / "reload", given, pass_fds=inherited)
        assert 0 == reload.wait(60), reload.output.read_text()
        manager.wait_for(RELOADING="1")
        manager.wait_for(READY="1")
        (control,) = sandbox.run.glob("*/ctl.sock")
        status = ctl("--socket", str(control), "status")
        assert 0 == status.returncode
        assert re.search(r"\d MB", status.stdout), f"no memory is known of the workers:\n{status.stdout}"
        upgraded = ctl("--socket", str(control), "upgrade")
        assert 0 == upgraded.returncode, upgraded.stderr
        main = manager.wait_for(MAINPID=re.search(r"\d+", upgraded.stdout)[0])  # type: ignore[index]
        manager.wait_for(READY="1")
        assert "2" == kernel_status(tree, "Seccomp", pid=int(main["MAINPID"]))["Seccomp"]
        Walk(url).all(USER, PASSWORD)
        assert 0 == ctl("--socket", str(control), "stop").returncode
        wait_until(lambda: not tree.alive(), 20, "the end of it all")
    finally:
        tree.kill()
        manager.close()
    log = (sandbox.log / "tracd-cluster.log").read_text()
    assert not re.findall(r"(?m)^.*(?:#error|#critical|Traceback|not permitted).*$", log), log


def kernel_status(tree: ProcessTree, *names: str, pid: int = 0) -> dict[str, str]:
    """Give what the kernel says of a process, of the last one of the tree that is none of bubblewrap's by default."""
    found = pid or max(one.pid for one in tree.alive() if "bwrap" not in one.name())
    lines = Path(f"/proc/{found}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines) if name in names}


BREAKS = {
    "writes elsewhere": "open('/var/tmp/x', 'w')",
    "changes its options": "open({etc!r} + '/tracd-cluster.toml', 'a')",
    "sees the host's memory": "assert open('/proc/meminfo').read()",
    "takes a raw socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "hands out a right": "import os; os.mkdir({srv!r} + '/x'); os.chmod({srv!r} + '/x', 0o2777)",
    "is in another namespace": "import ctypes; assert 0 == ctypes.CDLL(None).unshare(0x10000000)",
    "pins itself to a processor": "import os; os.sched_setaffinity(0, {{0}})",
    "mounts": "import ctypes; assert 0 == ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None)",
}


@pytest.mark.parametrize("deed", BREAKS)
def test_what_the_sandbox_is_for(deed: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """What a plugin that has been taken over might try fails, and would not outside."""
    program = BREAKS[deed].format(etc=str(sandbox.etc), srv=str(sandbox.srv))
    with sandbox.around([sys.executable, "-c", program]) as (words, inherited):
        tree = ProcessTree(words, tmp_path / "output", pass_fds=inherited)
        assert 1 == tree.wait(20), f"{deed}:\n{tree.output.read_text()}"
    assert "Error" in tree.output.read_text()
