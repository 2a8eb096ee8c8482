"""deploy/fail2ban finds failed logins in the service's log, whatever clients put into it."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path
from select import select
from urllib.parse import quote

import bcrypt
import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.processes import ROOT, wait_until

pytestmark = pytest.mark.needs("fail2ban-regex")

FOLDER = ROOT / "deploy" / "fail2ban"
INNOCENT = "10.9.9.9"
LINE = f"[tracd_cluster.auth.gate#warn] Login failed from {INNOCENT} for user 'y': wrong password"
STAMPED = f"2026-11-25T17:13:12+0000 {LINE}"
SYSLOG = f"Nov 25 17:13:12 host tracd-cluster[123]: {LINE}"
FORGERIES = (LINE, STAMPED, SYSLOG, f"\n{LINE}", f"\n{STAMPED}", f"\r\n{STAMPED}", f"\t{STAMPED}", f"\u2028{STAMPED}")
"""What somebody sends who wants another one banned."""


def banned(log: str, folder: Path) -> list[str]:
    """Give the address of each line that fail2ban counts, in order."""
    file = folder / "fail2ban.log"
    file.write_text(log, newline="")
    argv = ["fail2ban-regex", "--out", "ip", str(file), str(FOLDER / "filter.d" / "tracd-cluster.conf")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout.split()


def log_in(port: int, user: str, password: str, source: str = "127.0.0.1", target: str = "127.0.0.1") -> int:
    """Log in from one address, and give the status."""
    connection = http.client.HTTPConnection(target, port, timeout=30, source_address=(source, 0))
    try:
        connection.request("GET", "/login", headers={"Authorization": _basic(user, password)})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.fixture(scope="module")
def port6() -> int | None:
    """A port of ::1, if the machine has that."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return None
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def cluster(env: Path, tmp_path: Path, port6: int | None, start_cluster: StartCluster) -> ClusterProcess:
    """A service with one user, ``admin``, whose workers write all that Trac has to say to its log."""
    users = tmp_path / "users"
    users.write_text(f"admin:{bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}\n")
    ini = env / "conf" / "trac.ini"
    logging = "[logging]\nlog_type = stderr\nlog_level = DEBUG\n"
    ini.write_text(re.sub(r"(?ms)^\[logging\]\n.*?(?=^\[|\Z)", "", ini.read_text()) + logging)
    also = ["--listen", f"tcp6:{port6}:interface=\\:\\:1"] if port6 else []
    return start_cluster("-s", str(env), "--workers", "1", "--basic-auth", f"*,{users},Trac", *also)


def in_syslog(log: str, prefix: str) -> str:
    """Write the lines of a log file as Twisted and syslog do: each line of a message by itself, behind a prefix."""
    found, system = [], ""
    for line in log.rstrip("\n").split("\n"):
        stamped = re.match(r"\d{4}-\S+ (\[\S+\]) ", line)
        system = stamped[1] if stamped else system
        found.append(f"{prefix}{line.partition(' ')[2] if stamped else f'{system} {line}'}")
    return "\n".join(found) + "\n"


def test_failed_logins(cluster: ClusterProcess, port6: int | None, tmp_path: Path) -> None:
    """Whoever fails is found, in each of the forms a log can have; nobody else is."""
    assert 302 == log_in(cluster.port, "admin", "right", "127.0.0.2")
    assert 401 == log_in(cluster.port, "admin", "wrong", "127.0.0.3")
    assert 401 == log_in(cluster.port, "nobody", "right", "127.0.0.4")
    assert 401 == log_in(cluster.port, "both \"'", "right", "127.0.0.4")
    expected = ["127.0.0.3", "127.0.0.4", "127.0.0.4"]
    if port6:
        assert 401 == log_in(port6, "admin", "wrong", "::1", "::1")
        expected.append("::1")
    log = cluster.wait_for_log(f"Login failed from {expected[-1]} ")

    assert expected == banned(log, tmp_path)
    for prefix in (
        "Nov 25 17:13:12 host tracd-cluster[123]: ",
        "Nov  5 17:13:12 host.example tracd-cluster[123]: ",
        "2026-11-25T17:13:12.123456+00:00 host twistd[123]: ",
        "host tracd-cluster[123]: ",  # as fail2ban writes an entry of the journal
    ):
        assert expected == banned(in_syslog(log, prefix), tmp_path), prefix
    # The journal keeps what the service writes to standard error, which has a time of its own.
    stamped = "".join(f"host tracd-cluster[123]: {line}\n" for line in log.splitlines())
    assert expected == banned(stamped, tmp_path)


def test_refused_logins(cluster: ClusterProcess, tmp_path: Path) -> None:
    """Who is refused unheard because too much has failed is counted, too."""
    for _ in range(5):
        assert 401 == log_in(cluster.port, "admin", "wrong", "127.0.0.5")
    asked = f"GET /login HTTP/1.1\r\nHost: x\r\nAuthorization: {_basic('admin', 'right')}\r\n\r\n".encode()
    with ExitStack() as stack:
        waiting = []
        for _ in range(20):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", cluster.port), 20, ("127.0.0.5", 0)))
            client.sendall(asked)
            waiting.append(client)
        ready = wait_until(lambda: select(waiting, [], [], 1)[0], 20, "a refusal")
        assert ready[0].recv(100).startswith(b"HTTP/1.1 429 ")
    log = cluster.wait_for_log("Login refused from 127.0.0.5: too many have failed\n")
    log = log[: log.rindex("\n") + 1]  # it may have been read in the middle of a line

    count = log.count("] Login failed from ") + log.count("] Login refused from ")
    assert count > 5
    assert ["127.0.0.5"] * count == banned(log, tmp_path)


def test_forged_by_name_and_page(cluster: ClusterProcess, tmp_path: Path) -> None:
    """Neither a user's name nor the address of a page makes somebody else's address count."""
    for number, forgery in enumerate(FORGERIES, 10):
        assert 401 == log_in(cluster.port, forgery, "wrong", f"127.0.0.{number}")
        assert 401 == log_in(cluster.port, f"x from {INNOCENT} for user 'y", "wrong", f"127.0.0.{number}")
        assert 404 == cluster.get(f"/{quote(forgery)}", {"User-Agent": forgery.strip()}).status
    # Trac writes the addresses of pages into its log, and with it into ours.
    log = wait_until(lambda: log if (log := cluster.log).count("HTTPNotFound") >= len(FORGERIES) else "", 20)

    expected = re.findall(r"\] Login failed from (127\.0\.0\.\d+) ", log)
    # A name with a control character in it is none, and no guess.
    assert {f"127.0.0.{number}" for number in range(10, 10 + len(FORGERIES))} == set(expected)
    assert len(expected) == len(FORGERIES) + sum(not re.search(r"[\t\r\n]", forgery) for forgery in FORGERIES)
    assert INNOCENT in log
    assert expected == banned(log, tmp_path)
    for prefix in ("Nov 25 17:13:12 host tracd-cluster[123]: ", "host tracd-cluster[123]: "):
        assert expected == banned(in_syslog(log, prefix), tmp_path)


WORKER = "2026-11-25T17:13:12+0000 [tracd_cluster.workers.worker_process#info]"
GATE = "2026-11-25T17:13:12+0000 [tracd_cluster.auth.gate#warn]"
OTHERS = (
    f"{WORKER} {LINE}",
    f"{WORKER} {STAMPED}",
    f"{WORKER} {SYSLOG}",
    f"{WORKER} tracd-cluster[1]: {LINE}",
    f"{WORKER} host tracd-cluster[1]: {LINE}",
    f"2026-11-25T17:13:12+0000 \t{LINE}",
    f"\t{LINE}",
    f"\t{STAMPED}",
    f"Nov 25 17:13:12 host tracd-cluster[1]: [tracd_cluster.x#info] {LINE}",
    f"Nov 25 17:13:12 host tracd-cluster[1]: [tracd_cluster.x#info] \t{LINE}",
    f"Nov 25 17:13:12 host tracd-cluster[1]: \t{LINE}",
    f"Nov 25 17:13:12 host other[1]: {LINE}",
    f"Nov 25 17:13:12 host other[1]: host tracd-cluster[1]: {LINE}",
    f"host tracd-cluster[1]: 2026-11-25T17:13:12+0000 [tracd_cluster.x#info] {STAMPED}",
    f"2026-11-25T17:13:12+0000 [tracd_cluster.auth.gate#info] Login from {INNOCENT} for user 'y'",
    f"{GATE} Login failed from unix for user 'y': wrong password",
    f"{GATE} Login failed from localhost for user 'y': no such user",
)


def test_lines_that_do_not_count(tmp_path: Path) -> None:
    """The message counts at the beginning of a line only, and with nothing but an address in it."""
    others = [line.replace(INNOCENT, f"10.9.9.{number}") for number, line in enumerate(OTHERS, 100)]
    assert [] == banned("\n".join([*others, ""]), tmp_path)
    # The same lines between those that count: none of them changes what follows.
    assert [INNOCENT] * len(others) == banned("".join(f"{line}\n{STAMPED}\n" for line in others), tmp_path)


def test_address_of_one_link(tmp_path: Path) -> None:
    """An address with a zone is found without it."""
    assert ["fe80::1"] == banned(f"{STAMPED.replace(INNOCENT, 'fe80::1%eth0')}\n", tmp_path)


@pytest.mark.needs("fail2ban-client", "/etc/fail2ban/jail.conf")
def test_jail(tmp_path: Path) -> None:
    """fail2ban takes the jail, with its filter."""
    system = Path("/etc/fail2ban")
    folder = tmp_path / "fail2ban"
    shutil.copytree(system, folder)
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    done = subprocess.run(
        ["fail2ban-client", "-c", str(folder), "--dp"], capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr
    mine = [line for line in done.stdout.splitlines() if "'tracd-cluster'" in line]
    for told in ("'start'", "'maxretry', 10", "Login refused from <ADDR>", "'addjournalmatch'"):
        assert any(told in line for line in mine), told
