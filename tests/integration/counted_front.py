"""A front that counts its own Python calls: a program for test_hot_path.py.

``counted_front.py PORT REQUESTS [FOLDER]``: serves a trivial application over real lanes with two forked workers;
after 200 requests it counts the Python calls of the next REQUESTS, prints calls per request as its last line, and
ends. With a FOLDER for a certificate it speaks TLS. With a FILE in place of the folder, that is what the application
answers for STATIC, and only what comes from memory is counted.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.internet import reactor as any_reactor  # noqa: TID251 - this is a program, not a test
from twisted.internet.threads import deferToThreadPool

from tracd_cluster.balancer import Balancer
from tracd_cluster.front.compressed import Loader
from tracd_cluster.front.door import Door
from tracd_cluster.front.learned import Learned
from tracd_cluster.front.listener import Front
from tracd_cluster.front.rendering import Strangers
from tracd_cluster.settings.cache import CacheSettings
from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.settings.front import FrontSettings, TlsSettings
from tracd_cluster.tracd.worker import LaneEnd, Service
from tracd_cluster.tracd.wsgi import constant_environ
from tracd_cluster.upstream.lane import Lane

reactor: Any = any_reactor

WARM = 200
STATIC = "/chrome/site/harbour.css"


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer as small as Trac's smallest, or with a file as Trac does."""
    if environ["PATH_INFO"] == STATIC:
        file = open(sys.argv[3], "rb")  # noqa: SIM115 - the worker closes it
        fields = [("Content-Type", "text/css"), ("Content-Length", str(os.fstat(file.fileno()).st_size))]
        start_response("200 OK", [*fields, ("Last-Modified", "Thu, 26 Nov 2026 00:00:00 GMT")])
        answer: list[bytes] = environ["wsgi.file_wrapper"](file, 4096)
        return answer
    start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "must-revalidate")])
    return [b"hello\n"]


def fork_worker(others: list[socket.socket]) -> socket.socket:
    """Fork a worker that serves one lane; give the front's end of it, which no later worker may hold open."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        for sock in (ours, *others):
            sock.close()
        LaneEnd(theirs, Service(hello, constant_environ(None, 1, ""))).serve()
        os._exit(0)
    theirs.close()
    return ours


class Counter:
    """Counts Python calls from the WARMth request that is counted to the end of the run.

    ``counted`` is called once for each request; what stands in its place here is ``count``.
    """

    def __init__(self, counted: Callable[..., Any], requests: int) -> None:
        self.calls = 0
        self.requests = 0
        self._wanted = requests
        self._counted = counted

    def count(self, *arguments: Any) -> Any:
        """Count a request."""
        self.requests += 1
        if self.requests == WARM:
            self.calls = 0
            sys.setprofile(self.profile)
        elif self.requests == WARM + self._wanted:
            sys.setprofile(None)
            # One call in each request is this method's own.
            print(f"{self.calls / self._wanted - 1:.2f}", flush=True)  # noqa: T201
            reactor.stop()
        return self._counted(*arguments)

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        """Count a call of a Python function."""
        if event == "call":
            self.calls += 1


def main() -> None:
    """Serve, count, print, end."""
    port, requests = int(sys.argv[1]), int(sys.argv[2])
    where = (f"tcp:{port}:interface=127.0.0.1",)
    settings = FrontSettings(endpoints=where)
    static = len(sys.argv) > 3 and Path(sys.argv[3]).is_file()
    if len(sys.argv) > 3 and not static:
        settings = FrontSettings(endpoints=(), secure_endpoints=where, tls=TlsSettings(demo=sys.argv[3], hsts=1))
    balancer = Balancer(1000, clock=reactor.seconds)
    front = Front(settings, 30.0, balancer, reactor)
    front.strangers = Strangers(CacheSettings(), balancer, reactor.seconds)
    front.learned = Learned(load=Loader(partial(deferToThreadPool, reactor, reactor.getThreadPool())))
    front.door = Door(ClientSettings(client_requests=1000, client_rate=1e6, client_burst=10**6), front.trusts)
    lanes: list[socket.socket] = []
    for number in (1, 2):
        lanes.append(fork_worker(lanes))
        balancer.add(Lane(lanes[-1], f"worker {number}", lambda lane, why: None, reactor, balancer))
    room, name = (front.learned, "answer") if static else (balancer, "release")
    setattr(room, name, Counter(getattr(room, name), requests).count)
    front.privilegedStartService()
    front.startService()
    print("ready", flush=True)  # noqa: T201
    reactor.run()


if __name__ == "__main__":
    main()
