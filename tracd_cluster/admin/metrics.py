"""The numbers of the service as Prometheus reads them: made when it asks, of what is counted and known anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tracd_cluster.admin.counts import Counts
from tracd_cluster.admin.lag import Lag
from tracd_cluster.admin.memory import Memory
from tracd_cluster.balancer import Balancer
from tracd_cluster.front.listener import Front
from tracd_cluster.operating.elsewhere import Elsewhere
from tracd_cluster.traffic.place import Level
from tracd_cluster.traffic.shedding import RANKS
from tracd_cluster.workers.supervisor import Supervisor
from tracd_cluster.workers.worker import Life

PREFIX = "tracd_cluster_"
LIVES = (Life.STARTING, Life.READY, Life.DRAINING, Life.STOPPING)
REFUSALS = ("line_full", "line_timeout", "at_once", "rate", "class", "kind", "nobody", "no_room")


class Watched(Protocol):
    """The service, as far as it is looked at."""

    front: Front
    balancer: Balancer
    pool: Supervisor | Elsewhere


class ServiceCollector(Collector):
    """Makes Prometheus's families of what it finds."""

    def __init__(self, service: Watched, counts: Counts, lag: Lag, memory: Memory, version: str) -> None:
        self._service = service
        self._counts = counts
        self._lag = lag
        self._memory = memory
        self._version = version

    def describe(self) -> Iterator[Metric]:
        """Say nothing of what there will be: nobody else has metrics of these names."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Give everything."""
        yield InfoMetricFamily("tracd_cluster", "The version that runs.", value={"version": self._version})
        yield from self._requests()
        yield from self._front()
        yield from self._encryption()
        pool = self._service.pool
        yield from self._workers(pool) if isinstance(pool, Supervisor) else self._servers(pool)

    def _requests(self) -> Iterator[Metric]:
        counts = self._counts
        yield _counted(
            "requests", "Requests that have ended, by class of status and by kind.", ("status", "kind"),
            {
                (f"{digit}xx", kind): count
                for (kind, digit), count in counts.requests.items()
                if 2 <= digit <= 5 or count
            },
        )  # fmt: skip
        line = HistogramMetricFamily(f"{PREFIX}line_seconds", "Time that requests waited in line for their worker.")
        line.add_metric([], counts.line.cumulative(), counts.line.total)
        yield line
        worker = HistogramMetricFamily(
            f"{PREFIX}worker_seconds", "Time that workers took for requests, by kind.", labels=["kind"]
        )
        for kind, histogram in counts.worker.items():
            worker.add_metric([kind], histogram.cumulative(), histogram.total)
        yield worker
        yield from self._classes()
        refused = dict.fromkeys(REFUSALS, 0) | self._service.front.refused
        yield _counted(
            "refused_requests", "Requests that were refused before a worker saw them, by reason.", ("reason",),
            {(reason,): count for reason, count in refused.items()},
        )  # fmt: skip
        learned = {(slow.route,): slow.seconds for slow in self._service.front.policies.learned()}
        yield _told("learned_slow_seconds", "Median time of a route that was found to be slow.", ("route",), learned)
        yield _counted("sent_bytes", "Bytes of answers that were sent to clients.", (), {(): counts.sent})
        yield _counted("received_bytes", "Bytes of request bodies that came.", (), {(): counts.received})

    def _classes(self) -> Iterator[Metric]:
        counts, balancer = self._counts, self._service.balancer
        line = HistogramMetricFamily(
            f"{PREFIX}class_line_seconds", "Time that requests waited for their worker, by class.", labels=["class"]
        )
        for level in Level:
            histogram = counts.line_of[level]
            line.add_metric([level.word], histogram.cumulative(), histogram.total)
        yield line
        refused = {(level.word,): counts.refused_of[level] for level in Level}
        yield _counted("class_refused_requests", "Requests that were refused a worker, by class.", ("class",), refused)
        waiting = {(level.word,): balancer.waiting_of(level) for level in Level}
        yield _told("class_waiting", "Requests in the waiting line, by class.", ("class",), waiting)
        closed = {(name,): float(name in balancer.shedding.closed) for name in RANKS}
        yield _told("class_closed", "Whether a class is refused instead of waiting.", ("class",), closed)

    def _front(self) -> Iterator[Metric]:
        front = self._service.front
        yield _told("waiting", "Requests in the waiting line.", (), {(): self._service.balancer.waiting})
        yield _told("connections", "Open connections of clients.", (), {(): len(front.connections)})
        yield _told("spooled_bytes", "Bytes of request bodies that are on disk.", (), {(): front.spool.used})
        yield _counted(
            "refused_connections", "Connections that were closed at once, because there were too many.",
            ("reason",), _by_one(front.refused_connections),
        )  # fmt: skip
        logins = front.gate.logins if front.gate is not None else {"ok": 0, "failed": 0}
        yield _counted("logins", "Passwords that were checked, by result.", ("result",), _by_one(logins))
        histogram = self._lag.histogram
        lag = HistogramMetricFamily(f"{PREFIX}loop_lag_seconds", "How late the front's event loop is.")
        lag.add_metric([], histogram.cumulative(), histogram.total)
        yield lag

    def _encryption(self) -> Iterator[Metric]:
        contexts = self._service.front.contexts
        if contexts is None:
            return
        yield _counted("tls_handshakes", "TLS handshakes, by result.", ("result",), _by_one(contexts.handshakes))
        ends: dict[tuple[str, ...], float] = {}
        for certificate in contexts.keyring.certificates:
            for name in certificate.names or (certificate.pair.certificate,):
                ends[(name,)] = min(certificate.not_after, ends.get((name,), certificate.not_after))
        yield _told(
            "certificate_expiry_timestamp_seconds", "When the certificate for a name expires, in Unix time.",
            ("name",), ends,
        )  # fmt: skip

    def _workers(self, pool: Supervisor) -> Iterator[Metric]:
        workers = pool.table.workers.values()
        lives = {(life.value,): sum(worker.life is life for worker in workers) for life in LIVES}
        yield _told("workers", "Workers, by life.", ("life",), lives)
        busy = sum(bool(lanes.asked()) for lanes in pool.lanes.open().values())
        yield _told("workers_busy", "Workers that are at a request.", (), {(): busy})
        yield _told("workers_wanted", "Workers that there should be.", (), {(): pool.desired.count})
        yield _counted(
            "restarts", "Workers that have ended, by reason.", ("reason",), _by_one(pool.chronicle.ended)
        )  # fmt: skip
        yield _counted(
            "generations", "Generations that came to serve, and those that did not.", ("result",),
            _by_one(pool.table.generations),
        )  # fmt: skip
        memory: dict[tuple[str, ...], float] = {}
        for worker in workers:
            found = self._memory.of(worker.pid) if worker.live else None
            if found is not None:
                # While generations change, two workers have the same number.
                memory[(str(worker.number),)] = memory.get((str(worker.number),), 0) + found
        yield _told("worker_memory_bytes", "Memory of a worker, its share of what is shared.", ("worker",), memory)

    def _servers(self, pool: Elsewhere) -> Iterator[Metric]:
        servers = pool.servers()
        used = {(str(server["server"]),): float(bool(server["used"])) for server in servers}
        flight = {(str(server["server"]),): float(server["in_flight"]) for server in servers}
        yield _told("server_used", "Whether a server elsewhere is in use.", ("server",), used)
        yield _told("server_in_flight", "Requests under way at a server elsewhere.", ("server",), flight)


class Metrics:
    """All of it as text."""

    def __init__(self, collector: ServiceCollector) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        ProcessCollector(registry=self._registry)

    def text(self, accept: str) -> tuple[str, bytes]:
        """Give the type and the text that whoever sends this Accept field reads best."""
        encode, kind = choose_encoder(accept)
        return kind, encode(self._registry)


def _counted(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family


def _told(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family


def _by_one(values: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}
