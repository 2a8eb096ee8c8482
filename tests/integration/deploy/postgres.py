"""A real PostgreSQL in a folder, on a port of its own, for one test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ProcessTree, free_port, wait_until

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
"""Where Debian has the programs of its versions."""

NOBODY = "65534"
# It refuses to run as root, and wants its user to have a name: so it runs as nobody, who is us outside.
AS_NOBODY = [
    "bwrap",
    "--bind",
    "/",
    "/",
    "--dev-bind",
    "/dev",
    "/dev",
    "--unshare-user",
    "--uid",
    NOBODY,
    "--gid",
    NOBODY,
]
QUICK = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]


class Postgres:
    """A server with one user and one database, both called ``trac``, and a password for them."""

    def __init__(self, folder: Path, password_file: Path) -> None:
        self.port = free_port()
        self._bin, data = PLACES[-1], folder / "database"
        argv = [
            "initdb",
            "-D",
            str(data),
            "-U",
            "trac",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "-N",
            "-E",
            "UTF8",
        ]
        subprocess.run(self._program(argv), check=True, capture_output=True, timeout=60)
        argv = ["postgres", "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1", "-k", "", *QUICK]
        self.tree = ProcessTree(self._program(argv), folder / "postgres.log")
        self._password = password_file.read_text().splitlines()[0]

    def _program(self, argv: list[str]) -> list[str]:
        return [*AS_NOBODY, str(self._bin / argv[0]), *argv[1:]]

    def query(self, text: str, database: str = "trac") -> str:
        """Ask one thing, and give what comes back."""
        argv = [
            str(self._bin / "psql"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "trac",
            "-d",
            database,
            "-Atc",
            text,
        ]
        done = subprocess.run(
            argv, env={"PGPASSWORD": self._password}, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    def wait_until_serving(self) -> None:
        """Wait until it takes connections, and make the database."""

        def ready() -> bool:
            assert self.tree.process.poll() is None, self.tree.output.read_text()
            argv = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            return subprocess.run(argv, timeout=30, check=False).returncode == 0

        wait_until(ready, 30, "PostgreSQL")
        self.query("CREATE DATABASE trac", database="postgres")


@contextmanager
def running_postgres(folder: Path, password_file: Path) -> Iterator[Postgres]:
    """Run a server that is ended whatever happens."""
    server = Postgres(folder, password_file)
    try:
        server.wait_until_serving()
        yield server
    finally:
        server.tree.kill()
