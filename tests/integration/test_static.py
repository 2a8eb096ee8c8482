"""Static files of a real Trac: learned, answered without a worker, forgotten, and as a browser wants them."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import brotli
import pytest

from tests.integration.cluster import Answer, ClusterProcess
from tests.integration.conftest import CopyEnvironment, StartCluster
from tests.integration.daemon import ctl
from tests.integration.dropin.accounts import basic, htpasswd, set_option
from tests.integration.dropin.browser import Browser, chromium
from tests.processes import free_port, wait_until

CSS = "/chrome/common/css/trac.css"
COOKIE = {"Cookie": "trac_session=0123456789abcdef01234567", "Accept-Language": "de"}
ASSET = re.compile(r'(?:href|src)="((?:/[^"]*)?/chrome/[^"]+)"')
TYPES = {
    "css": {"text/css"}, "js": {"text/javascript", "application/javascript"}, "png": {"image/png"},
    "ico": {"image/x-icon", "image/vnd.microsoft.icon"}, "gif": {"image/gif"}, "svg": {"image/svg+xml"},
}  # fmt: skip


class Counted:
    """A service, and how many requests its workers have had."""

    def __init__(self, start: StartCluster, control: Path, *arguments: str) -> None:
        self.control = str(control / "ctl")
        self.cluster: ClusterProcess = start("--workers", "2", "--control", self.control, *arguments)

    @property
    def asked(self) -> int:
        """Give the requests that the workers that are there have had."""
        report = json.loads(ctl("--json", "--control", self.control, "status").stdout)["report"]
        return sum(worker["served"] for worker in report["workers"])

    def get(self, path: str, **fields: str) -> Answer:
        """Get something, as somebody with a cookie."""
        return self.cluster.get(path, {**COOKIE, **{name.replace("_", "-"): value for name, value in fields.items()}})

    def learned(self, path: str, having: str = "vary", **fields: str) -> Answer:
        """Get a file until its answer has this field: only what no worker hears of may vary."""
        answers: list[Answer] = []

        def has() -> bool:
            answers.append(self.get(path, **fields))
            return having in answers[-1].headers

        wait_until(has, 10, f"{path} learned")
        return answers[-1]


@pytest.fixture
def control() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ctl-") as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    ("base_path", "projects"), [("", ["one"]), ("/trac", ["one"]), ("", ["one", "two"]), ("/a/b", ["one", "two"])]
)
def test_no_worker_hears_of_a_known_file(
    base_path: str, projects: list[str], copy_env: CopyEnvironment, start_cluster: StartCluster, control: Path
) -> None:
    """With one project and several, with a base path and without; and it is the same file as from the worker."""
    envs = [str(copy_env(name)) for name in projects]
    single = len(envs) == 1
    options = ["--base-path", base_path] if base_path else []
    service = Counted(start_cluster, control, *options, *(["-s"] if single else []), *envs)
    assets: set[str] = set()
    for name in projects:
        root = base_path if single else f"{base_path}/{name}"
        page = service.get(f"{root}/wiki/WikiStart")
        assert 200 == page.status
        found = set(ASSET.findall(page.body.decode()))
        assert len(found) > 8
        assert all(each.startswith(f"{root}/chrome/") for each in found)
        assets |= found
    first = {asset: service.get(asset) for asset in assets}

    def known() -> bool:
        before = service.asked
        for asset in assets:
            service.get(asset)
        return service.asked == before

    wait_until(known, 20, "all of them learned")
    before = service.asked
    for asset in assets:
        again = service.get(asset)
        assert (200, first[asset].body) == (again.status, again.body)
        for name in ("content-type", "last-modified", "etag"):
            assert first[asset].headers[name] == again.headers[name]
        assert "set-cookie" not in again.headers
        assert 304 == service.get(asset, If_None_Match=again.headers["etag"]).status
        assert 304 == service.get(asset, If_Modified_Since=again.headers["last-modified"]).status
    assert before == service.asked


def test_compressed_forms_are_the_file(module_env: Path, start_cluster: StartCluster, control: Path) -> None:
    """Each as its client takes it, and from the plain one a part."""
    service = Counted(start_cluster, control, "-s", str(module_env))
    plain = service.learned(CSS)
    packed = service.learned(CSS, "content-encoding", Accept_Encoding="gzip")
    assert plain.body == gzip.decompress(packed.body)
    best = service.get(CSS, Accept_Encoding="gzip, deflate, br")
    assert "br" == best.headers["content-encoding"]
    assert plain.body == brotli.decompress(best.body)
    assert len(best.body) < len(packed.body) < len(plain.body) / 3
    part = service.get(CSS, Accept_Encoding="gzip", Range="bytes=5-14")
    assert (206, plain.body[5:15]) == (part.status, part.body)


def test_a_login_is_asked_for_before_a_file_is_given(
    module_env: Path, start_cluster: StartCluster, control: Path, tmp_path: Path
) -> None:
    """What is known makes no hole into a project that only its own people may see."""
    users = htpasswd(tmp_path / "users", {"admin": "harbour"})
    options = ("--basic-auth", f"*,{users},harbour", "--require-login", "--static-max-age", "3600")
    service = Counted(start_cluster, control, *options, "-s", str(module_env))
    for path in (CSS, CSS + "?v=1"):
        answer = service.learned(path, **basic("admin", "harbour"))
        assert (200, "private, max-age=3600") == (answer.status, answer.headers["cache-control"])
    assert 401 == service.get(CSS).status
    assert 401 == service.get(CSS, If_None_Match="*").status
    assert 401 == service.get(CSS, **basic("admin", "wrong")).status


def test_how_long_files_last(env: Path, start_cluster: StartCluster, control: Path) -> None:
    """As long as the operator says, and for a year if the name says what is in them."""
    (env / "htdocs" / "app-0a1b2c3d4e.css").write_text("body { color: navy }\n" * 100)
    service = Counted(start_cluster, control, "--static-max-age", "600", "-s", str(env))
    assert "public, max-age=600" == service.learned(CSS).headers["cache-control"]
    hashed = service.learned("/chrome/site/app-0a1b2c3d4e.css")
    assert "public, max-age=31536000, immutable" == hashed.headers["cache-control"]


@pytest.mark.parametrize("memory", ["32M", "0"])
def test_an_edited_file_is_seen(memory: str, env: Path, start_cluster: StartCluster, control: Path) -> None:
    """Within a second or so; one that has gone is gone, and a new one is found."""
    file = env / "htdocs" / "site.css"
    file.write_text("a {}\n" * 300)
    service = Counted(start_cluster, control, "--static-memory", memory, "-s", str(env))
    assert file.read_bytes() == service.learned("/chrome/site/site.css").body
    file.write_text("b {}\n" * 300)
    wait_until(lambda: service.get("/chrome/site/site.css").body == file.read_bytes(), 5, "the new content")
    assert file.read_bytes() == service.learned("/chrome/site/site.css").body
    file.unlink()
    wait_until(lambda: service.get("/chrome/site/site.css").status == 404, 5, "that it has gone")
    file.write_text("c {}\n" * 300)
    assert file.read_bytes() == service.get("/chrome/site/site.css").body


def test_a_new_generation_is_asked_again(env: Path, start_cluster: StartCluster, control: Path) -> None:
    """It may have another answer, such as none."""
    (env / "htdocs" / "site.css").write_text("a {}\n" * 300)
    service = Counted(start_cluster, control, "-s", str(env))
    service.learned("/chrome/site/site.css")
    plugin = """
from trac.core import Component, implements
from trac.web.api import HTTPNotFound, IRequestFilter

class NoSiteFiles(Component):
    implements(IRequestFilter)

    def pre_process_request(self, req, handler):
        if req.path_info.startswith("/chrome/site/"):
            raise HTTPNotFound("no more")
        return handler

    def post_process_request(self, req, template, data, metadata):
        return template, data, metadata
"""
    (env / "plugins" / "no_site_files.py").write_text(plugin)
    service.cluster.tree.signal(signal.SIGHUP)
    wait_until(lambda: service.get("/chrome/site/site.css").status == 404, 30, "the new generation's answer")
    assert 404 == service.get("/chrome/site/site.css").status
    assert 200 == service.learned(CSS).status


def test_files_elsewhere(env: Path, start_cluster: StartCluster, tmp_path: Path, control: Path) -> None:
    """Who has put Trac's own files on another server, by ``trac-admin deploy``, goes on like that.

    Pages lead there, and the rest, of the site and of plugins, comes from here; so do Trac's own at their old address.
    """
    target = tmp_path / "deployed"
    trac_admin = Path(sys.executable).with_name("trac-admin")
    subprocess.run([trac_admin, str(env), "deploy", str(target)], check=True, capture_output=True, timeout=60)
    (env / "htdocs" / "site.css").write_text("a {}\n" * 300)
    port = free_port()
    elsewhere = f"http://127.0.0.1:{port}/common"
    set_option(env, "htdocs_location", elsewhere)
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(target / "htdocs")]
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        try:
            service = Counted(start_cluster, control, "-s", str(env))
            page = service.get("/wiki/WikiStart").body.decode()
            assert f'href="{elsewhere}/css/trac.css"' in page
            assert '="/chrome/common/css/' not in page
            assert '="/chrome/common/js/' not in page
            there = wait_until(partial(_fetch, f"{elsewhere}/css/trac.css"), 10, "the other server")
            assert there == service.learned(CSS).body
            assert 200 == service.learned("/chrome/site/site.css").status
        finally:
            other.kill()


def _fetch(url: str) -> bytes:
    done = subprocess.run(["curl", "-sf", "--noproxy", "*", url], capture_output=True, timeout=10, check=False)
    return done.stdout


@pytest.mark.needs("chromium", "chromedriver")
def test_pages_in_a_browser(module_env: Path, start_cluster: StartCluster, control: Path, tmp_path: Path) -> None:
    """First view, second view, reload, forced reload: all files arrive, and a worker hears of the page alone."""
    users = htpasswd(tmp_path / "users", {"admin": "harbour"})
    service = Counted(start_cluster, control, "--basic-auth", f"*,{users},harbour", "-s", str(module_env))
    url = service.cluster.url
    with chromium("admin", "harbour") as browser:
        browser.open(f"{url}/login")
        assert "logged in as" in browser.text("#metanav")
        for page in ("/wiki/WikiStart", "/ticket/1", "/admin/general/basics"):
            browser.received()
            browser.open(url + page)
            check_files(browser, at_least=8)
            wait_until(partial(_forced_reload_asks_once, service, browser), 20, f"{page} learned")
            browser.received()
            for again in (partial(browser.open, url + page), partial(browser.reload, False)):
                before = service.asked
                again()
                check_files(browser, at_least=0)
                assert before + 1 == service.asked
            before = service.asked
            browser.reload(forced=True)
            check_files(browser, at_least=8)
            assert before + 1 == service.asked
        assert [] == browser.complaints()


def _forced_reload_asks_once(service: Counted, browser: Browser) -> bool:
    before = service.asked
    browser.reload(forced=True)
    return service.asked == before + 1


def check_files(browser: Browser, at_least: int) -> None:
    """See what the browser has got of its page, and that it makes something of it."""
    files = [answer for answer in browser.received() if "/chrome/" in answer["url"]]
    assert len(files) >= at_least
    for answer in files:
        name = answer["url"].partition("?")[0].rpartition(".")[2]
        assert answer["status"] in (200, 304), answer["url"]
        assert answer["mimeType"] in TYPES[name], answer["url"]
    script = "return [typeof jQuery, getComputedStyle(document.querySelector('#metanav li')).display]"
    assert ["function", "inline-block"] == browser.driver.execute_script(script)
