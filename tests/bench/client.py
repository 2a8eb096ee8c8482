"""Clients: single requests, closed loops, and wrk."""

from __future__ import annotations

import http.client
import json
import resource
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, perf_counter, process_time

LUA = Path(__file__).with_name("wrk.lua")
TIMEOUT = 30.0
COOKIE = "trac_session=0123456789abcdef01234567"
"""What a browser that has been here before sends: each page is made for it, not for all strangers together."""
_PAUSE = Event()


def status(port: int, path: str, timeout: float = TIMEOUT) -> int:
    """Get a page and give the status; 0 if there was no proper answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Cookie": COOKIE})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@dataclass
class Load:
    """What a load of requests came to; latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    client_cpu: float
    heavy_p50: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def wrk(port: int, path: str, connections: int, seconds: float, scheme: str = "http", cookie: str = COOKIE) -> Load:
    """Load one path with wrk, one thread; it wants whole seconds."""
    seconds = max(1, round(seconds))
    argv = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        f"{TIMEOUT:g}s",
        "--latency",
        "-s",
        str(LUA),
    ]
    before = _children_cpu()
    if cookie:
        argv += ["-H", f"Cookie: {cookie}"]
    argv.append(f"{scheme}://127.0.0.1:{port}{path}")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + TIMEOUT + 10, check=True)
    found = json.loads(done.stdout.rpartition("JSON ")[2])
    return Load(
        requests=found["requests"],
        seconds=found["us"] / 1e6,
        p50=found["p50"],
        p99=found["p99"],
        errors=found["errors"],
        client_cpu=_children_cpu() - before,
    )


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass
class ClosedLoop:
    """Clients that each send their next request when the last one is answered, on kept connections.

    ``choose`` gives the path of a request by its number; what comes back is in ``light`` or ``heavy`` by ``is_heavy``.
    """

    port: int
    clients: int
    choose: Callable[[int], str]
    is_heavy: Callable[[str], bool] = field(default=lambda _: False)
    light: list[float] = field(default_factory=list)
    heavy: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)
    """When each good answer's request was sent, and when it had come, monotonic."""
    stopped: bool = False

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._number = 0
        self._threads = [Thread(target=self._run, daemon=True) for _ in range(self.clients)]

    def start(self) -> None:
        """Let the clients begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each client end with the answer it waits for."""
        self.stopped = True
        for thread in self._threads:
            thread.join(TIMEOUT + 5)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        while not self.stopped:
            with self._lock:
                self._number += 1
                number = self._number
            self._one(connection, self.choose(number))
        connection.close()

    def _one(self, connection: http.client.HTTPConnection, path: str) -> None:
        begin = monotonic()
        try:
            connection.request("GET", path, headers={"Cookie": COOKIE})
            answer = connection.getresponse()
            answer.read()
            wrong = "" if answer.status == 200 else f"status {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            wrong = repr(error)
        end = monotonic()
        if wrong:
            self.failures.append(wrong)
            _PAUSE.wait(0.01)
        else:
            self.answers.append((begin, end))
            (self.heavy if self.is_heavy(path) else self.light).append((end - begin) * 1e3)


def mixed(port: int, clients: int, light: str, heavy: str, seconds: float) -> Load:
    """Send one heavy request among nine light ones; the latencies are those of the light ones."""
    loop = ClosedLoop(port, clients, lambda number: light if number % 10 else heavy, lambda path: path == heavy)
    begin, cpu = perf_counter(), process_time()
    loop.start()
    pause_until(begin + seconds)
    loop.stop()
    elapsed = perf_counter() - begin
    return Load(
        requests=len(loop.light) + len(loop.heavy),
        seconds=elapsed,
        p50=quantile(loop.light, 0.5),
        p99=quantile(loop.light, 0.99),
        errors=len(loop.failures),
        client_cpu=process_time() - cpu,
        heavy_p50=quantile(loop.heavy, 0.5),
    )


def pause_until(end: float) -> None:
    """Let the clients work until a time of ``perf_counter``."""
    _PAUSE.wait(max(0.0, end - perf_counter()))


def quantile(values: list[float], share: float) -> float:
    """Give the value that ``share`` of all values do not pass; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
