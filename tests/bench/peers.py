"""The servers that are compared: how each is started, and which of its processes are its front and its workers.

All serve the same environment with the same number of workers, and all that are compared are up at the same time.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

import psutil

from tests.bench import client
from tests.integration.cluster import TEMPLATE_TITLE, WORKER_TITLE
from tests.processes import ProcessTree, free_port, title, wait_until

START = 60.0
HELLO = "tests.bench.hello:application"
BIN = Path(sys.executable).parent

NGINX_CONF = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes {cores}; {user}
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types; default_type application/octet-stream;
  access_log off; sendfile on; tcp_nopush on; client_max_body_size 64m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {zones}
  upstream workers {{ least_conn; {servers} }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location /chrome/common/ {{ alias {htdocs}/; }}
    location / {{
      {limits}
      proxy_pass http://workers; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""
"""As an operator sets it up: Trac's own static files from disk, everything else to the worker with the least to do.

Connections to workers are not kept: a kept one to a tracd answers 44 ms late (two small writes meet Nagle's
algorithm). A worker that refuses is asked again (max_fails=0), or the first seconds would be lost to 502.
"""


class Peer:
    """One server with its workers."""

    name = ""
    about = ""

    def __init__(self, environment: Path, folder: Path, workers: int, application: str | None = None) -> None:
        self.environment = environment
        self.folder = folder / self.name.replace(" ", "")
        self.count = workers
        self.application = application
        """Serve this instead of Trac."""
        self.options: list[str] = []
        """More options of the server."""
        self.port = 0
        self.trees: list[ProcessTree] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    # -- starting and stopping

    def start(self) -> None:
        """Start it, on a port that was free; it may not serve yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.trees = []
        self.launch()

    def launch(self) -> None:
        """Start the processes."""
        raise NotImplementedError

    def run(self, *argv: str, variables: Mapping[str, str] | None = None) -> ProcessTree:
        """Start one program of this server."""
        tree = ProcessTree(list(argv), self.folder / "output.log", variables)
        self.trees.append(tree)
        return tree

    def wait_until_serving(self, path: str, deadline: float = START) -> float:
        """Wait for the first 200, and give the seconds it took."""
        begin = monotonic()
        wait_until(
            lambda: self._alive() and client.status(self.port, path) == 200, deadline, f"{self.name}'s first page"
        )
        return monotonic() - begin

    def _alive(self) -> bool:
        for tree in self.trees:
            if (status := tree.process.poll()) is not None:
                output = tree.output.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} ended with status {status}:\n{output}")
        return True

    def stop(self) -> None:
        """End it and everything that came of it."""
        for tree in self.trees:
            with contextlib.suppress(ProcessLookupError):
                tree.process.terminate()
        for tree in self.trees:
            with contextlib.suppress(Exception):
                tree.wait(5)
        for tree in self.trees:
            tree.kill()
        self.trees = []

    # -- its processes

    def processes(self) -> list[psutil.Process]:
        """Give all its processes."""
        return [process for tree in self.trees for process in tree.alive()]

    def workers(self) -> list[psutil.Process]:
        """Give the processes that run the application."""
        raise NotImplementedError

    def front(self) -> list[psutil.Process]:
        """Give the processes that stand before the workers."""
        raise NotImplementedError

    def python_children(self, tree: ProcessTree) -> list[psutil.Process]:
        """Give a tree's second generation, without the git processes that come and go."""
        return [process for process in tree.children() if "git" not in title(process).split(" ")[0]]


class Tracd(Peer):
    """Trac's own server: one process, a thread for each connection."""

    name = "tracd"
    about = "one process, a thread for each connection"

    def launch(self) -> None:
        self.tracd(self.port)

    def tracd(self, port: int) -> None:
        """Start one tracd."""
        where = ["-b", "127.0.0.1", "-p", str(port)]
        self.run(str(BIN / "tracd"), "--http11", *where, *self.options, "-s", str(self.environment))

    def workers(self) -> list[psutil.Process]:
        return [psutil.Process(self.trees[0].pid)]

    def front(self) -> list[psutil.Process]:
        return []


class NginxTracd(Tracd):
    """What the manual tells to do for more speed: several tracds behind nginx."""

    name = "nginx + tracd"
    about = "nginx 'least_conn' before N tracds"
    zones = limits = ""
    """What else stands in nginx's configuration."""

    def launch(self) -> None:
        ports = [free_port() for _ in range(self.count)]
        for port in ports:
            self.tracd(port)
        self.nginx([f"127.0.0.1:{port}" for port in ports])

    def nginx(self, servers: list[str]) -> None:
        """Start nginx before these servers."""
        import trac

        text = NGINX_CONF.format(
            folder=self.folder,
            port=self.port,
            cores=os.cpu_count(),
            user="user root;" if os.geteuid() == 0 else "",
            zones=self.zones,
            limits=self.limits,
            servers=" ".join(f"server {server} max_fails=0;" for server in servers),
            htdocs=Path(trac.__file__).parent / "htdocs",
        )
        path = self.folder / "nginx.conf"
        path.write_text(text)
        self.run("nginx", "-e", str(self.folder / "error.log"), "-c", str(path))

    def workers(self) -> list[psutil.Process]:
        return [psutil.Process(tree.pid) for tree in self.trees[:-1]]

    def front(self) -> list[psutil.Process]:
        return self.trees[-1].alive()


class Gunicorn(Peer):
    """gunicorn's sync workers on Trac's WSGI application."""

    name = "gunicorn"
    about = "sync workers, `trac.web.main:dispatch_request`"

    def launch(self) -> None:
        self.gunicorn(f"127.0.0.1:{self.port}")

    def gunicorn(self, address: str) -> None:
        """Start gunicorn."""
        options = ["-w", str(self.count), "-b", address, "--timeout", "60", "--backlog", "1024"]
        application = self.application or "trac.web.main:dispatch_request"
        self.run(str(BIN / "gunicorn"), *options, application, variables={"TRAC_ENV": str(self.environment)})

    def workers(self) -> list[psutil.Process]:
        return self.python_children(self.trees[0])

    def front(self) -> list[psutil.Process]:
        return [psutil.Process(self.trees[0].pid)]


class NginxGunicorn(Gunicorn, NginxTracd):
    """gunicorn where its own manual wants it: behind nginx."""

    name = "nginx + gunicorn"
    about = "nginx before gunicorn on a unix socket"

    def launch(self) -> None:
        socket = self.folder / "gunicorn.sock"
        socket.unlink(missing_ok=True)
        self.gunicorn(f"unix:{socket}")
        self.nginx([f"unix:{socket}"])

    def front(self) -> list[psutil.Process]:
        return self.trees[1].alive()


class Ours(Peer):
    """Ours: the front and its warm workers."""

    name = "tracd-cluster"
    about = "this package"
    more: Sequence[str] = ()
    """Options beyond what all servers are asked for."""
    limits: Sequence[str] = ("--client-requests", "0", "--client-rate", "0", "--client-connections", "0")
    """What a client may have: anything, for in most parts all clients have one address."""

    def launch(self) -> None:
        twistd = [str(BIN / "twistd"), "--nodaemon", "--pidfile="]
        options = ["--workers", str(self.count), "-b", "127.0.0.1", "-p", str(self.port)]
        options += [*self.limits, *self.more]
        if self.application:
            options += ["--application", self.application]
        self.run(*twistd, "tracd-cluster", *options, *self.options, "-s", str(self.environment))

    def templates(self) -> list[psutil.Process]:
        """Give the processes that workers are forked from."""
        return [process for process in self.trees[0].children() if TEMPLATE_TITLE.search(title(process))]

    def workers(self) -> list[psutil.Process]:
        found = [child for template in self.templates() for child in self.trees[0].children(template.pid)]
        return [process for process in found if WORKER_TITLE.match(title(process))]

    def front(self) -> list[psutil.Process]:
        return [psutil.Process(self.trees[0].pid)]


PAGES = (Tracd, NginxTracd, Gunicorn, Ours)
FRONTS = (Gunicorn, NginxGunicorn, Ours)
