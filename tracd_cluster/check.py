"""``--check``: tries all that a start would do, without serving, and says everything that is wrong at once.

A problem keeps something from being served, and makes the status 1; a hint does not.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import time
from typing import Any

from twisted.internet.protocol import Factory

from tracd_cluster.admin.password import read_password
from tracd_cluster.auth import password_file
from tracd_cluster.auth.passwords import parse_htdigest, parse_htpasswd
from tracd_cluster.auth.secret import read_secret
from tracd_cluster.balancer import Balancer
from tracd_cluster.errors import StartError
from tracd_cluster.front.budget import available, complaint
from tracd_cluster.front.keyring import problems
from tracd_cluster.front.listener import Front
from tracd_cluster.front.tls import Contexts
from tracd_cluster.privileges import identity_of
from tracd_cluster.servers.look import look
from tracd_cluster.servers.resolvers import make_resolver
from tracd_cluster.settings.auth import AuthEntry
from tracd_cluster.settings.whole import Settings

INSPECTION = (sys.executable, "-m", "tracd_cluster.tracd.inspection")
INSPECTION_TIMEOUT = 300.0

Finding = tuple[str, str]


def check(settings: Settings, reactor: Any, say: Callable[[str], Any] = print) -> int:
    """Say what is wrong, one line each, and give the exit status."""
    findings = [("hint", warning) for warning in settings.warnings]
    for check_one in (check_environments, check_passwords, check_certificates, check_process, check_command):
        findings += check_one(settings)
    findings += check_ports(settings, reactor)
    if settings.foreign.upstreams:
        findings += check_upstreams(settings, reactor)
    for kind, text in sorted(findings, key=lambda finding: finding[0] != "problem"):
        say(f"{kind}: {text}")
    problems = sum(kind == "problem" for kind, _ in findings)
    say(f"{problems} problem{'s' * (problems != 1)}" if problems else "ok")
    return 1 if problems else 0


def check_environments(settings: Settings) -> Iterator[Finding]:
    """Open all environments, in a process and as the user that workers will have."""
    process, projects = settings.process, settings.pool.projects
    if not projects.env_paths and not projects.env_parent_dir:
        return
    files = [entry.file for entry in settings.auth.entries]
    question = json.dumps({
        "projects": dataclasses.asdict(projects), "files": files,
        "workers": settings.pool.most_workers, "threads": settings.pool.threads,
    })  # fmt: skip
    identity: dict[str, Any] = {}
    if process.user is not None or process.group is not None:
        if os.geteuid() != 0:
            yield "problem", "--user and --group: only root can become somebody else"
            return
        who = identity_of(process.user, process.group)
        identity = {
            "user": who.user, "group": who.group, "extra_groups": who.groups,
            "env": {**os.environ, **dict(who.variables)},
        }  # fmt: skip
    try:
        done = subprocess.run(
            INSPECTION, input=question, capture_output=True, text=True, timeout=INSPECTION_TIMEOUT, check=False,
            **identity,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        yield "problem", f"the environments cannot be looked at: {error}"
        return
    for line in done.stdout.splitlines():
        yield from json.loads(line).items()
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        yield "problem", f"the environments cannot be looked at: {last}"


def check_passwords(settings: Settings) -> Iterator[Finding]:
    """Read every password file, and the secret."""
    for entry in settings.auth.entries:
        yield from _check_file(entry)
    if settings.admin.password_file is not None:
        try:
            read_password(settings.admin.password_file)
        except StartError as error:
            yield "problem", str(error)
    if settings.auth.secret_file is not None:
        try:
            read_secret(settings.auth.secret_file)
        except StartError as error:
            yield "problem", str(error)


def _check_file(entry: AuthEntry) -> Iterator[Finding]:
    try:
        _, data = password_file.read(entry.file)
    except (OSError, password_file.Unusable) as error:
        yield "problem", f"cannot read password file {entry.file}: {password_file.reason_of(error)}"
        return
    found = parse_htdigest(data, entry.realm) if entry.kind == "digest" else parse_htpasswd(data)
    for fault in found.faults:
        yield "hint", f"{entry.file}: {fault}"
    if not found.users:
        where = f" of realm {entry.realm!r}" if entry.kind == "digest" else ""
        yield "problem", f"nobody can log in to project {entry.project}: {entry.file} has no user{where}"


def check_certificates(settings: Settings) -> Iterator[Finding]:
    """See whether all certificates and keys fit, and for how long; the demo's own is not made for that."""
    tls = settings.front.tls
    if tls is None:
        return
    now = time()
    if tls.demo is not None:
        tls = replace(tls, demo=None)
        if tls.folder is None:
            return
    contexts = Contexts(tls)
    try:
        for fault in contexts.read(now):
            yield "problem", fault
    except StartError as error:
        yield "problem", str(error)
        return
    for already, text in problems(contexts.keyring.certificates, now):
        yield "problem" if already else "hint", text


def check_process(settings: Settings) -> Iterator[Finding]:
    """See what the operating system lets us have."""
    if words := complaint(settings, available()):
        yield "hint", words
    pidfile = settings.process.pidfile
    if pidfile and not os.access(os.path.dirname(pidfile), os.W_OK):
        yield "problem", f"--pidfile {pidfile} cannot be written"


def check_ports(settings: Settings, reactor: Any) -> Iterator[Finding]:
    """Open each port, and close it again."""
    front = Front(settings.front, 0.0, Balancer(0), reactor)
    for description in (*settings.front.endpoints, *settings.front.secure_endpoints):
        try:
            front.open_port(description, Factory())
        except StartError as error:
            yield "problem", str(error)
    for address in settings.admin.addresses:
        try:
            front.open_port(address.endpoint, Factory())
        except StartError as error:
            yield "problem", f"--admin {address}: {error}"
    for port in front.ports:
        port.stopListening()


def check_command(settings: Settings) -> Iterator[Finding]:
    """See whether the command of the workers is there."""
    command = settings.pool.command
    if command is None:
        return
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable)))
    if shutil.which(command.words[0], path=folders) is None:
        yield "problem", f"--worker-command: {command.words[0]} is no program that can be run"


def check_upstreams(settings: Settings, reactor: Any) -> list[Finding]:
    """Ask every server once; the reactor runs for as long as that takes."""
    findings: list[Finding] = []
    resolver = make_resolver(settings.foreign.resolver, reactor)

    def begin() -> None:
        asked = look(settings.foreign, resolver, reactor)
        asked.addCallback(findings.extend)
        asked.addErrback(lambda failure: findings.append(("problem", f"--upstream cannot be asked: {failure.value}")))
        asked.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run(installSignalHandlers=False)
    return findings
