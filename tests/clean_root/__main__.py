"""Follows README.md and docs/systemd.md in a fresh Debian, from the first command to the last: ``make clean-root``.

Every command runs as it is written. What cannot run where no systemd is the first process is done in its place as its
unit says, or named at the end. ``CLEAN_ROOT=FOLDER`` keeps the fresh Debian there, and takes the one that is there.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from tests.clean_root.pages import Command, commands
from tests.clean_root.root import CommandFailed, Root, Running, copy_work_tree, make, missing
from tests.processes import ROOT, wait_until

WORK_TREE = "/root/tracd-cluster"
PASSWORD = "one-for-the-test"
CONFIG = "/etc/tracd-cluster/tracd-cluster.toml"
AS_TRAC = (
    "setpriv --reuid trac --regid trac --init-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service"
)
NO_SYSTEMD = "no systemd is the first process there"
DEMO = ("http://localhost:8000/", "https://localhost:8443/")


class Reader:
    """Somebody who follows the pages: what was done, and what could not be."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.serving: Running | None = None
        self.done = 0
        self.left_out: list[str] = []

    def follow(self, name: str, rules: list[tuple[str, Callable[[Reader, Command], str | None]]]) -> None:
        """Do each command of a page by the first rule that fits."""
        for command in commands((ROOT / name).read_text(encoding="utf-8")):
            began = monotonic()
            do = next(do for pattern, do in rules if re.search(pattern, command.text))
            try:
                why_not = do(self, command)
            except (AssertionError, CommandFailed) as error:
                raise CommandFailed(f"{name}, {command.heading}: {command.shown}\n{error}") from None
            if why_not is None:
                self.done += 1
                say(f"{name}: {command.shown}", monotonic() - began)
            else:
                self.left_out.append(f"{name}: {command.shown}: {why_not}")

    def stop(self) -> None:
        """End what serves in the foreground."""
        if self.serving is not None:
            self.serving.end()
            self.serving = None


def say(what: str, seconds: float) -> None:
    """Tell how far it is."""
    print(f"{seconds:6.1f} s  {what}", flush=True)  # noqa: T201


# -- how a command is done


def plainly(reader: Reader, command: Command) -> None:
    """Run it."""
    reader.root.run(command.text)


def online(reader: Reader, command: Command) -> None:
    """Run what needs packages."""
    yes = re.sub(r"^apt-get install", "apt-get install --yes", command.text)
    reader.root.run(yes, online=True)


def with_password(reader: Reader, command: Command) -> None:
    """Run it at a terminal, where it asks twice."""
    reader.root.answer(command.text, [PASSWORD, PASSWORD])


def not_without_systemd(reader: Reader, command: Command) -> str:
    """Leave it out."""
    return NO_SYSTEMD


def not_here(reader: Reader, command: Command) -> str:
    """Leave out what takes hours, and a machine of its own."""
    return "everything else is tested by it"


# -- docs/systemd.md


def check(reader: Reader, command: Command) -> None:
    """Do what the text before it asks for, and see that nothing is wrong."""
    reader.root.run(f"sed -i 's/^#basic-auth/basic-auth/' {CONFIG}; grep -q ^basic-auth {CONFIG}")
    said = reader.root.run(command.text)
    if not said.endswith("ok\n") or "problem" in said:
        raise CommandFailed(said)


def enable_service(reader: Reader, command: Command) -> None:
    """Enable the unit; in place of ``--now`` start its command as it says, as its user with its right to the port."""
    reader.root.run(command.text.replace(" --now", ""))
    reader.serving = reader.root.start(
        "install -d -o trac -m 700 /run/tracd-cluster; cd /; "
        f"set -a; . /etc/default/tracd-cluster; RUNTIME_DIRECTORY=/run/tracd-cluster; exec {AS_TRAC} {exec_start()}"
    )
    reader.serving.wait_for("http://localhost/")


def enable_socket(reader: Reader, command: Command) -> None:
    """Enable the unit, and have systemd's own tool listen in its place; it starts the service at the first visit."""
    reader.stop()
    reader.root.run(f"sed -i '/^port = /d' {CONFIG}")
    reader.root.run(command.text.replace(" --now", ""))
    reader.serving = reader.root.start(
        "install -d -o trac -m 700 /run/tracd-cluster; cd /; "
        f"exec systemd-socket-activate --listen=80 --fdname=web {AS_TRAC} "
        f"env RUNTIME_DIRECTORY=/run/tracd-cluster PATH=$PATH {exec_start()}"
    )
    reader.serving.wait_for("http://localhost/")
    reader.stop()


def exec_start() -> str:
    """Give the command of the unit."""
    unit = (ROOT / "deploy" / "systemd" / "tracd-cluster.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    return str(line)


SYSTEMD: list[tuple[str, Callable[[Reader, Command], str | None]]] = [
    (r"^apt-get|/pip install", online),
    (r"tracd-cluster passwd", with_password),
    (r"--check", check),
    (r"^systemctl enable --now tracd-cluster$", enable_service),
    (r"^systemctl enable --now tracd-cluster\.socket$", enable_socket),
    (r"^systemctl (daemon-reload|status|start|stop)|^journalctl", not_without_systemd),
    (r"", plainly),
]

# -- README.md


def demo(reader: Reader, command: Command) -> None:
    """Set up with packages what the demo sets up, then show it where nobody else has its ports, until Ctrl-C."""
    reader.root.run("apt-get install --yes --no-install-recommends make python3-pip", online=True)
    reader.root.run("make .venv/sample", online=True)
    running = reader.root.start(f"exec {command.text}")
    for url in DEMO:
        running.wait_for(url)
    running.end("INT", allowed=(0, -signal.SIGINT))


def install(reader: Reader, command: Command) -> None:
    """Run it, and give it what the examples of its page speak of."""
    online(reader, command)
    reader.root.run(
        "for name in one two; do trac-admin /srv/trac/$name initenv $name sqlite:db/trac.db; done\n"
        "chown -R trac: /srv/trac\n"
        f"echo {PASSWORD} | tracd-cluster passwd -i --digest Trac -c /srv/trac/users.htdigest ines\n"
        "cp /srv/trac/users.htdigest /etc/\n"
        f"(umask 077; echo {PASSWORD} >/etc/tracd-cluster/admin.password)\n"
        "mkdir -p /etc/letsencrypt/live/localhost; cd /etc/letsencrypt/live/localhost\n"
        "python3 -c 'import ssl' && /opt/trac/bin/python -c 'from tracd_cluster.front.demo_certificate import keep, "
        'demo_pair; import shutil, time; keep("/tmp/demo", time.time()); pair = demo_pair("/tmp/demo"); '
        'shutil.copy(pair.certificate, "fullchain.pem"); shutil.copy(pair.key, "privkey.pem")\''
    )


def serve(reader: Reader, command: Command) -> None:
    """Serve a page in the foreground, and end well when asked to."""
    text = re.sub(r" \.\.\.$", " -p 8000 -s /srv/trac/project", command.shown)
    running = reader.root.start(f"exec {text}")
    for url in urls_of(text):
        running.wait_for(url)
    running.end()


def serve_behind(reader: Reader, command: Command) -> None:
    """Serve a page as a daemon, and end when asked to."""
    reader.root.run(command.text)
    for url in urls_of(command.text):
        reader.root.wait_for(url)
    # One that has become somebody else may not take its pidfile away, so that is no sign of its end.
    pid = reader.root.run("cat /run/trac.pid; kill $(cat /run/trac.pid)").strip()
    wait_until(lambda: "gone" in reader.root.run(f"kill -0 {pid} 2>/dev/null || echo gone"), 60, "the daemon's end")


def urls_of(text: str) -> list[str]:
    """Say where the service of a command line shows pages."""
    words = shlex.split(text, comments=True)
    port = words[words.index("-p") + 1] if "-p" in words else "80"
    found = [f"http://localhost:{8000 if '--config' in words else port}/"]
    if "--https-port" in words:
        found.append(f"https://localhost:{words[words.index('--https-port') + 1]}/")
    if "--admin" in words:
        found.append(f"http://{words[words.index('--admin') + 1]}/-/healthz")
    return found


def beside_a_service(reader: Reader, command: Command) -> None:
    """Ask a service that runs."""
    running = reader.root.start("exec tracd-cluster -p 8000 -s /srv/trac/project")
    running.wait_for("http://localhost:8000/")
    said = reader.root.run(command.text)
    running.end()
    if "workers ready" not in said:
        raise CommandFailed(said)


README: list[tuple[str, Callable[[Reader, Command], str | None]]] = [
    (r"^make demo", demo),
    (r"^make test", not_here),
    (r"/pip install", install),
    (r"^tracd-cluster passwd", with_password),
    (r"^tracd-cluster ctl", beside_a_service),
    (r"^tracd-cluster -d|^twistd", serve_behind),
    (r"^tracd-cluster", serve),
    (r"", plainly),
]


def main() -> int:
    """Make a fresh Debian, follow the pages, and say what became of it."""
    if lacking := missing():
        print(f"Not here: {', '.join(lacking)}.")  # noqa: T201
        return 1
    kept = os.environ.get("CLEAN_ROOT")
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="clean-root-"))
    try:
        if not (folder / "etc" / "debian_version").exists():
            began = monotonic()
            make(folder)
            say("a fresh Debian", monotonic() - began)
        copy_work_tree(ROOT, folder / WORK_TREE.lstrip("/"))
        root = Root(folder, Path(WORK_TREE))
        try:
            reader = Reader(root)
            reader.follow("docs/systemd.md", SYSTEMD)
            reader.follow("README.md", README)
        finally:
            root.close()
    except CommandFailed as error:
        print(f"\n{error}")  # noqa: T201
        return 1
    finally:
        if not kept:
            shutil.rmtree(folder)
    print(f"\n{reader.done} commands do what their pages say. Left out:", *reader.left_out, sep="\n  ")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
