"""The service of the drill: by HTTP and HTTPS, with a plugin, a certificate and folders of its own to look into."""

from __future__ import annotations

import contextlib
import http.client
import re
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import trustme

from tests.certificates import ca_file, chain_of, issue, key_of, put
from tests.integration.daemon import Daemon, running
from tests.processes import free_port, wait_until
from tracd_cluster.operating.ctl import Unreachable

WORKERS = 2
LONG_PATH = "/chrome/site/long.bin"
SOON = 60.0
"""Seconds in which every change is to be seen, on a machine that runs other tests as well."""

PLUGIN = '''
import os, pathlib, threading
from trac.core import Component, implements
from trac.ticket.model import Ticket
from trac.web.api import IRequestHandler

class Drill(Component):
    """Says a word, and holds a request in the middle of its work until its worker is killed."""

    implements(IRequestHandler)

    def match_request(self, req):
        return req.path_info in ("/drill/word", "/drill/hold")

    def process_request(self, req):
        if req.method == "POST":
            ticket = Ticket(self.env)
            ticket["summary"] = req.args["summary"]
            with self.env.db_transaction:
                ticket.insert()
                if req.args["when"] == "within":
                    self.hold(req)
            self.hold(req)
        req.send(b"%s", "text/plain")

    def hold(self, req):
        mark = pathlib.Path(req.args["mark"])
        draft = mark.with_name("draft")
        draft.write_text(str(os.getpid()))
        draft.rename(mark)
        threading.Event().wait(30)
'''


class Site:
    """A daemon under a drill, and how to see what it has taken up."""

    def __init__(self, daemon: Daemon, env: Path, folder: Path, https_port: int) -> None:
        self.daemon = daemon
        self.env = env
        self.folder = folder
        self.https_port = https_port
        self.kills = 0
        """Workers that were killed: as many requests may have been under way."""

    @property
    def context(self) -> ssl.SSLContext:
        """Make a client that trusts the authority and looks at no name."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.check_hostname = False
        return context

    # -- what is there

    def report(self) -> dict[str, Any]:
        """Give its status; nothing while one front follows the other."""
        with contextlib.suppress(Unreachable):
            return self.daemon.ask("status").report or {}
        return {}

    def at_rest(self) -> dict[int, int]:
        """Give the processes of the workers by number, if all are ready, and of the only template; else nothing."""
        report = self.report()
        templates = live(report)
        if [template["life"] for template in templates] != ["ready"]:
            return {}
        [template], workers = templates, report["workers"]
        if template["generation"] < report["generation_wanted"] or len(workers) != report["workers_wanted"]:
            return {}
        good = all(one["life"] == "ready" and one["generation"] == template["generation"] for one in workers)
        return {one["number"]: one["pid"] for one in workers} if good else {}

    def template(self) -> int:
        """Give the process of the newest template."""
        return int(live(self.report())[-1]["pid"])

    def generation(self) -> int:
        """Give the newest generation."""
        return max((int(template["generation"]) for template in live(self.report())), default=0)

    def rest(self) -> dict[int, int]:
        """Wait until one generation serves and nothing else is left; give the workers' processes by number."""
        return wait_until(self.at_rest, SOON, f"the rest of {self.daemon!r}:\n{self.daemon.log}")

    def rest_after(self, generation: int) -> dict[int, int]:
        """Wait until a later generation than this serves alone."""
        what = f"a generation after {generation}:\n{self.daemon.log}"
        wait_until(lambda: self.generation() > generation, SOON, what)
        return self.rest()

    # -- what clients see

    @property
    def plugin(self) -> Path:
        """The plugin that is edited."""
        return self.env / "plugins" / "drill.py"

    @property
    def ini(self) -> Path:
        """The settings of the environment."""
        return self.env / "conf" / "trac.ini"

    def says(self, word: str) -> Callable[[], bool]:
        """Tell whether the plugin's page says this word."""
        return lambda: self.daemon.get("/drill/word") == word.encode()

    def shown(self) -> bytes:
        """Give the certificate that a client is shown now."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.https_port, timeout=20, context=self.context)
        with contextlib.closing(connection):
            connection.connect()
            assert isinstance(connection.sock, ssl.SSLSocket)
            return connection.sock.getpeercert(binary_form=True) or b""

    # -- what is changed

    def save_plugin(self, word: str) -> None:
        """Have the plugin say another word."""
        save(self.plugin, PLUGIN % word)

    def save_certificate(self, leaf: trustme.LeafCert) -> bytes:
        """Put another certificate in the place of the one that is there; give it as clients see it."""
        put(self.folder / "site.pem", chain_of(leaf) + key_of(leaf))
        return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())

    def name_project(self, name: str) -> None:
        """Give the project another name, in trac.ini."""
        text, count = re.subn(r"(?m)(^\[project\]\n(?:.*\n)*?name = ).*", rf"\g<1>{name}", self.ini.read_text())
        assert 1 == count
        save(self.ini, text)


def live(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the templates that run; of one that has failed the record is kept."""
    return [template for template in report.get("templates", ()) if template["life"] != "exited"]


def save(file: Path, text: str) -> None:
    """Write beside and rename, as most editors do."""
    new = file.with_name(f".{file.name}.tmp")
    new.write_text(text)
    new.rename(file)


@contextlib.contextmanager
def running_site(folder: Path, env: Path, variables: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Run the service, with folders for what it leaves for a moment or for its life."""
    for name in ("temporary", "runtime"):
        (folder / name).mkdir()
    (env / "plugins" / "drill.py").write_text(PLUGIN % "first")
    ca_file(folder)
    leaf = issue("localhost", "127.0.0.1")
    put(folder / "site.pem", chain_of(leaf) + key_of(leaf))
    port = free_port()
    own = {"TMPDIR": str(folder / "temporary"), "RUNTIME_DIRECTORY": str(folder / "runtime"), **(variables or {})}
    https = ["--https-port", str(port), "--certfile", str(folder / "site.pem")]
    options = ["-r", "--workers", str(WORKERS), "--control", "auto", "-s", str(env)]
    # twistd's own daemon: with tracd-cluster's -d there is no -r, as with tracd's.
    program = (str(Path(sys.executable).with_name("twistd")), f"--pidfile={folder / 'pid'}", "tracd-cluster")
    with running(folder, *https, *options, environment=own, program=program, daemonize=False) as daemon:
        assert 0 == daemon.tree.wait(SOON), f"{daemon.output}\n{daemon.log}"
        [daemon.socket] = wait_until(lambda: list((folder / "runtime").rglob("ctl.sock")), SOON, "the control socket")
        daemon.wait_until_ready(WORKERS)
        wait_until(daemon.watches, SOON, "the watch over files")
        yield Site(daemon, env, folder, port)
