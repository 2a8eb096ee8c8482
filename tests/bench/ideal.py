"""What workers could do with no front at all: Trac's ``dispatch_request``, warm and frozen, called in a loop.

As a program (``python -m tests.bench.ideal ENV``) this is one such worker: it says that it is ready, and for each line
``PATH SECONDS`` on its input it writes how many pages it made. ``Ideal`` runs several of them at once.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import Any

from tests.bench import client
from tests.bench.workloads import Sample, Workload, busy
from tests.processes import ROOT

WARM = 80
"""A worker freezes for the last time after 60 requests."""


class Ideal:
    """As many loops at once as there are workers."""

    name = "no front"

    def __init__(self, environment: Path, workers: int) -> None:
        argv = [sys.executable, "-m", "tests.bench.ideal", str(environment)]
        self._loops = [
            subprocess.Popen(
                argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            for _ in range(workers)
        ]

    def wait_until_ready(self) -> None:
        """Wait until every loop is warm."""
        for loop in self._loops:
            self._line(loop)

    def measure(self, workload: Workload, seconds: float) -> Sample:
        """Let all loops make a workload's page, and see what it cost."""
        machine, begin = busy(), monotonic()
        for loop in self._loops:
            assert loop.stdin is not None
            loop.stdin.write(f"{workload.path} {seconds}\n")
            loop.stdin.flush()
        found = [json.loads(self._line(loop)) for loop in self._loops]
        pages, cpu = (sum(each[name] for each in found) for name in ("requests", "cpu"))
        return Sample(
            peer=self.name,
            workload=workload.name,
            rate=sum(each["requests"] / each["seconds"] for each in found),
            p50=0.0,
            p99=0.0,
            errors=0,
            cpu_front=0.0,
            cpu_workers=cpu * 1e3 / pages,
            others=max(0.0, busy() - machine - cpu) / (monotonic() - begin),
        )

    def _line(self, loop: subprocess.Popen[str]) -> str:
        assert loop.stdout is not None
        line = loop.stdout.readline()
        if not line:
            raise RuntimeError(f"a loop without a front ended with status {loop.wait()}")
        return line

    def stop(self) -> None:
        """End the loops."""
        for loop in self._loops:
            loop.kill()
        for loop in self._loops:
            loop.communicate()


def frozen_trac(environment: str) -> Callable[[str], None]:
    """Make Trac ready as the template and a worker do, and give what makes one page."""
    from tracd_cluster.settings.pool import ProjectSettings
    from tracd_cluster.tracd.link import Configuration
    from tracd_cluster.tracd.preparation import Preparation

    projects = ProjectSettings(env_paths=(environment,), single_env=True)
    preparation = Preparation(Configuration(generation=1, projects=projects))
    preparation.in_template()
    service = preparation.service()
    make = page_maker(service.environ)
    for _ in range(WARM):
        make("/wiki/WikiStart")
        if service.freezer is not None:
            service.freezer.request_ended()
    return make


def page_maker(constant: dict[str, Any]) -> Callable[[str], None]:
    """Give a function that makes a page and throws it away."""
    from trac.web.main import dispatch_request

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
        if not status.startswith("200"):
            raise RuntimeError(f"status {status}")
        return len

    def make(path: str) -> None:
        path, _, query = path.partition("?")
        request = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": client.COOKIE,
            "wsgi.input": io.BytesIO(),
        }
        answer = dispatch_request({**constant, **request}, start_response)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()

    return make


def main() -> None:
    """Be one worker."""
    make = frozen_trac(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        path, seconds = line.split()
        requests, begin, cpu = 0, perf_counter(), process_time()
        while perf_counter() < begin + float(seconds):
            make(path)
            requests += 1
        found = {"requests": requests, "seconds": perf_counter() - begin, "cpu": process_time() - cpu}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
