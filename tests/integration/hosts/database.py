"""A real PostgreSQL in a temporary folder, on loopback or on a host of a network."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from tests.integration.place import HERE, Place
from tests.processes import ProcessTree, free_port, wait_until

USER, PASSWORD = "trac", "harbour"
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


def find_program(name: str) -> str | None:
    """Find a program of PostgreSQL; Debian keeps them off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))


def why_impossible() -> str:
    """Say why there can be no database here; empty if there can be one."""
    missing = [name for name in ("postgres", "initdb") if find_program(name) is None]
    return f"{' and '.join(missing)} (postgresql) not installed" if missing else ""


class PostgreSQL:
    """One server with one database; ``settings`` are those of postgresql.conf.

    It forgets to wait for the disk, which only a crash of the machine could show.
    """

    def __init__(self, place: Place = HERE, **settings: str) -> None:
        self.place = place
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tracd-cluster-postgresql-"))
        self._settings = {
            "listen_addresses": place.address, "port": str(self.port), "unix_socket_directories": "",
            "fsync": "off", **settings,
        }  # fmt: skip
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(UNPRIVILEGED)
            self._who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.tree: ProcessTree | None = None

    def __repr__(self) -> str:
        return f"<PostgreSQL at {self.place.address}:{self.port}>"

    def __enter__(self) -> PostgreSQL:
        try:
            self._initialize()
            self.start()
            with self.connection("postgres") as cursor:
                cursor.execute("CREATE DATABASE tidewatch")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.tree is not None:
            self.tree.kill()
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        """What trac.ini says for it."""
        return f"postgres://{USER}:{PASSWORD}@{self.place.address}:{self.port}/tidewatch"

    def _initialize(self) -> None:
        program = find_program("initdb")
        assert program is not None, "initdb is not installed"
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        words = ["-U", USER, f"--pwfile={password_file}", "--auth=scram-sha-256", "-E", "UTF8", "--no-sync"]
        data = self.folder / "data"
        done = subprocess.run(
            [program, *words, str(data)], cwd=self.folder, check=False, timeout=60, capture_output=True, text=True,
            **self._who,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet scram-sha-256\n")

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        program = find_program("postgres")
        assert program is not None, "postgres is not installed"
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        argv = [program, "-D", str(self.folder / "data"), *options]
        with self.place.inside():
            # Its namespace is that of the thread: who has become nobody can enter none.
            self.tree = ProcessTree(argv, self.folder / "log", {}, **self._who)
        wait_until(self._lets_in, 30, f"{self!r}")

    def _lets_in(self) -> bool:
        assert self.tree is not None
        assert self.tree.process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(psycopg2.OperationalError), self.connection("postgres"):
            return True
        return False

    def stop(self) -> None:
        """Stop it as a restart does: who is connected is thrown out."""
        assert self.tree is not None
        self.tree.signal(signal.SIGINT)
        self.tree.wait(30)

    @contextlib.contextmanager
    def connection(self, database: str = "tidewatch") -> Iterator[Any]:
        """Open a cursor whose statements count at once."""
        with self.place.inside():
            connection = psycopg2.connect(
                host=self.place.address, port=self.port, user=USER, password=PASSWORD, dbname=database
            )
        try:
            connection.autocommit = True
            yield connection.cursor()
        finally:
            connection.close()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Give the rows of a query."""
        with self.connection() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def connections(self) -> list[str]:
        """Give the addresses of those who are connected to the site's database, but for the one who asks."""
        rows = self.ask(
            "SELECT host(client_addr) FROM pg_stat_activity "
            "WHERE datname = 'tidewatch' AND pid <> pg_backend_pid()"
        )
        return [str(row[0]) for row in rows]
