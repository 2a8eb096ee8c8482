"""``python -m tracd_cluster.tracd.inspection``: opens the environments as workers would, and says what is wrong.

In on standard input, as JSON: the projects, the files that workers' user should be able to read, and how many workers
and threads of each there will be. Out: one JSON object per line, ``{"problem": ...}`` for what keeps something from
being served, ``{"hint": ...}`` for the rest.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.environments import (
    CannotServe,
    close_connections,
    explain,
    find_projects,
    import_trac,
    open_project,
    opened,
    trac_paths,
)

NETWORK_FILE_SYSTEMS = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4",
    "ocfs2", "smb3", "smbfs",
))  # fmt: skip
"""Where SQLite's locks cannot be trusted (sqlite.org/lockingv3.html, section 6.0)."""

ROOM = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
"""
"""How many connections PostgreSQL gives to those who are no superusers."""

Finding = tuple[str, str]
"""``problem`` or ``hint``, and one plain sentence."""


def inspect(projects: ProjectSettings, files: list[str], workers: int, threads: int) -> Iterator[Finding]:
    """Give what is wrong with environments, and which of ``files`` cannot be read."""
    for path in files:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError as error:
            yield "hint", f"changes of {path} will not be noticed: {explain(error)}"
    try:
        import_trac()
        found, faults = find_projects(trac_paths(projects))
    except CannotServe as fault:
        yield "problem", fault.error
        return
    for text in faults:
        yield "problem", text
    for project in found:
        try:
            for left_out in open_project(project):
                yield "hint", str(left_out)
        except CannotServe as fault:
            yield "problem", fault.error
    if not found and not faults:
        yield "hint", f"there is no environment in {projects.env_parent_dir} yet"
    for env in opened():
        yield from database_hints(env)
    yield from connection_hints(opened(), workers, threads)
    close_connections()


def database_hints(env: Any) -> Iterator[Finding]:
    """Say what about an SQLite database will hurt under load."""
    from trac.db.api import DatabaseManager, parse_connection_uri

    scheme, arguments = parse_connection_uri(DatabaseManager(env).connection_uri)
    if scheme != "sqlite":
        return
    path = os.path.join(env.path, arguments["path"].lstrip("/"))
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        yield "hint", f"{path} is on a network file system ({kind}), where SQLite's locks cannot be trusted"
    elif not in_wal_mode(path):
        yield "hint", (
            f"{path} is not in WAL mode, so whoever reads waits for whoever writes; "
            f"sqlite3 '{path}' 'PRAGMA journal_mode=WAL' changes that for good"
        )


def connection_hints(envs: list[Any], workers: int, threads: int) -> Iterator[Finding]:
    """Say which servers of PostgreSQL have no room for the connections that all workers may hold."""
    from trac.db.api import DatabaseManager, parse_connection_uri

    there: dict[str, list[Any]] = {}
    for env in envs:
        scheme, arguments = parse_connection_uri(DatabaseManager(env).connection_uri)
        if scheme == "postgres":
            host = arguments.get("params", {}).get("host") or arguments.get("host") or "this host"
            there.setdefault(f"{host}:{arguments.get('port') or 5432}", []).append(env)
    for name, its_envs in there.items():
        with suppress(Exception):
            ((room,),) = its_envs[0].db_query(ROOM)
            needed = most_connections(workers, threads, len(its_envs), int(os.environ.get("TRAC_DB_POOL_SIZE", 10)))
            if needed > room:
                yield "hint", (
                    f"{workers} workers may hold {needed} connections to PostgreSQL at {name}, which has room for "
                    f"{room}, those of other hosts included: raise its max_connections, or set TRAC_DB_POOL_SIZE"
                )


def most_connections(workers: int, threads: int, envs: int, pool: int) -> int:
    """Say how many connections all workers may hold at once.

    Trac's pool keeps one for each environment that a thread has served, up to its size, and closes what has not been
    used for two minutes.
    """
    return workers * min(pool, threads * envs)


def in_wal_mode(path: str) -> bool:
    """Tell whether readers of an SQLite database go on while it is written (sqlite.org/fileformat2.html, 1.3.3)."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read(20)[18:20] == b"\x02\x02"
    return True


def file_system_of(path: str) -> str:
    """Name the type of the file system that a path is on; empty where that cannot be told (proc(5), mountinfo)."""
    best, kind = "", ""
    real = os.path.realpath(path)
    with suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, place, type_, *_ = line.split(" ")
            inside = real == place or real.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, kind = place, type_
    return kind


def main() -> int:
    """Read the question, write the findings."""
    asked = json.load(sys.stdin)
    projects = asked["projects"]
    projects["env_paths"] = tuple(projects["env_paths"])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Trac and its plugins print is no answer of ours
    for kind, text in inspect(ProjectSettings(**projects), asked["files"], asked["workers"], asked["threads"]):
        answers.write(json.dumps({kind: text}) + "\n")
    answers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
