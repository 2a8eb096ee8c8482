"""``deploy/docker``: checked by those who know the formats, and run as an engine would, against a real PostgreSQL."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.integration.deploy.container import FOLDER, Container, Image, services
from tests.integration.dropin.accounts import htpasswd
from tests.integration.hosts.database import PostgreSQL
from tests.integration.walk import Walk
from tests.processes import ROOT, ProcessTree, free_port, wait_until

BESIDE_PYTHON = Path(sys.executable).parent
USER, USERS_PASSWORD = "keeper", "harbour"
PASSWORD = r"a:b\c'd e"
"""Of the database, with all that somebody might have to escape."""


def checked(*argv: str) -> str:
    """Run a checker of our virtual environment, and give what it has to say."""
    done = subprocess.run(
        [BESIDE_PYTHON / argv[0], *argv[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_containerfile_is_good_practice() -> None:
    """As hadolint understands it; and what it copies is there."""
    assert "" == checked("hadolint", "deploy/docker/Containerfile")
    image = Image(FOLDER / "Containerfile")
    copied = [
        word for name, rest in image.lines if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    ]
    for source in copied:
        assert source.startswith("--") or (ROOT / source).exists(), source
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.one("USER")), "somebody who is not root, by number"


def test_the_compose_file_is_well_formed() -> None:
    """By the schema of the Compose Specification; and all that it names is declared, or there."""
    checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/docker/compose.yaml")
    whole: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for name, service in whole["services"].items():
        assert service["read_only"], name
        assert ["ALL"] == service["cap_drop"], name
        assert set(service["secrets"]) <= set(whole["secrets"]), name
        assert set(service["networks"]) <= set(whole["networks"]), name
        assert set(service.get("depends_on", ())) <= set(whole["services"]), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in whole["volumes"], source
    build = whole["services"]["trac"]["build"]
    context = (FOLDER / build["context"]).resolve()
    assert (context, FOLDER / "Containerfile") == (ROOT, context / build["dockerfile"])
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "/deploy/docker/secrets/" in ignored


@pytest.mark.parametrize("script", ["docker/prepare", "docker/with-password", "certbot/tracd-cluster"])
def test_scripts_are_good_practice(script: str) -> None:
    """As shellcheck understands it."""
    assert "" == checked("shellcheck", f"deploy/{script}")


class Site:
    """What compose.yaml makes: a database, and the two services that belong to it."""

    def __init__(self, folder: Path, database: PostgreSQL, secrets: Path) -> None:
        self.folder, self.database, self.port = folder, database, free_port()
        (folder / "hosts").write_text("127.0.0.1 localhost database\n")
        options = (FOLDER / "tracd-cluster.toml").read_text()
        assert "port = 8000\n" in options
        options = options.replace("port = 8000\n", f'port = {self.port}\nhostname = ["127.0.0.1"]\n')
        (folder / "tracd-cluster.toml").write_text(options)
        self.environments = folder / "environments"
        self.environments.mkdir(mode=0o750)
        self.volumes = {"environments": self.environments, "./tracd-cluster.toml": folder / "tracd-cluster.toml"}
        self.secrets = {path.name: path for path in secrets.iterdir()}

    def container(self, name: str) -> Container:
        """Give one service; the database's port is the one thing that is not as in the file."""
        return Container(
            services()[name], self.folder, self.volumes, self.secrets, self.folder / "hosts",
            {"PGPORT": str(self.database.port)},
        )  # fmt: skip

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the services to its end, or other words in its place."""
        argv = self.container(name).command(*words)
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)

    @contextmanager
    def serving(self) -> Iterator[ProcessTree]:
        """Run the service until somebody stops it."""
        tree = ProcessTree(self.container("trac").command(), self.folder / "output")
        try:
            wait_until(lambda: self.answers(tree), 60, "the first page")
            yield tree
        finally:
            tree.kill()

    def answers(self, tree: ProcessTree) -> bool:
        """Tell whether Trac is there."""
        assert tree.process.poll() is None, tree.output.read_text()
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/about", timeout=30).status_code == 200
        except requests.ConnectionError:
            return False


@pytest.mark.needs("bwrap", "flock")
def test_from_nothing_to_a_site(tmp_path: Path) -> None:
    """The environment is made in PostgreSQL and upgraded, by two at once; it serves, read-only, and keeps secrets."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "database-password").write_text(PASSWORD + "\n")
    htpasswd(secrets / "users", {USER: USERS_PASSWORD}, kind="bcrypt")
    with PostgreSQL(database="trac", password=PASSWORD) as database:
        site = Site(tmp_path, database, secrets)
        both = [ProcessTree(site.container("prepare").command(), tmp_path / f"prepare-{number}") for number in (1, 2)]
        for tree in both:
            assert 0 == tree.wait(120), tree.output.read_text()
        said = sorted(tree.output.read_text() for tree in both)
        assert 1 == sum("Initializing Environment" in text or "Project environment" in text for text in said), said
        assert "log_type = stderr" in (site.environments / "project" / "conf" / "trac.ini").read_text()
        assert 1 == sum("up to date" in text for text in said), said
        assert [(True,)] == database.ask("SELECT count(*) > 0 FROM permission WHERE action = 'TRAC_ADMIN'")
        health = json.loads(Image(FOLDER / "Containerfile").one("HEALTHCHECK").rpartition("CMD ")[2])
        with site.serving() as tree:
            well = site.run("trac", *health)
            assert 0 == well.returncode, well.stderr
            url = f"http://127.0.0.1:{site.port}"
            with database.connection() as cursor:
                cursor.execute("INSERT INTO permission VALUES ('authenticated', 'TRAC_ADMIN')")
            Walk(url).all(USER, USERS_PASSWORD)
            assert [(1,)] == database.ask("SELECT count(*) FROM ticket")
            shown = "\0".join(" ".join([*one.cmdline(), *one.environ().values()]) for one in tree.alive())
            assert PASSWORD not in shown
            tree.process.terminate()
            tree.wait(60)
        for path in site.environments.rglob("*"):
            if path.is_file():
                assert PASSWORD.encode() not in path.read_bytes(), path
        assert PASSWORD not in tree.output.read_text()
