"""nginx, HAProxy and Apache with the very files of ``deploy/``, but for their ports and certificates."""

from __future__ import annotations

import csv
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT, ProcessTree, wait_until

HERE = "127.0.0.1"
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
START = 20.0

NGINX = """\
{user}
worker_processes 1;
pid {folder}/pid;
error_log stderr;
{modules}
events {{ worker_connections 100; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    {http}
}}
{stream}
"""
"""What Debian's nginx.conf does around the files that an operator adds."""

APACHE = """\
ServerRoot /usr/lib/apache2
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog /dev/stderr
User nobody
Group #65534
Listen {here}:{port}
Listen {here}:{plain}
{modules}
Include {include}
"""
APACHE_MODULES = (
    "mpm_event", "authz_core", "alias", "headers", "proxy", "proxy_http", "ssl", "socache_shmcb",
)  # fmt: skip
"""What Debian has by default of them, and what the file says to enable."""


@dataclass(frozen=True)
class Files:
    """A certificate with its key: in two files, and in one."""

    chain: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Place:
    """Where a proxy stands: the port for HTTPS, that for plain HTTP, and ours behind it."""

    folder: Path
    port: int
    plain: int
    inner: int
    files: Files


Start = Callable[[Place], ProcessTree]


def adapted(name: str, changes: Mapping[str, str]) -> str:
    """Give a file of ``deploy/`` with what an operator has to change, all of which must be there."""
    text = (ROOT / "deploy" / name).read_text()
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in deploy/{name}"
        text = text.replace(old, new)
    return text


def nginx(changes: Mapping[str, str] | None = None) -> Start:
    """Start nginx as an HTTP proxy."""

    def start(place: Place) -> ProcessTree:
        site = adapted(
            "nginx/tracd-cluster.conf",
            {
                "listen 80;": f"listen {HERE}:{place.plain};",
                "listen 443 ssl": f"listen {HERE}:{place.port} ssl",
                "server 127.0.0.1:8000;": f"server {HERE}:{place.inner};",
                "/etc/letsencrypt/live/trac.example.org/fullchain.pem": str(place.files.chain),
                "/etc/letsencrypt/live/trac.example.org/privkey.pem": str(place.files.key),
                **(changes or {}),
            },
        )
        return _run_nginx(place, http=site)

    return start


def nginx_stream(place: Place) -> ProcessTree:
    """Start nginx as a proxy of whole connections."""
    changes = {
        "listen 443;": f"listen {HERE}:{place.port};",
        "proxy_pass 127.0.0.1:8443;": f"proxy_pass {HERE}:{place.inner};",
    }
    modules = f"load_module {STREAM_MODULE};"
    return _run_nginx(place, modules=modules, stream=adapted("nginx/tracd-cluster-stream.conf", changes))


def _run_nginx(place: Place, modules: str = "", http: str = "", stream: str = "") -> ProcessTree:
    # Its workers read the tests' folder, which belongs to whoever runs the tests.
    user = "user root;" if os.geteuid() == 0 else ""
    main = place.folder / "nginx.conf"
    main.write_text(NGINX.format(folder=place.folder, user=user, modules=modules, http=http, stream=stream))
    return _started(["nginx", "-p", str(place.folder), "-c", str(main), "-g", "daemon off;"], place)


def haproxy(place: Place) -> ProcessTree:
    """Start HAProxy as an HTTP proxy."""
    changes = {
        "bind :80\n": f"bind {HERE}:{place.plain}\n",
        "bind :443 ": f"bind {HERE}:{place.port} ",
        "/etc/haproxy/trac.example.org.pem": str(place.files.both),
        "127.0.0.1:8000 check": f"{HERE}:{place.inner} check inter 200ms",
    }
    return _run_haproxy(place, adapted("haproxy/haproxy.cfg", changes | LOG))


def haproxy_tcp(how: str, more: str = "") -> Start:
    """Start HAProxy as a proxy of whole connections; ``how`` is ``send-proxy`` or ``send-proxy-v2``."""

    def start(place: Place) -> ProcessTree:
        changes = {
            "bind :443": f"bind {HERE}:{place.port}",
            "127.0.0.1:8443 send-proxy-v2 check": f"{HERE}:{place.inner} {how} check inter 200ms {more}",
        }
        return _run_haproxy(place, adapted("haproxy/haproxy-tcp.cfg", changes | LOG))

    return start


LOG = {"log /dev/log local0": "log stdout format raw local0"}


def _run_haproxy(place: Place, text: str) -> ProcessTree:
    main = place.folder / "haproxy.cfg"
    main.write_text(text.replace("global\n", f"global\n    stats socket {place.folder}/stats\n", 1))
    return _started(["haproxy", "-db", "-f", str(main)], place)


def check_of_haproxy(place: Place) -> str:
    """Give what HAProxy's last check of ours has found, as in ``L7OK``; empty or with an asterisk before it ends."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(f"{place.folder}/stats")
        asking.sendall(b"show stat\n")
        answer = b"".join(iter(lambda: asking.recv(65536), b"")).decode()
    rows = list(csv.DictReader(answer.removeprefix("# ").splitlines()))
    return next(row["check_status"] for row in rows if row["svname"] == "one")


def apache(place: Place) -> ProcessTree:
    """Start Apache's httpd as an HTTP proxy."""
    include, main = place.folder / "site.conf", place.folder / "apache2.conf"
    changes = {
        "<VirtualHost *:443>": f"<VirtualHost {HERE}:{place.port}>",
        "<VirtualHost *:80>": f"<VirtualHost {HERE}:{place.plain}>",
        "/etc/letsencrypt/live/trac.example.org/fullchain.pem": str(place.files.chain),
        "/etc/letsencrypt/live/trac.example.org/privkey.pem": str(place.files.key),
        'http://127.0.0.1:8000/" nocanon': f'http://{HERE}:{place.inner}/" nocanon',
    }
    include.write_text(adapted("apache/tracd-cluster.conf", changes))
    modules = "\n".join(f"LoadModule {name}_module modules/mod_{name}.so" for name in APACHE_MODULES)
    main.write_text(
        APACHE.format(
            folder=place.folder, here=HERE, port=place.port, plain=place.plain, modules=modules, include=include
        )
    )
    return _started(["apache2", "-f", str(main), "-DFOREGROUND"], place)


def _started(argv: list[str], place: Place) -> ProcessTree:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    tree = ProcessTree(argv, place.folder / "output", {"PATH": path})

    def listens() -> bool:
        assert tree.process.poll() is None, f"{argv[0]} ended at its start:\n{tree.output.read_text()}"
        with suppress(OSError), socket.create_connection((HERE, place.port), 5):
            return True
        return False

    try:
        wait_until(listens, START, f"the port of {argv[0]}")
    except BaseException:
        tree.kill()
        raise
    return tree
