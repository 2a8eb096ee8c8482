"""A site that several hosts serve, made once for all tests of a module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.dropin.accounts import htdigest, set_option
from tests.integration.hosts.database import PostgreSQL
from tests.integration.hosts.network import Host, Network, require_networks
from tests.processes import ROOT, wait_until

REALM = "the harbour"
PASSWORD = "harbour"
GONE = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "4000",
}
"""How soon PostgreSQL lets go of what a host has locked that is gone, as docs/many-hosts.md has it."""


def make_environment_on(postgresql: PostgreSQL, path: Path) -> Path:
    """Make a sample environment whose database is this one."""
    options = ["--open", "--database", postgresql.url, "--tickets", "20", "--pages", "10", "--commits", "6"]
    with postgresql.place.inside():
        subprocess.run(
            [sys.executable, "-m", "sample.environment", str(path), *options], cwd=ROOT, check=True, timeout=60
        )
    return path


def forget_tickets(postgresql: PostgreSQL) -> None:
    """Take away the tickets of a load, whose names the next one uses again."""
    with postgresql.connection() as cursor:
        cursor.execute("DELETE FROM ticket WHERE summary LIKE 'load %'")


class Site:
    """An environment, its database, and the hosts; ``folder`` is the volume that they share."""

    def __init__(self, folder: Path, network: Network, postgresql: PostgreSQL) -> None:
        self.folder = folder
        self.network = network
        self.postgresql = postgresql
        self.hosts = [network.host(name) for name in ("one", "two", "three")]
        self.front_host = network.host("front")
        self.env = make_environment_on(postgresql, folder / "tidewatch")
        set_option(self.env, "show_full_names", "false")
        self.digest = htdigest(folder / "users.htdigest", REALM, {"admin": PASSWORD})
        self.secret = folder / "secret"
        self.clusters: dict[Host, ClusterProcess] = {}
        self._fronts: list[ClusterProcess] = []

    def start(self, host: Host, *options: str) -> ClusterProcess:
        """Start a tracd-cluster on a host, at the port that it has had there before."""
        before = self.clusters.get(host)
        if before is not None:
            before.kill()
        self.clusters[host] = ClusterProcess(
            self.folder,
            *self._arguments(options),
            program="tracd-cluster",
            place=host,
            port=before.port if before is not None else None,
        )
        return self.clusters[host]

    def _arguments(self, options: tuple[str, ...]) -> list[str]:
        trust = ["--trusted-proxy", self.front_host.address]
        return ["--workers", "2", "--secret-file", str(self.secret), *trust, *options, "-s", str(self.env)]

    def start_all(self, *options: str) -> None:
        """Start one on each host, and wait until all serve."""
        for host in self.hosts:
            self.start(host, *options)
        for cluster in self.clusters.values():
            cluster.wait_until_serving()

    def front(self, *options: str) -> ClusterProcess:
        """Start a tracd-cluster before all of them, and wait until it uses all of them."""
        where = [word for cluster in self.clusters.values() for word in ("--upstream", cluster.url)]
        front = ClusterProcess(
            self.folder, "-s", *where, *options, program="tracd-cluster", place=self.front_host
        )
        self._fronts.append(front)
        wait_until(lambda: front.log.count("is in use") == len(self.clusters), 20, f"all servers of {front!r}")
        return front

    def stop(self) -> None:
        """Stop all that still run; each must end well."""
        running = [one for one in (*self._fronts, *self.clusters.values()) if one.tree.process.poll() is None]
        self._fronts.clear()
        self.clusters.clear()
        for one in running:
            one.stop()

    def kill(self) -> None:
        """End everything at once."""
        for one in (*self._fronts, *self.clusters.values()):
            one.kill()


@pytest.fixture(scope="module")
def several_hosts() -> Iterator[Network]:
    """A network without hosts."""
    require_networks()
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def site(several_hosts: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A database, an environment on it, three hosts and one before them; nothing serves yet."""
    with PostgreSQL(several_hosts.host("database"), **GONE) as postgresql:
        made = Site(tmp_path_factory.mktemp("volume"), several_hosts, postgresql)
        try:
            yield made
        finally:
            made.kill()
