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
from urllib.parse import quote

import psycopg2

from tests.integration.place import HERE, Place
from tests.needs import find_program, require
from tests.processes import ProcessTree, free_port, wait_until

USER = "trac"
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


class PostgreSQL:
    """One server with one database, for the one user ``trac``; ``settings`` are those of postgresql.conf.

    It forgets to wait for the disk, which only a crash of the machine could show.
    """

    def __init__(
        self, place: Place = HERE, *, database: str = "tidewatch", password: str = "harbour", **settings: str
    ) -> None:
        require("initdb", "postgres")
        self.place = place
        self._database, self._password = database, password
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
                cursor.execute(f"CREATE DATABASE {self._database}")
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
        return f"postgres://{USER}:{quote(self._password)}@{self.place.address}:{self.port}/{self._database}"

    def _initialize(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        password_file.chmod(0o644)
        words = ["-U", USER, f"--pwfile={password_file}", "--auth=scram-sha-256", "-E", "UTF8", "--no-sync"]
        data = self.folder / "data"
        done = subprocess.run(
            [_program("initdb"), *words, str(data)], cwd=self.folder, check=False, timeout=60, capture_output=True,
            text=True, **self._who,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet scram-sha-256\n")

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        argv = [_program("postgres"), "-D", str(self.folder / "data"), *options]
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
    def connection(self, database: str = "") -> Iterator[Any]:
        """Open a cursor whose statements count at once, in its own database or another one."""
        with self.place.inside():
            connection = psycopg2.connect(
                host=self.place.address, port=self.port, user=USER, password=self._password,
                dbname=database or self._database,
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
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [str(row[0]) for row in rows]


def _program(name: str) -> str:
    found = find_program(name)
    assert found is not None
    return found
