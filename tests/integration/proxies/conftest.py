"""Starts what the tests ask for, once for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import trustme

from tests.integration.dropin.accounts import htpasswd, set_option
from tests.integration.dropin.server import OURS, Server
from tests.integration.proxies.arrangements import ARRANGEMENTS, INNER
from tests.integration.proxies.proxies import Files, Place
from tests.integration.proxies.visitor import NAME, Site, Visitor
from tests.needs import require
from tests.processes import ProcessTree, free_port, wait_until

PASSWORD = "harbour"


class Town:
    """All servers of these tests, each started when it is first asked for."""

    def __init__(self, folder: Path, sample: Path) -> None:
        self.folder = folder
        self._sample = sample
        self._inner: dict[str, Server] = {}
        self._sites: dict[str, Site] = {}
        self.proxies: dict[str, ProcessTree] = {}
        self.places: dict[str, Place] = {}
        authority = trustme.CA()
        self.authority = authority.cert_pem.bytes().decode()
        self._authority_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self._authority_file))
        self.files = Files(folder / "chain.pem", folder / "key.pem", folder / "both.pem")
        issued = authority.issue_cert(NAME, "127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.files.key))
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.files.both))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(self.files.chain), append=True)
        everybody = ["admin", *(f"guest{number}" for number in range(len(ARRANGEMENTS)))]
        self.users = htpasswd(folder / "users", dict.fromkeys(everybody, PASSWORD))

    def project(self, name: str, options: Mapping[str, str] | None = None) -> Path:
        """Make an environment, with these options in section [trac]."""
        path = Path(shutil.copytree(self._sample, self.folder / name, ignore=shutil.ignore_patterns("git")))
        for option, value in {"show_full_names": "false", "check_auth_ip": "true", **(options or {})}.items():
            set_option(path, option, value)
        # The sample's logo leads to a place that is there only where it is served at the root.
        ini = path / "conf" / "trac.ini"
        ini.write_text(ini.read_text().replace("link = /wiki\n", "link =\n"))
        return path

    def inner(self, name: str) -> Server:
        """Give one of our servers."""
        if name not in self._inner:
            how = INNER[name]
            folder = name.replace(" ", "-")
            one = self.project(f"{folder}/one", how.trac)
            if how.path:
                self.project(f"{folder}/two")
            envs = ["-e", str(one.parent)] if how.path else ["-s", str(one)]
            tls = ["--protocol", "https", "--certfile", str(self.files.both)] if how.scheme == "https" else []
            login = ["--basic-auth", f"*,{self.users},the harbour"]
            authority = self.authority if how.scheme == "https" else None
            self._inner[name] = Server(self.folder, OURS, *login, *tls, *how.options, *envs, authority=authority)
            if "--proxy-protocol" not in how.options:
                self._inner[name].wait_until_serving(f"{how.path}/")
        return self._inner[name]

    def site(self, name: str) -> Site:
        """Give an arrangement, by what the world sees of it."""
        if name not in self._sites:
            arrangement = ARRANGEMENTS[name]
            require(*arrangement.needs)
            inner = self.inner(arrangement.inner)
            how = INNER[arrangement.inner]
            port = inner.port
            if arrangement.start is not None:
                port = free_port()
                folder = self.folder / f"proxy {name}".replace(" ", "-")
                folder.mkdir()
                self.places[name] = Place(folder, port, free_port(), inner.port, self.files)
                self.proxies[name] = arrangement.start(self.places[name])
            path = f"{how.path}/one" if how.path else ""
            site = Site(arrangement.scheme, port, path, inner.port, str(self._authority_file))
            wait_until(lambda: _serves(site), 30, f"the first page of {name}")
            self._sites[name] = site
        return self._sites[name]

    def log(self, name: str) -> str:
        """Give what our server of an arrangement has said."""
        return self.inner(ARRANGEMENTS[name].inner).stderr

    def close(self) -> None:
        """End everything; ours must end well, and have said nothing of a fault of its own."""
        for proxy in self.proxies.values():
            proxy.kill()
        for server in self._inner.values():
            assert 0 == server.interrupt(), server.stderr
            assert "Traceback" not in server.stderr

    def kill(self) -> None:
        """End everything at once."""
        for tree in (*self.proxies.values(), *(server.tree for server in self._inner.values())):
            tree.kill()


def _serves(site: Site) -> bool:
    with Visitor(site) as visitor, suppress(requests.ConnectionError):
        return visitor.ask("GET", "/about").status_code == 200
    return False


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory, sample_env: Path) -> Iterator[Town]:
    """All servers of these tests."""
    town = Town(tmp_path_factory.mktemp("town"), sample_env)
    try:
        yield town
        town.close()
    finally:
        town.kill()


@pytest.fixture
def site(town: Town, name: str) -> Site:
    """The arrangement that the test's parameter ``name`` means."""
    return town.site(name)
