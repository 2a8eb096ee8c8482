"""Several hosts for one site: what signs in at one counts at all, and what becomes of it when one is gone."""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Iterator

import pytest

from tests.integration.cluster import Answer, ClusterProcess
from tests.integration.dropin.accounts import digest, who
from tests.integration.hosts.conftest import PASSWORD, REALM, Site, forget_tickets
from tests.integration.hosts.network import Host
from tests.integration.load import TICKETS, Load, assert_each_once
from tests.integration.proxies.proxies import LOG, adapted
from tests.processes import ProcessTree, free_port, wait_until

pytestmark = pytest.mark.once

PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/query")


@pytest.fixture(scope="module")
def serving(site: Site) -> Iterator[Site]:
    """Make the site served by all three hosts."""
    site.start_all("--auth", f"*,{site.digest},{REALM}")
    yield site
    site.stop()


def challenge_of(answer: Answer) -> str:
    """Give what a Digest client is to answer."""
    assert 401 == answer.status, answer
    return answer.headers["www-authenticate"]


def sign_in(through: ClusterProcess, challenge: str) -> Answer:
    """Sign in with an answer to a challenge, wherever that has come from."""
    return through.get("/login", digest(challenge, "admin", PASSWORD, "/login"))


def cookie_of(answer: Answer) -> dict[str, str]:
    """Give the cookie that Trac has made for a login."""
    found = re.search(r"trac_auth=[^;]+", answer.headers.get("set-cookie", ""))
    assert found, answer
    return {"Cookie": found[0]}


def test_who_signs_in_at_one_host_is_known_at_all(serving: Site) -> None:
    """The cookie is in the database; with one secret a challenge of one host may be answered at any other."""
    one, two, three = (serving.clusters[host] for host in serving.hosts)
    challenge = challenge_of(one.get("/login"))
    signed_in = sign_in(one, challenge)
    assert 302 == signed_in.status
    for cluster in (one, two, three):
        assert "admin" == who(cluster.get("/about", cookie_of(signed_in)).body.decode())
    again = sign_in(one, challenge)
    assert (401, True) == (again.status, "stale=true" in again.headers["www-authenticate"]), "seen on the wire"
    # As docs/limits.md says: another host has not seen it.
    assert 302 == sign_in(two, challenge).status
    assert 401 == sign_in(two, challenge).status
    challenge = challenge_of(two.get("/login"))
    assert 302 == sign_in(three, challenge).status


class OurFront:
    """tracd-cluster before the hosts."""

    bound = 10.0
    """Seconds that nobody may wait longer for: 4 for a host that has gone, and the rest for a busy machine."""
    unknown = frozenset(("status 502",))
    """What the client gets for a request of which nobody knows whether it was done."""

    def __init__(self, site: Site) -> None:
        self.place = site.front_host
        self._front = site.front()
        self.port = self._front.port
        self._site = site

    def lost(self, host: Host) -> None:
        """Wait until it has noticed that a host is gone."""
        self._front.wait_for_log(f"{self._site.clusters[host].url} is out for 0.5 s")

    def found(self, host: Host) -> None:
        """Wait until it uses a host again."""
        url = self._site.clusters[host].url
        wait_until(lambda: self._front.log.count(f"{url} is in use") == 2, 20, f"the use of {url}")

    def stop(self) -> None:
        """End it well."""
        self._front.stop()


class HAProxy:
    """HAProxy before the hosts, with the file of ``deploy/``."""

    bound = 20.0
    """It may try the host that has gone a second time."""
    unknown = frozenset(("status 502", "no answer"))

    def __init__(self, site: Site) -> None:
        self.place = site.front_host
        self.port = free_port()
        self._folder = site.folder / "haproxy"
        self._folder.mkdir()
        one, two, three = (site.clusters[host] for host in site.hosts)
        changes = {
            "bind :80\n": f"bind {self.place.address}:{self.port}\n",
            "    bind :443 ssl crt /etc/haproxy/trac.example.org.pem alpn h2,http/1.1\n": "",
            "    http-request redirect scheme https code 308 unless { ssl_fc }\n": "",
            "set-header X-Forwarded-Proto https": "set-header X-Forwarded-Proto http",
            "10.0.0.11:8000": f"{one.place.address}:{one.port}\n",
            "10.0.0.12:8000": f"{two.place.address}:{two.port}\n",
            "10.0.0.13:8000": f"{three.place.address}:{three.port}\n",
        }
        self._names = dict(zip(site.hosts, ("one", "two", "three"), strict=True))
        config = self._folder / "haproxy.cfg"
        config.write_text(adapted("haproxy/haproxy-hosts.cfg", changes | LOG))
        self._tree = ProcessTree(
            self.place.command("haproxy", "-db", "-f", str(config)),
            self._folder / "output",
            {"PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin"])},
        )
        wait_until(self._listens, 20, "HAProxy's port")

    def _listens(self) -> bool:
        assert self._tree.process.poll() is None, self._said()
        connection = http.client.HTTPConnection(self.place.address, self.port, timeout=10)
        try:
            with self.place.inside():
                connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def _said(self) -> str:
        return self._tree.output.read_text()

    def lost(self, host: Host) -> None:
        """Wait until it has noticed that a host is gone."""
        wait_until(lambda: f"/{self._names[host]} is DOWN" in self._said(), 20, self._said())

    def found(self, host: Host) -> None:
        """Wait until it uses a host again."""
        wait_until(lambda: f"/{self._names[host]} is UP" in self._said(), 20, self._said())

    def stop(self) -> None:
        """End it."""
        self._tree.kill()


@pytest.mark.parametrize(
    "tier", [OurFront, pytest.param(HAProxy, marks=pytest.mark.needs("haproxy"))], ids=["tracd-cluster", "haproxy"]
)
def test_a_host_that_is_cut_off_and_dies_costs_nothing(serving: Site, tier: type[OurFront] | type[HAProxy]) -> None:
    """No page fails, no ticket that was acknowledged is lost or doubled, who has signed in stays so."""
    victim = serving.hosts[1]
    signed_in = sign_in(serving.clusters[victim], challenge_of(serving.clusters[victim].get("/login")))
    front = tier(serving)
    load = Load(front.port, front.place).readers(6, *PAGES).writers(2)
    tally = load.tally
    wait_until(lambda: tally.good > 20 and acknowledged(load) > 10, 30, "some load")
    assert victim.address in serving.postgresql.connections()

    victim.cut_off()
    front.lost(victim)
    victim.power_off()
    good, tickets = tally.good, acknowledged(load)
    wait_until(lambda: tally.good > good + 20 and acknowledged(load) > tickets + 5, 30, "pages of the others")
    assert "admin" == who(page(front, "/about", cookie_of(signed_in)))
    # What the dead host has locked is free again.
    wait_until(lambda: victim.address not in serving.postgresql.connections(), 20, "the end of its connections")

    victim.join_again()
    serving.start(victim, "--auth", f"*,{serving.digest},{REALM}").wait_until_serving()
    front.found(victim)
    good = tally.good
    wait_until(lambda: tally.good > good + 10, 30, "more pages")
    load.stop()
    assert victim.address in serving.postgresql.connections()
    assert [] == tally.failures
    assert tally.slowest < front.bound
    # What had been sent to the host when it went may be done or not, and its client knows that nobody knows.
    assert {came for came in tally.tickets.values() if "/ticket/" not in came} <= front.unknown
    assert assert_each_once(serving.postgresql.ask(TICKETS), tally) > 15
    forget_tickets(serving.postgresql)
    front.stop()


def acknowledged(load: Load) -> int:
    """Count the tickets that clients know to be made."""
    return sum("/ticket/" in came for came in list(load.tally.tickets.values()))


def page(front: OurFront | HAProxy, path: str, headers: dict[str, str]) -> str:
    """Get a page through what stands before the hosts."""
    connection = http.client.HTTPConnection(front.place.address, front.port, timeout=30)
    try:
        with front.place.inside():
            connection.connect()
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
