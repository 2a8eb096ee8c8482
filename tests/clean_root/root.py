"""A fresh Debian in a folder, with a network of its own that reaches nobody, and ways to do things in it.

Debian's and Python's packages come from where this machine has its own: apt's and pip's settings are shown to the root
as they are here.
"""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from ssl import get_default_verify_paths

from tests.processes import wait_until

SHOWN = ("/etc/apt", "/etc/pip.conf", "/etc/resolv.conf", "/etc/hosts")
CERTIFICATES = "/run/certificates.crt"
"""Where pip finds whom this machine trusts: beside the root's own, which its packages have to be free to write."""
INCLUDED = "systemd"
"""What a machine has and ``minbase`` leaves out."""
PATH = "/opt/trac/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST = 600.0


class CommandFailed(Exception):
    """A command that did not do what its page says; the message is what it wrote."""


def source() -> tuple[str, str]:
    """Give where this machine has Debian from, and the name of its release, as apt knows them."""
    form = "$(REPO_URI) $(CODENAME) $(ORIGIN) $(COMPONENT)"
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        uri, name, origin, component = line.split()
        if (origin, component) == ("Debian", "main") and "-" not in name:
            return uri, name
    raise CommandFailed("apt has no Debian to take packages from")


def make(folder: Path) -> None:
    """Put a fresh Debian there."""
    uri, name = source()
    argv = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", name, str(folder), uri]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(done.stdout[-2000:])
    folder.chmod(0o755)  # a temporary folder is its maker's alone, and this one is everybody's /


class Root:
    """What runs in the folder: one process that holds it open, and what is entered beside it."""

    def __init__(self, folder: Path, work_tree: Path) -> None:
        self.work_tree = work_tree
        pip = str(Path.home() / ".config" / "pip")
        trusted = os.environ.get("PIP_CERT") or get_default_verify_paths().cafile or os.devnull
        shown = [word for path in SHOWN for word in ("--ro-bind-try", path, path)]
        ours, theirs = os.pipe()
        self._holder = subprocess.Popen(
            ["bwrap", "--bind", str(folder), "/", "--dev", "/dev", "--proc", "/proc", *shown,
             "--ro-bind-try", pip, "/root/.config/pip", "--ro-bind", trusted, CERTIFICATES,
             "--cap-add", "ALL", "--unshare-pid", "--unshare-net", "--die-with-parent", "--info-fd", str(theirs),
             "sh", "-c", "echo here; exec sleep infinity"],
            pass_fds=[theirs], stdout=subprocess.PIPE,
        )  # fmt: skip
        os.close(theirs)
        with open(ours) as told:
            self._pid = json.load(told)["child-pid"]
        assert self._holder.stdout is not None
        self._holder.stdout.readline()  # before that it is not all there

    def close(self) -> None:
        """End all that runs there."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._holder.wait(30)

    def argv(self, script: str, online: bool = False) -> list[str]:
        """Give the command that runs a script there."""
        network = [] if online else ["--net"]
        pip = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_")]
        pip.append(f"PIP_CERT={CERTIFICATES}")
        return [
            "nsenter", "--target", str(self._pid), "--mount", "--pid", *network, "--root",
            f"--wd=/proc/{self._pid}/root{self.work_tree}", "env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1", *(pip if online else []), "bash", "-ec", script,
        ]  # fmt: skip

    def run(self, script: str, online: bool = False) -> str:
        """Run it to its end, and give what it wrote; raise CommandFailed if its status is not 0."""
        done = subprocess.run(
            self.argv(script, online), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=LONGEST, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandFailed(f"status {done.returncode}\n{done.stdout[-3000:]}")
        return done.stdout

    def answer(self, script: str, answers: Sequence[str]) -> str:
        """Run what asks somebody at a terminal, and give each answer when a line without an end stands there."""
        pid, terminal = pty.fork()
        if pid == 0:
            argv = self.argv(script)
            os.execvp(argv[0], argv)
        said, left = "", list(answers)
        with suppress(OSError):  # what reading a terminal gives that nobody has open any more
            while data := os.read(terminal, 4096):
                said += data.decode(errors="replace")
                if said.endswith(": ") and left:
                    os.write(terminal, left.pop(0).encode() + b"\n")
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        if status != 0 or left:
            raise CommandFailed(f"status {os.waitstatus_to_exitcode(status)}\n{said}")
        return said

    def start(self, script: str) -> Running:
        """Run what stays in the foreground; ``script`` ends with what takes the shell's place."""
        return Running(self, script)

    def serves(self, url: str) -> bool:
        """Tell whether a page comes from there."""
        with suppress(CommandFailed):
            self.run(f"curl --fail --silent --insecure --max-time 20 --output /dev/null {url}")
            return True
        return False

    def wait_for(self, url: str) -> None:
        """Wait until a page comes from there."""
        wait_until(lambda: self.serves(url), 90, f"a page at {url}")


class Running:
    """What stays in the foreground in a root, until it is told to end."""

    def __init__(self, root: Root, script: str) -> None:
        self._root = root
        self._output = root.run("mktemp").strip()
        leader = shlex.quote(f"echo $$ >/run/started; {script}")
        # A session of its own, as at a terminal: Ctrl-C is for all of it.
        script = f"exec setsid --wait bash -ec {leader} >{self._output} 2>&1 </dev/null"
        self._process = subprocess.Popen(root.argv(script), stdin=subprocess.DEVNULL, start_new_session=True)

    def said(self) -> str:
        """Give what it has written so far."""
        return self._root.run(f"cat {self._output}")

    def wait_for(self, url: str) -> None:
        """Wait until a page comes from there; raise CommandFailed if it ends before."""

        def there() -> bool:
            if self._process.poll() is not None:
                raise CommandFailed(f"it has ended\n{self.said()}")
            return self._root.serves(url)

        wait_until(there, 90, f"a page at {url}")

    def end(self, name: str = "TERM", allowed: Sequence[int] = (0, -signal.SIGTERM)) -> None:
        """Ask it to end, and see whether it does so well; twistd ends by the signal that it was sent."""
        self._root.run(f"kill -{name} -- {'-' if name == 'INT' else ''}$(cat /run/started)")
        wait_until(lambda: self._process.poll() is not None, 90, f"its end after SIG{name}")
        status = self._process.poll()
        if status not in allowed:
            raise CommandFailed(f"status {status} after SIG{name}\n{self.said()}")


def copy_work_tree(top: Path, to: Path) -> None:
    """Put there what belongs to the project here, changed files as they are."""
    listed = subprocess.run(
        ["git", "-C", str(top), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (top / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(top / name, to / name)


def missing() -> list[str]:
    """Name what this machine lacks to do that."""
    programs = ("debootstrap", "bwrap", "nsenter", "apt-get")
    lacking = [name for name in programs if shutil.which(name) is None]
    return lacking if os.geteuid() == 0 and sys.platform == "linux" else [*lacking, "root on Linux"]
