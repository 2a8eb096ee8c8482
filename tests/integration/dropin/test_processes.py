"""The options of tracd that make a daemon of it, say who it runs as, and let it follow its sources."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path
from time import monotonic

import psutil
import pytest
import trustme

from tests.integration.cluster import WORKER_TITLE
from tests.integration.dropin.accounts import basic, htpasswd
from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import NOBODY, TRACD, Python, Server, ours_only, run
from tests.integration.load import TOKEN
from tests.processes import free_port, title, wait_until

PASSWORD = "harbour"
GROUPS_OF_ROOT = [0, 6]
"""What the server's process starts with, beside its own group: one more than most roots have."""

PLUGIN = """
from trac.core import Component, implements
from trac.web.api import IRequestHandler

class Told(Component):
    implements(IRequestHandler)

    def match_request(self, req):
        return req.path_info == "/told"

    def process_request(self, req):
        req.send(b"{word}", "text/plain")
"""


def attach(server: Server, env: Path) -> Path:
    """Attach a file to a ticket, as a browser does, and give where Trac has put it."""
    token = TOKEN.search(server.get("/attachment/ticket/1/?action=new").body)
    assert token is not None
    fields = {"__FORM_TOKEN": token[1].decode(), "action": "new", "realm": "ticket", "id": "1", "description": "x"}
    parts = [f'--limit\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields]
    file = '--limit\r\nContent-Disposition: form-data; name="attachment"; filename="a.txt"\r\n\r\nabc\r\n--limit--\r\n'
    headers = {
        "Content-Type": "multipart/form-data; boundary=limit",
        "Cookie": f"trac_form_token={fields['__FORM_TOKEN']}",
    }
    before = set(_attached(env))
    posted = server.request("POST", "/attachment/ticket/1/?action=new", headers, "".join([*parts, file]).encode())
    assert 303 == posted.status, posted.text
    (made,) = set(_attached(env)) - before
    return made


def _attached(env: Path) -> list[Path]:
    return [path for path in (env / "files").rglob("*") if path.is_file()]


def mode(path: Path) -> int:
    """Give the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def serving(server: Server) -> list[psutil.Process]:
    """Give the processes that run Trac: tracd itself, our workers."""
    if server.program == TRACD:
        return server.tree.alive()
    return [process for process in server.tree.alive() if WORKER_TITLE.match(title(process))]


# -- -d, --pidfile, --umask


def test_a_daemon(program: str, start: StartServer, project: MakeProject, tmp_path: Path) -> None:
    """-d goes on in the background, as the process that --pidfile names, until SIGTERM; the pidfile goes with it.

    A stale pidfile is written over; a second start finds the first alive and is refused. The umask of the shell does
    not count: without --umask, files are readable by everybody.
    """
    pidfile, env = tmp_path / "server.pid", project("one")
    with subprocess.Popen(["true"]) as gone:
        pass
    pidfile.write_text(f"{gone.pid}\n")
    server = start(program, "-d", "--pidfile", str(pidfile), "-s", str(env), umask=0o077)
    assert 0 == server.tree.wait(20)
    daemon = psutil.Process(int(pidfile.read_text()))
    assert gone.pid != daemon.pid
    assert os.getsid(daemon.pid) not in (server.tree.pid, os.getsid(0))
    assert 0o644 == mode(attach(server, env))

    second = run(program, "-d", "--pidfile", str(pidfile), "-p", str(free_port()), "-b", "127.0.0.1", "-s", str(env))
    assert 1 == second.returncode
    assert str(daemon.pid) in second.stderr
    assert "running" in second.stderr
    assert server.answers("/about")

    daemon.send_signal(signal.SIGTERM)
    wait_until(lambda: not daemon.is_running() or daemon.status() == psutil.STATUS_ZOMBIE, 20, "the end of the daemon")
    server.assert_nothing_left()
    assert not pidfile.exists()


def test_what_a_daemon_is_given(program: str, start: StartServer, project: MakeProject, tmp_path: Path) -> None:
    """--umask, in octal, is what a daemon makes files with; paths are relative to the folder it was started in."""
    env = project("one")
    htpasswd(tmp_path / "users", {"admin": PASSWORD})
    options = ["--umask", "077", "--basic-auth", "one,users,realm", "-s", os.path.relpath(env, tmp_path)]
    server = start(program, "--daemonize", "--pid", "server.pid", *options)
    assert 0 == server.tree.wait(20)
    assert 0o600 == mode(attach(server, env))
    assert server.get("/login", basic("admin", PASSWORD)).status in (302, 303)
    os.kill(int((tmp_path / "server.pid").read_text()), signal.SIGTERM)
    wait_until(lambda: not server.tree.alive(), 20, "the end of the daemon")


def test_a_pidfile_with_anything_else_in_it(program: str, tmp_path: Path) -> None:
    """A pidfile without a number is nobody's to write over: the start ends with 1."""
    pidfile = tmp_path / "server.pid"
    pidfile.write_text("not a number\n")
    ended = run(program, "-d", "--pidfile", str(pidfile), "-b", "127.0.0.1", "-p", str(free_port()), str(tmp_path))
    assert 1 == ended.returncode
    assert str(pidfile) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "not a number\n" == pidfile.read_text()


def test_a_daemon_that_nobody_named(program: str, start: StartServer, project: MakeProject) -> None:
    """-d without --pidfile serves too, and SIGTERM ends it all."""
    server = start(program, "-d", "-s", str(project("one")))
    assert 0 == server.tree.wait(20)
    alive = server.tree.alive()
    (daemon,) = (process for process in alive if process.ppid() not in {other.pid for other in alive})
    daemon.terminate()
    wait_until(lambda: not server.tree.alive(), 20, "the end of the daemon")


# -- --user, --group


@pytest.mark.needs("root")
@pytest.mark.parametrize(("user", "group"), [("nobody", "nogroup"), (str(NOBODY), str(NOBODY))])
def test_another_user(
    program: str,
    user: str,
    group: str,
    everyones_folder: Path,
    everyones_python: Python,
    sample_env: Path,
    start: StartServer,
) -> None:
    """--user and --group, by name or number, say who runs Trac; the password files are read before.

    tracd keeps root's supplementary groups for it, ours has those of the user.
    """
    env = nobodys(sample_env, everyones_folder)
    users = htpasswd(everyones_folder / "users", {"admin": PASSWORD})
    users.chmod(0o600)
    options = ["--user", user, "--group", group, "--basic-auth", f"one,{users},realm", "-s", str(env)]
    server = start(program, *options, python=everyones_python, extra_groups=GROUPS_OF_ROOT)
    processes = serving(server)
    assert processes
    for process in processes:
        assert {NOBODY} == set(process.uids())
        assert {NOBODY} == set(process.gids())
        groups = re.search(r"(?m)^Groups:(.*)$", Path(f"/proc/{process.pid}/status").read_text())
        assert groups is not None
        expected = set(GROUPS_OF_ROOT) if program == TRACD else {NOBODY}
        assert expected == {int(number) for number in groups[1].split()}
    made = attach(server, env)
    assert (NOBODY, NOBODY) == (made.stat().st_uid, made.stat().st_gid)
    assert server.get("/login", basic("admin", PASSWORD)).status in (302, 303)


@pytest.mark.needs("root")
@ours_only
def test_what_only_root_may(
    program: str, everyones_folder: Path, everyones_python: Python, sample_env: Path, start: StartServer
) -> None:
    """With --user, a port below 1024 and a key that only root reads are still there; tracd gives root up before."""
    env = nobodys(sample_env, everyones_folder)
    authority = trustme.CA()
    pem = everyones_folder / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    pem.chmod(0o600)
    port = low_port()
    where = ["-b", "127.0.0.1", "-p", str(port), "--protocol", "https", "--certfile", str(pem)]
    server = start(
        program, *where, "--user", "nobody", "--group", "nogroup", "-s", str(env),
        port=port, authority=authority.cert_pem.bytes().decode(), python=everyones_python,
    )  # fmt: skip
    assert {NOBODY} == {uid for process in server.tree.alive() for uid in process.uids()}


def nobodys(sample_env: Path, folder: Path) -> Path:
    """Make an environment that belongs to nobody."""
    env = Path(shutil.copytree(sample_env, folder / "one", ignore=shutil.ignore_patterns("git")))
    for path in (env, *env.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return env


def low_port() -> int:
    """Find a loopback port that only root may listen on, and nobody does."""
    for port in range(1023, 500, -1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port below 1024 is free")


# -- -r


def test_auto_reload(program: str, start: StartServer, project: MakeProject) -> None:
    """With -r, an edited plugin is served without anybody's doing: tracd restarts, ours renews its workers.

    While tracd restarts nobody gets an answer; ours answers everybody.
    """
    plugin = project("one") / "plugins" / "told.py"
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text(PLUGIN.format(word="ebb"))
    server = start(program, "-r", "-s", str(plugin.parent.parent))
    assert b"ebb" == server.get("/told").body
    edited, refused = 0.0, 0

    def new_code() -> bool:
        nonlocal edited, refused
        try:
            body = server.get("/told").body
        except (OSError, http.client.HTTPException):
            refused += 1
            return False
        if body == b"ebb" and monotonic() > edited + 4:
            # Sources are looked at now and then. An edit before the first look would not be one: it is done again.
            plugin.write_text(PLUGIN.format(word="high tide"))
            edited = monotonic()
        return body == b"high tide"

    wait_until(new_code, 40, "the new code")
    assert refused == 0 or program == TRACD
    assert 0 == server.interrupt()
