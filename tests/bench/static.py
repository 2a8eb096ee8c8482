"""A small static file from memory, beside servers that send it from disk; and page views, each a page and its files.

All servers are up at the same time, and are asked in turns. The rate is that of one wrk with one thread, with which a
server shares the machine; the CPU of a server for each request says what one core of it could do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from tests.bench import client, workloads
from tests.bench.peers import NginxGunicorn, NginxTracd, Ours, Peer, Tracd
from tests.processes import ProcessTree, free_port, wait_until

NAME = "harbour.css"
PATH = f"/chrome/site/{NAME}"
SIZE = 8192
CONNECTIONS = 64
VIEWERS = 8
OURS = Ours.name
SERVERS = ("nginx", "Apache", "Caddy")
"""Who sends the file from disk; those that are not installed are left out."""

_LUA = Path(__file__).with_name("views.lua")
_ASSET = re.compile(r'(?:href|src)="(/chrome/[^"]+)"')
_BROWSER = ("-H", "Accept-Encoding: gzip, deflate, br", "-H", f"Cookie: {client.COOKIE}")

_NGINX = """\
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ worker_connections 1024; }}
http {{
  types {{ text/css css; }} access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location /chrome/site/ {{ alias {htdocs}/; }} }}
}}
"""
_APACHE = """\
ServerRoot /usr/lib/apache2
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule alias_module modules/mod_alias.so
LoadModule mime_module modules/mod_mime.so
TypesConfig /etc/mime.types
MaxKeepAliveRequests 0
Alias /chrome/site/ {htdocs}/
<Directory {htdocs}/>
  Require all granted
  AllowOverride None
</Directory>
"""
_CADDY = """\
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  handle_path /chrome/site/* {{
    root * {htdocs}
    file_server
  }}
}}
"""
_HAPROXY = """\
global
  nbthread {cores}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend here
  bind 127.0.0.1:{port}
  default_backend workers
backend workers
  balance leastconn
  option http-server-close
{servers}
"""


@dataclass(frozen=True)
class Hits:
    """One measurement: requests a second of one server, and its CPU for each, in microseconds."""

    server: str
    rate: float
    cpu: float
    errors: int


@dataclass(frozen=True)
class Views:
    """One measurement: page views a second of one server, each of so many requests."""

    server: str
    rate: float
    requests: int
    errors: int


class HaproxyTracd(NginxTracd):
    """HAProxy before N tracds, which send their static files themselves."""

    name = "HAProxy + tracd"
    about = "HAProxy 'leastconn' before N tracds"

    def nginx(self, servers: list[str]) -> None:
        """Start HAProxy before these servers."""
        lines = "\n".join(f"  server w{number} {server}" for number, server in enumerate(servers))
        path = self.folder / "haproxy.cfg"
        path.write_text(_HAPROXY.format(port=self.port, cores=os.cpu_count(), servers=lines))
        self.run("haproxy", "-db", "-f", str(path))


VIEWED: tuple[type[Peer], ...] = (Tracd, HaproxyTracd, NginxTracd, NginxGunicorn, Ours)


# -- one file


def hits(environment: Path, folder: Path, workers: int, seconds: float, reps: int) -> list[Hits]:
    """Measure a style sheet of 8 KiB on every server in turn."""
    file = environment / "htdocs" / NAME
    file.write_bytes((b"body { color: navy; }\n" * SIZE)[:SIZE])
    folder = folder / "static"
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Hits] = []
    with ExitStack() as stack:
        peer = Ours(environment, folder, workers)
        stack.callback(peer.stop)
        peer.start()
        peer.wait_until_serving(PATH)
        wait_until(lambda: b"vary: accept-encoding" in _head(peer.port), 20, "a file in memory")
        turns = [(OURS, peer.port, psutil.Process(peer.trees[0].pid))]
        for name, start in _STARTS.items():
            if (started := start(folder, free_port(), file.parent)) is not None:
                stack.callback(started[0].kill)
                wait_until(lambda at=started[1]: client.status(at, PATH) == 200, 20, name)  # type: ignore[misc]
                turns.append((name, started[1], psutil.Process(started[0].pid)))
        for repetition in range(reps):
            for name, port, process in turns if repetition % 2 == 0 else turns[::-1]:
                before = _cpu(process, own=name == OURS)
                load = client.wrk(port, PATH, CONNECTIONS, seconds)
                cpu = (_cpu(process, own=name == OURS) - before) * 1e6 / max(1, load.requests)
                found.append(Hits(name, load.rate, cpu, load.errors))
    return found


def _head(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}", timeout=10) as answer:
        return str(answer.headers).lower().encode()


def _cpu(process: psutil.Process, own: bool) -> float:
    """Give the CPU seconds of a server, of ours without its workers: they have nothing to do."""
    processes = [process] if own else [process, *process.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in processes)


Started = tuple[ProcessTree, int] | None


def _start(
    program: str, text: str, argv: Callable[[Path], list[str]], folder: Path, port: int, htdocs: Path
) -> Started:
    if shutil.which(program) is None:
        return None
    user = "user root;" if os.geteuid() == 0 else ""
    path = folder / f"{program}.conf"
    path.write_text(text.format(folder=folder, port=port, htdocs=htdocs, user=user))
    return ProcessTree([program, *argv(path)], folder / f"{program}.log", {"HOME": str(folder)}), port


def _nginx(folder: Path, port: int, htdocs: Path) -> Started:
    return _start("nginx", _NGINX, lambda path: ["-e", f"{folder}/error.log", "-c", str(path)], folder, port, htdocs)


def _apache(folder: Path, port: int, htdocs: Path) -> Started:
    return _start("apache2", _APACHE, lambda path: ["-DFOREGROUND", "-f", str(path)], folder, port, htdocs)


def _caddy(folder: Path, port: int, htdocs: Path) -> Started:
    argv = ["run", "--adapter", "caddyfile", "--config"]
    return _start("caddy", _CADDY, lambda path: [*argv, str(path)], folder, port, htdocs)


_STARTS = dict(zip(SERVERS, (_nginx, _apache, _caddy), strict=True))


# -- page views


def views(environment: Path, folder: Path, workers: int, seconds: float, reps: int) -> list[Views]:
    """Measure a wiki page with all files that it names, on every server in turn."""
    found: list[Views] = []
    kinds = [kind for kind in VIEWED if kind is not HaproxyTracd or shutil.which("haproxy")]
    with ExitStack() as stack:
        peers = [kind(environment, folder / "views", workers) for kind in kinds]
        for peer in peers:
            stack.callback(peer.stop)
            peer.start()
        for peer in peers:
            peer.wait_until_serving(workloads.WIKI)
        addresses = view(peers[-1].port)
        script = folder / "views" / "addresses"
        script.write_text("\n".join(addresses) + "\n")
        for peer in peers:
            _visit(peer.port, script, 1.0)
        for repetition in range(reps):
            for peer in peers if repetition % 2 == 0 else peers[::-1]:
                load = _visit(peer.port, script, seconds)
                found.append(Views(peer.name, load.rate / len(addresses), len(addresses), load.errors))
    return found


def view(port: int) -> list[str]:
    """Give the address of a page, and those of all files that it names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{workloads.WIKI}", timeout=30) as answer:
        page = answer.read().decode()
    return [workloads.WIKI, *dict.fromkeys(_ASSET.findall(page))]


def _visit(port: int, script: Path, seconds: float) -> client.Load:
    whole = max(1, round(seconds))
    argv = ["wrk", "-t1", f"-c{VIEWERS}", f"-d{whole}s", "--timeout", "30s", "--latency", *_BROWSER, "-s", str(_LUA)]
    done = subprocess.run(
        [*argv, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=whole + 40, check=True,
        env={**os.environ, "VIEWS": str(script)},
    )  # fmt: skip
    found = json.loads(done.stdout.rpartition("JSON ")[2])
    return client.Load(found["requests"], found["us"] / 1e6, found["p50"], found["p99"], found["errors"], 0.0)


# -- what came of it


def middle(samples: list[Hits], server: str, part: str) -> float | None:
    """Give the median of one server."""
    found = [getattr(sample, part) for sample in samples if sample.server == server]
    return median(found) if found else None


def hits_ratio(samples: list[Hits], server: str, of_a_core: bool) -> float | None:
    """Give ours to a server's, repetition by repetition: what it came to, or what one core of each could do."""

    def values(name: str) -> list[float]:
        return [1e6 / each.cpu if of_a_core else each.rate for each in samples if each.server == name]

    found = [ours / theirs for ours, theirs in zip(values(OURS), values(server), strict=False)]
    return median(found) if found else None


def views_of(samples: list[Views], server: str) -> list[float]:
    """Give the page views a second of one server, repetition by repetition."""
    return [sample.rate for sample in samples if sample.server == server]


def views_ratio(samples: list[Views], server: str) -> float | None:
    """Give ours to a server's, repetition by repetition."""
    found = [
        one / other for one, other in zip(views_of(samples, OURS), views_of(samples, server), strict=False) if other
    ]
    return median(found) if found else None
