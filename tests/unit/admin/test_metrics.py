"""What Prometheus reads."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from tests.processes import ROOT
from tests.unit.admin.ended import ended
from tests.unit.admin.service import Servers, Service, slow_route
from tests.unit.workers.pool import Request
from tracd_cluster.admin.metrics import Metrics, ServiceCollector
from tracd_cluster.errors import LineFull, TooBusy, TooMany
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.traffic.place import PEOPLE, ROBOTS

AGREED = set(re.findall(r"(?m)^\| `(tracd_cluster_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
"""What dashboards and alerts are made of."""


def samples(service: Service) -> dict[str, float]:
    """Give all samples by their names with labels."""
    collector = ServiceCollector(service, service.counts, service.lag, service.memory, "1.2.3")
    kind, text = Metrics(collector).text("")
    assert kind.startswith("text/plain; version=")
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def encrypted() -> Any:
    """Stand for certificates: the same name twice, as with two kinds of keys."""

    def certificate(ends: float, *names: str) -> Any:
        return SimpleNamespace(names=names, not_after=ends, pair=SimpleNamespace(certificate="/c.pem"))

    certificates = (certificate(2000.0, "a.example", "b.example"), certificate(1000.0, "a.example"), certificate(5.0))
    return SimpleNamespace(
        handshakes={"ok": 3, "failed": 1}, keyring=SimpleNamespace(certificates=certificates), asks_clients=False
    )


def test_every_name_that_was_agreed_is_there() -> None:
    """Dashboards count on them."""
    service = Service()
    service.front.contexts = encrypted()
    slow_route(service)
    found = {name.partition("{")[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
             for name in samples(service)}  # fmt: skip
    assert len(AGREED) > 15
    assert set() == AGREED - found
    assert 'tracd_cluster_info{version="1.2.3"}' in samples(service)


def test_requests_are_as_they_were_counted() -> None:
    """By class of status and kind; histograms by kind."""
    service = Service()
    service.counts.tell(ended(b"/report/1", 200, sent=100, received=7, line_seconds=0.3, worker_seconds=0.2))
    service.counts.tell(ended(b"/chrome/a.css", 304, worker_seconds=0.0009))
    service.front.refused["line_full"] += 2
    service.front.spool.take(5, 5)
    slow_route(service)
    found = samples(service)
    assert 1 == found['tracd_cluster_requests_total{kind="page",status="2xx"}']
    assert 1 == found['tracd_cluster_requests_total{kind="static",status="3xx"}']
    assert 0 == found['tracd_cluster_requests_total{kind="login",status="5xx"}']
    assert 'tracd_cluster_requests_total{kind="page",status="1xx"}' not in found
    assert (100, 7) == (found["tracd_cluster_sent_bytes_total"], found["tracd_cluster_received_bytes_total"])
    assert (1, 2) == tuple(found[f'tracd_cluster_line_seconds_bucket{{le="{le}"}}'] for le in ("0.25", "+Inf"))
    assert 1 == found['tracd_cluster_worker_seconds_bucket{kind="static",le="0.001"}']
    assert (1, 0.2) == tuple(found[f'tracd_cluster_worker_seconds_{what}{{kind="page"}}'] for what in ("count", "sum"))
    assert 2 == found['tracd_cluster_refused_requests_total{reason="line_full"}']
    assert 0 == found['tracd_cluster_refused_requests_total{reason="rate"}']
    assert 0 == found['tracd_cluster_refused_requests_total{reason="no_room"}']
    assert 5 == found["tracd_cluster_spooled_bytes"]
    assert 2 <= found['tracd_cluster_learned_slow_seconds{route="/gantt"}'] <= 3


def test_classes() -> None:
    """Who waits, who was served or refused, and who is refused at the moment."""
    service = Service()
    for _ in range(3):
        service.balancer.claim(Request())
    service.counts.tell(ended(place=PEOPLE, line_seconds=0.02))
    service.counts.tell(ended(place=ROBOTS, worker="", status=503))
    service.balancer.shedding.floor = 3
    found = samples(service)
    assert (0, 1) == tuple(found[f'tracd_cluster_class_waiting{{class="{name}"}}'] for name in ("people", "strangers"))
    assert (1, 0.02) == tuple(
        found[f'tracd_cluster_class_line_seconds_{what}{{class="people"}}'] for what in ("count", "sum")
    )
    refused = 'tracd_cluster_class_refused_requests_total{class="%s"}'
    assert (0, 1) == (found[refused % "strangers"], found[refused % "robots"])
    closed = {name.split('"')[1] for name, value in found.items() if "class_closed" in name and value}
    assert {"robots", "slow strangers", "slow robots"} == closed


def test_a_refusal_is_counted_under_its_reason() -> None:
    """Errors say themselves as what they count."""
    assert "line_full" == LineFull("full").refused_for
    assert "class" == TooBusy("busy").refused_for
    assert {"at_once", "rate"} == {TooMany(at_once, 1.0).refused_for for at_once in (True, False)}


def test_workers() -> None:
    """By life; those that are at work; why they ended; their memory."""
    service = Service()
    service.work("/wiki")
    service.paper.supervisor.scale(3)
    found = samples(service)
    expected = {"starting": 1, "ready": 2, "draining": 0, "stopping": 0}
    assert expected == {life: found[f'tracd_cluster_workers{{life="{life}"}}'] for life in expected}
    assert (1, 3) == (found["tracd_cluster_workers_busy"], found["tracd_cluster_workers_wanted"])
    assert 1 << 20 == found['tracd_cluster_worker_memory_bytes{worker="1"}']
    assert 'tracd_cluster_worker_memory_bytes{worker="2"}' not in found
    assert 1 == found['tracd_cluster_generations_total{result="taken"}']
    service.paper.end(2)
    service.paper.supervisor.scale(1)
    service.paper.end(3, 0)
    found = samples(service)
    assert 1 == found['tracd_cluster_restarts_total{reason="crash"}']
    assert 1 == found['tracd_cluster_restarts_total{reason="scaled"}']
    assert 0 == found['tracd_cluster_restarts_total{reason="generation"}']


def test_the_line_and_the_front() -> None:
    """Who waits, who has signed in, what is encrypted."""
    service = Service()
    for _ in range(3):
        service.balancer.claim(Request())
    service.front.gate = SimpleNamespace(logins={"ok": 5, "failed": 2})  # type: ignore[assignment]
    service.front.contexts = encrypted()
    found = samples(service)
    assert (1, 0) == (found["tracd_cluster_waiting"], found["tracd_cluster_connections"])
    assert (5, 2) == tuple(found[f'tracd_cluster_logins_total{{result="{result}"}}'] for result in ("ok", "failed"))
    assert 3 == found['tracd_cluster_tls_handshakes_total{result="ok"}']
    expiry = "tracd_cluster_certificate_expiry_timestamp_seconds"
    assert {"a.example": 1000.0, "b.example": 2000.0, "/c.pem": 5.0} == {
        name.split('"')[1]: value for name, value in found.items() if name.startswith(expiry)
    }


def test_servers_elsewhere() -> None:
    """There are no workers to tell of."""
    found = samples(Service(Elsewhere(Servers())))
    assert (1, 0) == tuple(found[f'tracd_cluster_server_used{{server="http://{name}"}}'] for name in "ab")
    assert 3 == found['tracd_cluster_server_in_flight{server="http://a"}']
    assert not [name for name in found if name.startswith("tracd_cluster_worker")
                and not name.startswith("tracd_cluster_worker_seconds")]  # fmt: skip
