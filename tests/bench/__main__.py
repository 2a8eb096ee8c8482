"""``python -m tests.bench``: builds an environment, runs all servers on it in turn, and prints how they compare."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tests.bench import downloads, lag, life, logins, overload, silent, slow, static, tls, workloads
from tests.bench.ideal import Ideal
from tests.bench.peers import FRONTS, HELLO, PAGES, Gunicorn, Ours, Peer
from tests.bench.report import Run, markdown
from tests.bench.workloads import WIKI, WORKLOADS, Sample, Workload
from tests.processes import ROOT

FOLDER = ROOT / "build" / "bench"
PARTS = ("pages", "life", "start", "front", "login", "tls", "files", "slow", "static", "lag", "overload")
CONNECTIONS = (16, 32, 64)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    result = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure tracd-cluster and its peers.")
    result.add_argument(
        "--workers", type=int, default=os.cpu_count() or 2, help="of every server (default: the cores)"
    )
    result.add_argument("--reps", type=int, default=3, help="repetitions of every measurement (default: %(default)s)")
    result.add_argument("--seconds", type=float, default=5.0, help="of one measurement (default: %(default)g)")
    result.add_argument("--only", action="append", choices=PARTS, help="one part; repeatable (default: all)")
    result.add_argument("--peers", help="names of servers, separated by commas (default: all)")
    result.add_argument("--quick", action="store_true", help="a few minutes: figures to look at, not to quote")
    result.add_argument("--report", type=Path, metavar="JSON", help="only print the tables of an earlier run")
    return result


class Bench:
    """One run: what to do, and what has been found so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.workers: int = options.workers
        self.reps = 1 if options.quick else options.reps
        self.seconds = 2.0 if options.quick else options.seconds
        self.kills, self.losses, self.starts = (5, 2, 2) if options.quick else (20, 5, 5)
        self.passing, self.turns = (5.0, 2) if options.quick else (600.0, 9)
        self.patience, self.watch = (10.0, 10.0) if options.quick else (60.0, 60.0)
        self.parts: tuple[str, ...] = tuple(options.only or PARTS)
        self.names = [name.strip() for name in options.peers.split(",")] if options.peers else None
        self.run = Run(about=about(self.workers, self.reps, self.seconds))
        self.large = make_environment("large", "--tickets=400", "--pages=60", "--commits=100")
        self.small = make_environment("small")

    def everything(self) -> None:
        """Do every part that was asked for."""
        if "pages" in self.parts or "life" in self.parts:
            with ExitStack() as stack:
                peers = self.launch(stack, PAGES)
                if "pages" in self.parts:
                    self.pages(stack, peers)
                if "life" in self.parts:
                    self.life(peers)
        if "start" in self.parts:
            for kind in self.kinds(PAGES):
                say(f"start {kind.name}")
                self.run.starts[kind.name] = life.start_times(
                    kind, self.small, FOLDER / "run", self.workers, self.starts
                )
        if "front" in self.parts:
            with ExitStack() as stack:
                self.fronts(self.launch(stack, FRONTS, HELLO))
        if "login" in self.parts:
            self.logins()
        if "tls" in self.parts:
            say("tls")
            self.run.tls = tls.pages(self.large, FOLDER / "run", self.workers, self.seconds, self.reps)
            self.run.tls += tls.handshakes(self.small, FOLDER / "run", HELLO, self.seconds, self.reps)

        if "files" in self.parts:
            say("files")
            self.run.downloads, self.run.beside = downloads.measure(
                self.small, FOLDER / "run", self.workers, max(5, self.reps)
            )

        if "slow" in self.parts:
            say("slow")
            self.run.slow = slow.measure(self.large, FOLDER / "run", self.workers, self.reps)

        if "static" in self.parts:
            say("static")
            folder = FOLDER / "run"
            self.run.hits = static.hits(self.small, folder, self.workers, self.seconds, self.reps)
            self.run.views = static.views(self.large, folder, self.workers, self.seconds, self.reps)

        if "lag" in self.parts:
            say("lag")
            self.run.lags = [
                lag.measure(self.large, FOLDER / "run", self.workers, self.watch) for _ in range(self.reps)
            ]

        if "overload" in self.parts:
            self.overload()

    def kinds(self, kinds: tuple[type[Peer], ...]) -> list[type[Peer]]:
        """Give the servers that were asked for."""
        return [kind for kind in kinds if self.names is None or kind.name in self.names]

    def launch(self, stack: ExitStack, kinds: tuple[type[Peer], ...], application: str | None = None) -> list[Peer]:
        """Start servers, and end them with ``stack``."""
        peers = [kind(self.large, FOLDER / "run", self.workers, application) for kind in self.kinds(kinds)]
        for peer in peers:
            stack.callback(peer.stop)
            peer.start()
        for peer in peers:
            peer.wait_until_serving("/" if application else WIKI)
        return peers

    def pages(self, stack: ExitStack, peers: list[Peer]) -> None:
        """Measure Trac's pages: every server in turn, in each repetition."""
        ideal = Ideal(self.large, self.workers) if any(isinstance(peer, Ours) for peer in peers) else None
        if ideal is not None:
            stack.callback(ideal.stop)
            ideal.wait_until_ready()
        for peer in peers:
            workloads.warm(peer, WORKLOADS, self.seconds / 2)
        for repetition in range(self.reps):
            for workload in WORKLOADS:
                for peer in peers if repetition % 2 == 0 else peers[::-1]:
                    self.measure(peer, workload)
                    if ideal is not None and isinstance(peer, Ours) and workload.name == "wiki":
                        self.measure(ideal, workload)
        for peer in peers:
            self.run.pss[peer.name] = [workloads.pss(process) for process in peer.workers()]

    def measure(self, peer: Peer | Ideal, workload: Workload) -> None:
        """Measure one workload on one server."""

        def once() -> Sample:
            if isinstance(peer, Ideal):
                return peer.measure(workload, self.seconds)
            return workloads.measure(peer, workload, self.seconds)

        sample = workloads.undisturbed(once)
        (self.run.fronts if workload.path == workloads.HELLO else self.run.samples).append(sample)
        say(f"{workload.name}, {peer.name}: {sample.rate:.1f}/s, p99 {sample.p99:.0f} ms, {sample.cpu:.2f} ms CPU")

    def life(self, peers: list[Peer]) -> None:
        """Kill workers of the servers that replace them."""
        for peer in peers:
            if not isinstance(peer, Ours | Gunicorn):
                continue
            say(f"kill workers of {peer.name}")
            if isinstance(peer, Ours):
                self.run.replace[peer.name] = life.replace_times(peer, self.kills)
            self.run.successor[peer.name] = life.successor_times(peer, self.losses)
            self.run.losses[peer.name] = [life.total_loss(peer) for _ in range(self.losses)]

    def fronts(self, peers: list[Peer]) -> None:
        """Measure the servers' own share."""
        for connections in CONNECTIONS:
            workload = Workload(f"{connections} connections", workloads.HELLO, clients=connections // self.workers)
            for _ in range(self.reps):
                for peer in peers:
                    self.measure(peer, workload)

    def logins(self) -> None:
        """Measure how much logins delay everybody else."""
        folder = FOLDER / "run"
        folder.mkdir(exist_ok=True)
        logins.password_file(folder)
        cases = [case for case in logins.CASES if self.names is None or case.kind.name in self.names]
        for repetition in range(self.reps):
            for case in cases if repetition % 2 == 0 else cases[::-1]:
                sample = logins.undisturbed(
                    partial(logins.measure, case, self.large, folder, self.workers, self.seconds, self.patience)
                )
                self.run.logins.append(sample)
                say(
                    f"logins, {sample.title}: p99 {sample.idle.p99:.1f} ms, then {sample.loaded.p99:.1f} ms; "
                    f"{sample.answers}"
                )

    def overload(self) -> None:
        """Measure what people notice of strangers, and of the silent."""
        folder, kinds = FOLDER / "run", self.kinds(overload.KINDS)
        for repetition in range(self.reps):
            for kind in kinds if repetition % 2 == 0 else kinds[::-1]:
                seconds = overload.CLICKING * self.seconds
                patience = min(self.patience, overload.PATIENCE * self.seconds)
                sample = overload.measure(kind, self.large, folder, self.workers, seconds, patience)
                self.run.overload.append(sample)
                say(
                    f"people, {kind.name}: p99 {sample.idle.p99:.0f} ms, among strangers {sample.loaded.p99:.0f} ms; "
                    f"strangers got {sample.strangers}"
                )
        say("silent connections")
        self.run.silence = silent.silence(self.large, folder, self.workers, self.seconds, self.turns)
        say("one page")
        self.run.floods = [silent.flood(self.large, folder, self.workers, self.seconds) for _ in range(self.reps)]
        say(f"ever other addresses, {self.passing:g} s")
        self.run.passing = [silent.passing(self.large, folder, self.workers, self.passing)]


def about(workers: int, reps: int, seconds: float) -> dict[str, object]:
    """Say what is measured, where and when."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = {name: version(name) for name in ("Trac", "Twisted", "gunicorn")}
    nginx = (
        subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr.rpartition("/")[2].strip()
    )
    return {
        "machine": workloads.machine(),
        "versions": ", ".join(
            [f"Python {sys.version.split()[0]}", *(f"{k} {v}" for k, v in names.items()), f"nginx {nginx}"]
        ),
        "commit": commit.stdout.strip() or "none",
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python -m tests.bench {' '.join(sys.argv[1:])}".strip(),
        "workers": workers,
        "reps": reps,
        "seconds": seconds,
    }


def make_environment(name: str, *options: str) -> Path:
    """Make a fresh environment."""
    path = FOLDER / name
    shutil.rmtree(path, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "sample.environment", str(path), *options], cwd=ROOT, check=True)
    return path


def say(text: str) -> None:
    """Show how far it has come."""
    print(f"  {text}", file=sys.stderr, flush=True)


def save(run: Run) -> None:
    """Keep the run."""
    (FOLDER / "result.json").write_text(json.dumps(run.as_json(), indent=1))
    (FOLDER / "result.md").write_text(markdown(run))


def main() -> int:
    """Measure, and print the report; what was measured before an interruption is kept as well."""
    options = parser().parse_args()
    os.environ["PATH"] += ":/usr/sbin"  # where Debian has nginx
    if options.report:
        print(markdown(Run.from_json(json.loads(options.report.read_text()))))
        return 0
    missing = [tool for tool in ("git", "nginx", "wrk", "openssl", "haproxy") if shutil.which(tool) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    FOLDER.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    try:
        bench.everything()
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        run = bench.run
        pages = (run.samples, run.starts, run.fronts, run.logins, run.tls)
        if any((*pages, run.downloads, run.slow, run.hits, run.overload)):
            save(bench.run)
    print(markdown(bench.run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
