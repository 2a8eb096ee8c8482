"""People come first, against real Trac: they overtake strangers who wait, and these are refused for their sake."""

from __future__ import annotations

import http.client
import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests

from tests.integration.admin.visitor import Visitor
from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import StartCluster
from tests.integration.dropin.accounts import htpasswd, who
from tests.integration.gate import Gate
from tests.processes import wait_until

PASSWORD = "lighthouse"
PLUGIN = '''
import os
from tests.integration.gate import go_through
from trac.core import Component, implements
from trac.web.api import IRequestHandler

class Turnstile(Component):
    """Writes down who comes, and holds up whoever finds it closed."""
    implements(IRequestHandler)

    def match_request(self, req):
        return req.path_info.startswith("/turnstile/")

    def process_request(self, req):
        if req.path_info == "/turnstile/closed":
            go_through(os.path.join(self.env.path, "gate"))
        with open(os.path.join(self.env.path, "came"), "a") as file:
            file.write(req.path_info[11:] + "\\n")
        req.send(req.authname.encode(), "text/plain")
'''
LOGOUT_TOKEN = re.compile(r'<form[^>]*id="logout".*?__FORM_TOKEN[^>]*value="(\w+)"', re.DOTALL)


class Site:
    """A service with one worker, which can be held up."""

    def __init__(self, env: Path, folder: Path, start: StartCluster, *options: str) -> None:
        (env / "plugins" / "turnstile.py").write_text(PLUGIN)
        self.env = env
        users = htpasswd(folder / "users.htpasswd", {"admin": PASSWORD})
        socket = folder / "admin.sock"
        self.cluster: ClusterProcess = start(
            "--workers",
            "1",
            "--basic-auth",
            f"*,{users},harbour",
            "--admin",
            f"unix:{socket}",
            "-s",
            str(env),
            *options,
        )
        self.operator = Visitor(socket)
        self.statuses: list[tuple[str, int]] = []
        """What each who came was told, in the order of the answers."""
        self._numbers = itertools.count()

    def get(self, name: str, **fields: str) -> str:
        """Come through, and say who came, in Trac's words."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.cluster.port, timeout=30)) as connection:
            headers = {field.replace("_", "-"): value for field, value in fields.items()}
            # Each time another address: strangers are given pages that are kept.
            connection.request("GET", f"/turnstile/{name}?{next(self._numbers)}", headers=headers)
            answer = connection.getresponse()
            self.statuses.append((name, answer.status))
            return answer.read().decode()

    @contextmanager
    def closed(self) -> Iterator[list[str]]:
        """Hold the worker up for as long as others come and wait; then give the order in which they came through."""
        (self.env / "came").unlink(missing_ok=True)
        came: list[str] = []
        self._threads: list[threading.Thread] = []
        with Gate(self.env / "gate") as gate:
            self.begin("closed", Cookie="trac_session=0123456789abcdef01234567")
            try:
                gate.wait_for(1)
                yield came
            finally:
                gate.open()
                for thread in self._threads:
                    thread.join()
        came += (self.env / "came").read_text().split()[1:]

    def wait(self, name: str, **fields: str) -> None:
        """Come, and wait in line."""
        before = self.operator.status()["line"]["waiting"]
        self.begin(name, **fields)
        wait_until(lambda: self.operator.status()["line"]["waiting"] == before + 1, 20, f"{name} in line")

    def begin(self, name: str, **fields: str) -> None:
        """Come, and wait or not."""
        self._threads.append(threading.Thread(target=self.get, args=(name,), kwargs=fields))
        self._threads[-1].start()


@pytest.fixture(scope="module")
def site(module_env: Path, tmp_path_factory: pytest.TempPathFactory, start_module_cluster: StartCluster) -> Site:
    """A service that the tests of this module share."""
    return Site(module_env, tmp_path_factory.mktemp("site"), start_module_cluster)


def test_each_class_has_its_place_in_line(site: Site) -> None:
    """Whoever came first: visitors before strangers, strangers before robots, and each gets its share."""
    with site.closed() as came:
        for number in range(3):
            site.wait(f"robot{number}", User_Agent="ExampleBot/1.0 (+https://example.org/bot)")
        for number in range(3):
            site.wait(f"stranger{number}", User_Agent=f"Firefox {number}")
        for number in range(3):
            site.wait(f"visitor{number}", Cookie="trac_session=0123456789abcdef01234567")
    assert {200} == {status for _, status in site.statuses}
    assert ["visitor0", "stranger0", "robot0"] == came[:3]
    assert {"visitor1", "visitor2", "stranger1"} == set(came[3:6])
    assert ["stranger2", "robot1", "robot2"] == came[6:]


def test_who_has_signed_in_overtakes_strangers_until_he_signs_out(site: Site) -> None:
    """Trac knows whose a cookie is, and tells the front, and it forgets that with the logout."""
    url = site.cluster.url
    with requests.Session() as person:
        person.trust_env = False
        person.get(f"{url}/login", auth=("admin", PASSWORD), timeout=30)
        cookie = f"trac_auth={person.cookies['trac_auth']}"
        assert "admin" == site.get("sees", Cookie=cookie)

        def order() -> list[str]:
            with site.closed() as came:
                for number in range(4):
                    site.wait(f"visitor{number}", Cookie=f"trac_session={number:024x}; trac_auth={'0' * 32}")
                for number in range(4):
                    site.wait(f"admin{number}", Cookie=cookie)
            assert 8 == len(came)
            return came

        came = order()
        assert ["admin0", "admin1", "admin2", "admin3"] == [name for name in came[:5] if "admin" in name], came
        page = person.get(f"{url}/about", timeout=30).text
        token = LOGOUT_TOKEN.search(page)
        assert token is not None
        assert "" == who(person.post(f"{url}/logout", {"__FORM_TOKEN": token[1]}, timeout=30).text)
        came = order()
        assert [f"visitor{number}" for number in range(4)] == came[:4], "they came first, and all are alike"
        assert "anonymous" == site.get("sees", Cookie=cookie)


def test_strangers_are_refused_at_once_while_they_wait_too_long_and_people_are_not(
    env: Path, tmp_path: Path, start_cluster: StartCluster
) -> None:
    """The worker is held up all the while, so nobody who is answered has had it."""
    site = Site(env, tmp_path, start_cluster, "--queue-target", "0.4")
    with requests.Session() as person:
        person.trust_env = False
        person.get(f"{site.cluster.url}/login", auth=("admin", PASSWORD), timeout=30)
        cookie = f"trac_auth={person.cookies['trac_auth']}"
    assert "admin" == site.get("sees", Cookie=cookie)
    with site.closed() as came:
        for number in range(3):
            site.wait(f"admin{number}", Cookie=cookie)
        for number in range(3):
            site.begin(f"early{number}")
        wait_until(lambda: {f"early{n}" for n in range(3)} == {n for n, _ in site.statuses[1:]}, 20, "refusals")
        for number in range(20):
            assert "Busy" in site.get(f"late{number}")
        site.wait("admin3", Cookie=cookie)
        assert {503} == {status for _, status in site.statuses[1:]}
        assert 23 == site.operator.metric('tracd_cluster_refused_requests_total{reason="class"}')
        assert 23 == site.operator.metric('tracd_cluster_class_refused_requests_total{class="strangers"}')
        assert 1 == site.operator.metric('tracd_cluster_class_closed{class="strangers"}')
        assert 4 == site.operator.metric('tracd_cluster_class_waiting{class="people"}')
    assert [f"admin{number}" for number in range(4)] == came
    assert {200} == {status for name, status in site.statuses if "admin" in name}
    wait_until(lambda: "anonymous" == site.get("again"), 30, "strangers let in again")
