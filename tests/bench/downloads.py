"""Large files to one client, plain and encrypted, in turns with nginx; and how long others wait beside four."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import monotonic

from tests.bench import client
from tests.bench.tls import OursTls, files
from tests.processes import ProcessTree, free_port, wait_until

SIZE = 100_000_000
NAME = "large.bin"
PATH = f"/chrome/site/{NAME}"
CLIENTS = 4
"""Downloads at a time, while somebody else asks for pages."""
PROBES = 200

OURS, NGINX = "tracd-cluster", "nginx"
PLAIN, ENCRYPTED = "plain", "over TLS"

_CONF = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{https_port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location /chrome/site/ {{ alias {htdocs}/; }}
  }}
}}
"""


@dataclass(frozen=True)
class Download:
    """One download: how, from whom, how many million bytes a second."""

    how: str
    server: str
    rate: float


@dataclass(frozen=True)
class Beside:
    """What another client waits for a small file that needs a worker, in milliseconds; alone, and beside downloads."""

    how: str
    alone: float
    p50: float
    p99: float
    worst: float


def measure(environment: Path, folder: Path, workers: int, reps: int) -> tuple[list[Download], list[Beside]]:
    """Measure the rates, server after server in each repetition, and then the waiting."""
    large = environment / "htdocs" / NAME
    write(large)
    peer = OursTls(environment, folder, workers)
    peer.start()
    found: list[Download] = []
    theirs: ProcessTree | None = None
    try:
        peer.wait_until_serving(PATH)
        theirs, port, https_port = nginx(peer.folder, large.parent)
        ours = {PLAIN: f"http://127.0.0.1:{peer.port}", ENCRYPTED: f"https://127.0.0.1:{peer.https_port}"}
        rival = {PLAIN: f"http://127.0.0.1:{port}", ENCRYPTED: f"https://127.0.0.1:{https_port}"}
        for how in (PLAIN, ENCRYPTED):
            turns = [(OURS, ours[how]), (NGINX, rival[how])]
            for _, url in turns:
                fetch(url)  # the file is in memory, and all is warm
            for repetition in range(reps):
                for server, url in turns if repetition % 2 == 0 else turns[::-1]:
                    found.append(Download(how, server, fetch(url) / 1e6))
        beside = [waiting(how, ours[how], peer.port) for how in (PLAIN, ENCRYPTED)]
    finally:
        peer.stop()
        if theirs is not None:
            theirs.kill()
        large.unlink()
    return found, beside


def write(path: Path) -> None:
    """Write a file that no filesystem stores as less."""
    piece = os.urandom(1_000_000)
    with path.open("wb") as file:
        for _ in range(SIZE // len(piece)):
            file.write(piece)


def nginx(folder: Path, htdocs: Path) -> tuple[ProcessTree, int, int]:
    """Start nginx, as an operator sets it up for files."""
    port, https_port = free_port(), free_port()
    certificate, key = files(folder, OursTls.kind)
    user = "user root;" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(
        _CONF.format(
            folder=folder, port=port, https_port=https_port, certificate=certificate, key=key, htdocs=htdocs, user=user
        )
    )
    tree = ProcessTree(["nginx", "-e", str(folder / "error.log"), "-c", str(path)], folder / "nginx.log")
    wait_until(lambda: client.status(port, "/chrome/site/") == 403, 10, "nginx")
    return tree, port, https_port


def _curl(url: str) -> list[str]:
    return ["curl", "-sSk", "-o", "/dev/null", "-w", "%{speed_download} %{size_download}", "--max-time", "60", url]


def fetch(url: str) -> float:
    """Download the file, and give the bytes a second."""
    done = subprocess.run(_curl(url + PATH), capture_output=True, text=True, check=True)
    rate, size = done.stdout.split()
    if int(size) != SIZE:
        raise RuntimeError(f"{size} bytes came of {url}: {done.stderr}")
    return float(rate)


def waiting(how: str, url: str, port: int) -> Beside:
    """Ask for a small file again and again, alone and while others download."""
    alone = sorted(probe(port) for _ in range(PROBES))
    slow = [*_curl(url + PATH)[:-1], "--limit-rate", "400M"]
    downloads = [subprocess.Popen([*slow, *[url + PATH] * 50], stdout=subprocess.DEVNULL) for _ in range(CLIENTS)]
    try:
        beside = sorted(probe(port) for _ in range(PROBES))
    finally:
        for download in downloads:
            download.terminate()
            download.wait()
    return Beside(how, median(alone), median(beside), quantiles(beside, n=100)[98], beside[-1])


def probe(port: int) -> float:
    """Ask for a small file, and give the milliseconds."""
    begin = monotonic()
    if client.status(port, "/chrome/common/trac.ico") != 200:
        raise RuntimeError("a small file did not come")
    return (monotonic() - begin) * 1e3


def middle(found: Iterable[Download], how: str, server: str) -> float:
    """Give the median rate of a server."""
    return median(each.rate for each in found if (each.how, each.server) == (how, server))


def ratio(found: list[Download], how: str) -> float:
    """Give our median rate by nginx's."""
    return middle(found, how, OURS) / middle(found, how, NGINX)
