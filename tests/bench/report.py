"""The run as numbers (JSON) and as the tables of docs/measuring.md (Markdown)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field
from math import prod
from typing import Any

from tests.bench import downloads, slow, static, tls
from tests.bench.client import Load
from tests.bench.downloads import Beside, Download
from tests.bench.ideal import Ideal
from tests.bench.lag import LagSample
from tests.bench.life import Loss
from tests.bench.logins import RATE, LoginSample
from tests.bench.overload import OverloadSample
from tests.bench.overload_report import crowds, overload_table
from tests.bench.peers import FRONTS, PAGES, Gunicorn, NginxTracd, Ours
from tests.bench.silent import Flood, Passing, SilentSample
from tests.bench.slow import Slow
from tests.bench.static import Hits, Views
from tests.bench.tables import middle, show, table, times
from tests.bench.tls import TlsSample
from tests.bench.workloads import DISTURBED, MIXED, WORKLOADS, Sample

OURS, NGINX, GUNICORN = Ours.name, NginxTracd.name, Gunicorn.name
RIVALS = (NGINX, GUNICORN)
MEAN = "geometric mean of the five above"


@dataclass
class Run:
    """Everything that was measured."""

    about: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    pss: dict[str, list[float]] = field(default_factory=dict)
    replace: dict[str, list[float]] = field(default_factory=dict)
    successor: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, list[Loss]] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    fronts: list[Sample] = field(default_factory=list)
    logins: list[LoginSample] = field(default_factory=list)
    tls: list[TlsSample] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)
    hits: list[Hits] = field(default_factory=list)
    views: list[Views] = field(default_factory=list)
    lags: list[LagSample] = field(default_factory=list)
    overload: list[OverloadSample] = field(default_factory=list)
    silence: list[SilentSample] = field(default_factory=list)
    floods: list[Flood] = field(default_factory=list)
    passing: list[Passing] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Run:
        """Read what ``as_json`` gave."""
        run = cls(**found)
        run.samples = [Sample(**each) for each in found["samples"]]
        run.fronts = [Sample(**each) for each in found["fronts"]]
        run.logins = [
            LoginSample(**{**each, "idle": Load(**each["idle"]), "loaded": Load(**each["loaded"])})
            for each in found.get("logins", [])
        ]
        run.tls = [TlsSample(**each) for each in found.get("tls", [])]
        run.downloads = [Download(**each) for each in found.get("downloads", [])]
        run.beside = [Beside(**each) for each in found.get("beside", [])]
        run.slow = [Slow(**each) for each in found.get("slow", [])]
        run.hits = [Hits(**each) for each in found.get("hits", [])]
        run.views = [Views(**each) for each in found.get("views", [])]
        run.lags = [LagSample(**each) for each in found.get("lags", [])]
        run.overload = [OverloadSample.from_json(each) for each in found.get("overload", [])]
        run.silence = [SilentSample(**each) for each in found.get("silence", [])]
        run.floods = [Flood(**each) for each in found.get("floods", [])]
        run.passing = [Passing(**each) for each in found.get("passing", [])]
        run.losses = {peer: [Loss(**each) for each in losses] for peer, losses in found["losses"].items()}
        return run

    def of(self, peer: str, workload: str, samples: list[Sample] | None = None) -> list[Sample]:
        """Give the measurements of one peer, in the order of the repetitions."""
        return [s for s in (self.samples if samples is None else samples) if (s.peer, s.workload) == (peer, workload)]


def ratio(run: Run, workload: str, rival: str, value: Callable[[Sample], float]) -> float | None:
    """Give the median of ours to a rival's, repetition by repetition."""
    pairs = zip(run.of(OURS, workload), run.of(rival, workload), strict=False)
    return middle(value(ours) / value(theirs) for ours, theirs in pairs if value(theirs))


def rate(sample: Sample) -> float:
    """Requests a second."""
    return sample.rate


def mean_ratio(run: Run, rival: str) -> float | None:
    """Give the geometric mean of the ratios over Trac's pages."""
    ratios = [ratio(run, each.name, rival, rate) for each in WORKLOADS if each.in_mean]
    found = [each for each in ratios if each is not None]
    return prod(found) ** (1 / len(found)) if found and len(found) == len(ratios) else None


# -- tables


def pages_table(run: Run, value: Callable[[Sample], float], title: str) -> str:
    """Compare all peers, workload by workload, with ours as ratios to its rivals."""
    peers = [peer.name for peer in PAGES if any(sample.peer == peer.name for sample in run.samples)]
    head = [title, *peers, *(f"to {rival}" for rival in RIVALS)]
    rows = []
    for workload in WORKLOADS:
        if any(sample.workload == workload.name for sample in run.samples):
            cells = [show(middle(value(sample) for sample in run.of(peer, workload.name))) for peer in peers]
            rows.append([workload.name, *cells, *(times(ratio(run, workload.name, rival, value)) for rival in RIVALS)])
    if value is rate and any(mean_ratio(run, rival) for rival in RIVALS):
        rows.insert(5, [MEAN, *("" for _ in peers), *(times(mean_ratio(run, rival)) for rival in RIVALS)])
    return table(head, rows)


def life_table(run: Run) -> str:
    """Compare memory, starts and ends."""
    peers = [peer.name for peer in PAGES]
    rows = [
        ["memory of a worker (PSS), MB", *(show(middle(run.pss.get(peer, []))) for peer in peers)],
        ["start to first page, s", *(show(middle(run.starts.get(peer, []))) for peer in peers)],
        ["worker killed: successor ready, ms", *(_milliseconds(run.replace.get(peer, [])) for peer in peers)],
        [
            "worker killed: first page of successor, ms",
            *(_milliseconds(run.successor.get(peer, [])) for peer in peers),
        ],
        ["all killed: first page, s", *(show(middle(x.first_page for x in run.losses.get(p, []))) for p in peers)],
        ["all killed: failed GETs of 9 clients", *(_failed(run.losses.get(peer, [])) for peer in peers)],
    ]
    return table(["", *peers], rows)


def _milliseconds(seconds: list[float]) -> str:
    value = middle(seconds)
    return show(None if value is None else value * 1e3)


def _failed(losses: list[Loss]) -> str:
    return "-" if not losses else f"{sum(loss.failed for loss in losses)} in {len(losses)} times"


def fronts_table(run: Run) -> str:
    """Compare the servers without Trac: the smallest application, many connections."""
    rows = []
    for workload in dict.fromkeys(sample.workload for sample in run.fronts):
        for peer in FRONTS:
            if found := run.of(peer.name, workload, run.fronts):
                rows.append(
                    [
                        f"{workload}, {peer.name}",
                        show(middle(sample.rate for sample in found)),
                        show(middle(sample.cpu_front * 1e3 for sample in found)),
                        show(middle(sample.cpu_workers * 1e3 for sample in found)),
                        show(middle(sample.p99 for sample in found)),
                    ]
                )
    return table(["hello", "requests/s", "front CPU, µs", "workers CPU, µs", "p99, ms"], rows)


def logins_table(run: Run) -> str:
    """Compare a style sheet's latency without and with logins."""
    rows = []
    for title in dict.fromkeys(sample.title for sample in run.logins):
        found = [sample for sample in run.logins if sample.title == title]
        answers: Counter[str] = Counter()
        for sample in found:
            answers.update(sample.answers)
        loads = [sample.idle for sample in found], [sample.loaded for sample in found]
        rows.append(
            [
                title,
                *(show(middle(load.rate for load in each)) for each in loads),
                *(show(middle(load.p50 for load in each)) for each in loads),
                *(show(middle(load.p99 for load in each)) for each in loads),
                times(middle(sample.p99_ratio for sample in found)),
                ", ".join(f"{status}: {number}" for status, number in sorted(answers.items())),
                show(middle(sample.login_p50 for sample in found if sample.login_p50)),
            ]
        )
    head = ["style sheet, alone and among logins", "requests/s alone", "requests/s", "p50 alone, ms", "p50, ms"]
    head += ["p99 alone, ms", "p99, ms", "p99 to alone", f"answers to {RATE:.0f} logins/s", "their p50, ms"]
    return table(head, rows)


def tls_table(run: Run) -> str:
    """Compare encryption with none, and with OpenSSL's own server."""
    pairs = [("pages", tls.ENCRYPTED, tls.PLAIN), *((f"handshakes, {kind}", OURS, tls.OPENSSL) for kind in tls.KINDS)]
    rows = []
    for what, ours, theirs in pairs:
        found = [[tls.middle(run.tls, what, each, part) for each in (ours, theirs)] for part in ("rate", "cpu")]
        cells = [show(value) for part in found for value in part]
        rows.append([f"{what}: {ours} to {theirs}", *cells, times(tls.ratio(run.tls, what, ours, theirs))])
    return table(["TLS", "a second", "the other", "CPU, µs", "the other", "ratio"], rows)


def downloads_table(run: Run) -> str:
    """Compare large files with nginx's, and say what others wait beside them."""
    rows = []
    for each in run.beside:
        rates = [downloads.middle(run.downloads, each.how, server) for server in (downloads.OURS, downloads.NGINX)]
        waits = [show(value) for value in (each.alone, each.p50, each.p99, each.worst)]
        rows.append([each.how, *map(show, rates), times(downloads.ratio(run.downloads, each.how)), *waits])
    beside = [f"another's ms beside {downloads.CLIENTS}: p50", "p99", "worst"]
    return table(["100 MB", "MB/s", "nginx", "ratio", "another's ms alone", *beside], rows)


def slow_table(run: Run) -> str:
    """Say what a page waits for beside slow clients, and what each of them takes."""
    rows = []
    for case in dict.fromkeys(each.case for each in run.slow):
        found = [each for each in run.slow if each.case == case]
        cells = [[each.idle_p50 for each in found], [each.idle_p99 for each in found]]
        cells += [[each.p50 for each in found], [each.p99 for each in found]]
        memory = middle(each.memory for each in found)
        rows.append([case, *(show(middle(values)) for values in cells), times(slow.ratio(found)), show(memory)])
    heads = ["slow clients", "a page alone, ms: p50", "p99", "beside them: p50", "p99", "ratio", "KiB of the front"]
    return table(heads, rows)


def hits_table(run: Run) -> str:
    """Compare a style sheet from memory with others' from disk."""
    rows = []
    for server in dict.fromkeys(sample.server for sample in run.hits):
        found = [static.middle(run.hits, server, part) for part in ("rate", "cpu")]
        ratios = [static.hits_ratio(run.hits, server, of_a_core) for of_a_core in (False, True)]
        rows.append([server, *map(show, found), *(times(each if server != OURS else None) for each in ratios)])
    return table(["8 KiB of css, 64 connections", "requests/s", "CPU, µs", "ours to it", "of a core"], rows)


def views_table(run: Run) -> str:
    """Compare page views: a page and all files that it names."""
    rows = [
        [server, show(middle(static.views_of(run.views, server))), times(static.views_ratio(run.views, server))]
        for server in dict.fromkeys(sample.server for sample in run.views)
    ]
    requests = run.views[0].requests if run.views else 0
    return table([f"page views of {requests} requests", "views/s", "ours to it"], rows)


def summary(run: Run) -> list[str]:
    """Say in a few lines what matters most."""
    lines = []
    ideal = middle(sample.rate for sample in run.of(Ideal.name, "wiki"))
    share = ratio(run, "wiki", Ideal.name, rate)
    if ideal is not None and share is not None:
        lines.append(
            f"Without a front, {show(ideal)} wiki pages a second are possible; ours reaches {share:.2f} of it."
        )
    p99 = [ratio(run, MIXED, rival, lambda sample: sample.p99) for rival in RIVALS]
    if any(p99):
        lines.append(
            "p99 of wiki pages among heavy queries: "
            + ", ".join(f"{times(x)} of {r}'s" for x, r in zip(p99, RIVALS, strict=True))
            + "."
        )
    if run.lags:
        late, end, worst, pages = (show(middle(found)) for found in zip(*map(astuple, run.lags), strict=True))
        lines.append(
            f"At {pages} wiki pages a second, with the admin page open, the front's loop is late by {late} ms (p50), "
            f"{end} ms (p99), {worst} ms at the worst."
        )
    lines += crowds(run.silence, run.floods, run.passing)
    errors = sum(sample.errors for sample in run.samples + run.fronts)
    errors += sum(hits.errors for hits in run.hits) + sum(views.errors for views in run.views)
    lines.append(f"Requests that failed in all measurements together: {errors}.")
    others = [sample.others for sample in run.samples + run.fronts] + [sample.others for sample in run.logins]
    others += [sample.others for sample in run.overload]
    if disturbed := sum(each > DISTURBED for each in others):
        lines.append(f"Something else used the machine during {disturbed} of {len(others)} measurements.")
    return lines


def markdown(run: Run) -> str:
    """Give the whole report."""
    about = run.about
    parts = [
        f"{about.get('machine')}; {about.get('versions')}; commit {about.get('commit')}, {about.get('date')}; "
        f"`{about.get('command')}`; {about.get('workers')} workers each, medians of {about.get('reps')} x "
        f"{about.get('seconds')} s.",
    ]
    if run.samples:
        parts += [
            pages_table(run, rate, "requests/s"),
            pages_table(run, lambda sample: sample.p50, "p50, ms"),
            pages_table(run, lambda sample: sample.p99, "p99, ms"),
            pages_table(run, lambda sample: sample.cpu, "CPU, ms/request"),
        ]
    if run.pss or run.starts or run.losses:
        parts.append(life_table(run))
    if run.fronts:
        parts.append(fronts_table(run))
    if run.logins:
        parts.append(logins_table(run))
    if run.tls:
        parts.append(tls_table(run))
    if run.hits:
        parts += [hits_table(run), views_table(run)]
    if run.downloads:
        parts.append(downloads_table(run))
    if run.slow:
        parts.append(slow_table(run))
    if run.overload:
        parts.append(overload_table(run.overload))
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in summary(run))]) + "\n"
