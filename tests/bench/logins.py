"""Does it matter to everybody else when many people log in? A style sheet's latency, alone and among logins."""

from __future__ import annotations

import asyncio
import subprocess
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count, cycle
from pathlib import Path
from threading import Thread
from time import monotonic, process_time

import bcrypt

from tests.bench import client
from tests.bench.peers import Ours, Peer, Tracd
from tests.bench.workloads import DISTURBED, busy, cpu_of, forget_visitors
from tests.processes import wait_until

STATIC = "/chrome/common/css/trac.css"
CONNECTIONS = 4
RATE = 50.0
"""Logins a second."""

COST = 12
"""Of bcrypt, a quarter of a second for each check: what is recommended, and what ``tracd-cluster passwd`` makes."""

USERS, KNOWN = 2000, 40
"""Users in the password file; those of them who log in again and again."""

HASHES = 4
"""Different hashes in the file. Many users have the same, as it takes long to make them; no server knows of that."""

ADDRESSES = 200
"""Where the logins come from: more than five at a time from one address wait for each other."""

FILE = "users.htpasswd"

FULL = 10.0
"""Seconds within which a service is to refuse logins that it cannot check."""

NOT_ANSWERED = "no answer"


def password_file(folder: Path) -> None:
    """Write the password file of the servers that run below a folder."""
    hashes = [bcrypt.hashpw(_password(number).encode(), bcrypt.gensalt(COST)).decode() for number in range(HASHES)]
    lines = [f"{_name(number)}:{hashes[number % HASHES]}\n" for number in range(USERS)]
    (folder / FILE).write_text("".join(lines))


def _name(number: int) -> str:
    return f"user{number:04}"


def _password(number: int) -> str:
    return f"harbour{number % HASHES}"


class Asking(Peer):
    """A server with the password file."""

    def launch(self) -> None:
        self.options = ["--basic-auth", f"*,{self.folder.parent / FILE},Trac"]
        super().launch()


class OursAsking(Asking, Ours):
    """Ours."""


class TracdAsking(Asking, Tracd):
    """Trac's own."""


@dataclass(frozen=True)
class Case:
    """A server, and who logs in there."""

    kind: type[Peer]
    who: str
    numbers: Callable[[], Iterable[int]]
    """Gives the users, by their numbers, in the order of their logins."""
    fills: bool = False
    """There are more logins than can be checked, and it is measured when some are refused."""


CASES = (
    Case(OursAsking, "the same people", lambda: cycle(range(KNOWN))),
    Case(OursAsking, "always other people", lambda: count(KNOWN), fills=True),
    Case(TracdAsking, "the same people", lambda: cycle(range(KNOWN))),
)


@dataclass(frozen=True)
class LoginSample:
    """The style sheet alone and among logins; latencies in milliseconds."""

    peer: str
    who: str
    idle: client.Load
    loaded: client.Load
    sent: float
    """Logins a second that were really begun."""
    answers: dict[str, int]
    login_p50: float
    """From the time at which a login was to begin to its answer, of those that succeeded."""
    others: float
    """Cores that neither the server nor the clients used."""

    @property
    def title(self) -> str:
        """Say what was measured."""
        return f"{self.peer}, {self.who}"

    @property
    def p99_ratio(self) -> float:
        """How much the logins delay what is delayed most."""
        return self.loaded.p99 / self.idle.p99 if self.idle.p99 else 0.0


@dataclass
class Logins:
    """Clients who log in, each at its time, whether those before have been answered or not."""

    port: int
    numbers: Iterable[int]
    patience: float
    """Seconds that clients wait for their answers when no more logins begin."""
    rate: float = RATE
    answers: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    begun: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = Thread(target=lambda: self._loop.run_until_complete(self._run()), daemon=True)

    def start(self) -> None:
        """Let them begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let no more begin, and wait for the answers."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(self.patience + 10)
        self._loop.close()

    async def _run(self) -> None:
        begin, tasks = monotonic(), []
        for place, number in enumerate(self.numbers):
            due = begin + place / self.rate
            if await self._stopped_before(due):
                break
            tasks.append(asyncio.create_task(self._one(number, place, due)))
        self.begun = len(tasks)
        self.seconds = monotonic() - begin
        _, pending = await asyncio.wait(tasks, timeout=self.patience)
        for task in pending:
            task.cancel()
        self.answers[NOT_ANSWERED] += len(pending)

    async def _stopped_before(self, due: float) -> bool:
        """Wait for a login's time, however the server does: who waits for answers would spare one that is slow."""
        try:
            await asyncio.wait_for(self._stopped.wait(), max(0.0, due - monotonic()))
        except TimeoutError:
            return False
        return True

    async def _one(self, number: int, place: int, due: float) -> None:
        secret = b64encode(f"{_name(number)}:{_password(number)}".encode())
        source = (f"127.0.1.{1 + place % ADDRESSES}", 0)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=source)
            writer.write(
                b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Basic %b\r\n\r\n"
                % secret
            )
            answer = await reader.read(-1)
            writer.close()
        except OSError as error:
            self.answers[type(error).__name__] += 1
            return
        status = answer[9:12].decode("ascii", "replace") if answer else "closed"
        if status == "302":
            self.latencies.append((monotonic() - due) * 1e3)
        if status == "503" and b"\r\nretry-after:" not in answer.lower():
            status = "503 without Retry-After"
        self.answers[status] += 1


def measure(case: Case, environment: Path, folder: Path, workers: int, seconds: float, patience: float) -> LoginSample:
    """Start a server, and load it with requests for a style sheet, then with logins as well.

    It is started for each measurement, so that nothing is left in it of what it was asked before.
    """
    peer = case.kind(environment, folder, workers)
    forget_visitors(environment)
    try:
        peer.start()
        peer.wait_until_serving(STATIC)
        if case.kind is OursAsking and not case.fills:
            _introduce(peer.port)
        _style_sheet(peer.port, 1)
        idle = _style_sheet(peer.port, seconds)
        return _loaded(peer, case, idle, seconds, patience)
    finally:
        peer.stop()


def _style_sheet(port: int, seconds: float) -> client.Load:
    """Load the style sheet. What wrk still waits for at its end is in none of its figures: it may be all there is."""
    try:
        load = client.wrk(port, STATIC, CONNECTIONS, seconds)
    except subprocess.TimeoutExpired:  # it has not even been let in
        return client.Load(0, seconds, p50=seconds * 1e3, p99=seconds * 1e3, errors=CONNECTIONS, client_cpu=0.0)
    if load.requests < CONNECTIONS:
        return replace(load, p50=load.seconds * 1e3, p99=load.seconds * 1e3, errors=CONNECTIONS - load.requests)
    return load


def _introduce(port: int) -> None:
    """Have the users who log in again and again do so for the first time."""
    logins = Logins(port, range(KNOWN), patience=60.0)
    logins.start()
    wait_until(lambda: logins.answers.total() >= KNOWN, 60, "the first logins")
    logins.stop()
    if logins.answers["302"] < KNOWN:
        raise RuntimeError(f"not everybody could log in: {dict(logins.answers)}")


def _loaded(peer: Peer, case: Case, idle: client.Load, seconds: float, patience: float) -> LoginSample:
    logins = Logins(peer.port, case.numbers(), patience)
    logins.start()
    try:
        if case.fills:
            wait_until(lambda: logins.answers.total() > logins.answers["302"], FULL, "a login that is refused")
        server, mine, machine, begin = sum(cpu_of(peer)), process_time(), busy(), monotonic()
        loaded = _style_sheet(peer.port, seconds)
        elapsed = monotonic() - begin
        server, mine, machine = sum(cpu_of(peer)) - server, process_time() - mine, busy() - machine
    finally:
        logins.stop()
    return LoginSample(
        peer=peer.name,
        who=case.who,
        idle=idle,
        loaded=loaded,
        sent=logins.begun / logins.seconds if logins.seconds else 0.0,
        answers={status: number for status, number in sorted(logins.answers.items()) if number},
        login_p50=client.quantile(logins.latencies, 0.5),
        others=max(0.0, machine - server - mine - loaded.client_cpu) / elapsed,
    )


def undisturbed(measure_once: Callable[[], LoginSample]) -> LoginSample:
    """Measure until nothing else uses the machine, or give the less disturbed of two measurements."""
    first = measure_once()
    return first if first.others <= DISTURBED else min(first, measure_once(), key=lambda sample: sample.others)
