"""Workers of a warm template serve real Trac."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.integration.templates import ControlledTemplate, FrontLane
from tests.processes import wait_until

Start = Callable[..., ControlledTemplate]

REVEAL = """
import gc, json, sys, threading
from trac.core import Component, implements
from trac.util import translation
from trac.web.api import IRequestHandler

class Reveal(Component):
    implements(IRequestHandler)

    def match_request(self, req):
        return req.path_info == "/reveal"

    def process_request(self, req):
        seen = {
            "mail links": self.env.abs_href("wiki"),
            "collector": gc.isenabled(),
            "frozen": gc.get_freeze_count() if hasattr(gc, "get_freeze_count") else 1,
            "locales": len(translation.get_available_locales()),
            "remembered": hasattr(translation.get_available_locales, "remembered"),
            "user": req.authname,
            "address": req.remote_addr,
            "frontends": len(threading.enumerate()),
        }
        req.send(json.dumps(seen).encode(), "application/json")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start templates of this module."""
    templates: list[ControlledTemplate] = []

    def begin(**settings: Any) -> ControlledTemplate:
        output = tmp_path_factory.mktemp("template") / "output"
        templates.append(ControlledTemplate(output, **settings))
        return templates[-1]

    yield begin
    for template in templates:
        template.end()


@pytest.fixture(scope="module")
def trac(place: Start, module_env: Path) -> ControlledTemplate:
    """A template of one environment, which the tests of this module write to."""
    (module_env / "plugins" / "reveal.py").write_text(REVEAL)
    template = place(env_paths=[str(module_env)], single_env=True)
    message = template.ready()
    assert (True, []) == (message["preloaded"], message["warnings"])
    return template


@pytest.fixture(scope="module")
def lane(trac: ControlledTemplate) -> FrontLane:
    """A worker that serves the environment."""
    return trac.worker()


def test_a_page_arrives_whole_and_with_its_length(lane: FrontLane) -> None:
    """Trac's own chunks are put together."""
    answer = lane.get("/wiki/WikiStart")
    assert 200 == answer.status
    assert str(len(answer.body)) == answer.headers["Content-Length"]
    assert answer.text.rstrip().endswith("</html>")
    assert answer.headers["Connection"] is answer.headers["Date"] is answer.headers["Server"] is None


def test_links_point_to_where_the_client_came_in(lane: FrontLane) -> None:
    """Host and port of redirects are those of the front."""
    answer = lane.get("/wiki/")
    assert (301, "http://trac.example:8000/wiki") == (answer.status, answer.headers["Location"])


def test_a_static_file_is_the_file(lane: FrontLane) -> None:
    """Files arrive as they are on disk, and not again when they are known."""
    import trac

    file = Path(str(trac.__file__)).parent / "htdocs" / "css" / "trac.css"
    answer = lane.get("/chrome/common/css/trac.css")
    assert file.read_bytes() == answer.body
    known = lane.get("/chrome/common/css/trac.css", If_Modified_Since=answer.headers["Last-Modified"])
    assert (304, b"", None) == (known.status, known.body, known.headers["Content-Length"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_static_file_is_named_to_a_front_that_can_send_it(lane: FrontLane, method: str) -> None:
    """With all that Trac says of it; the lane is in step after it."""
    import trac

    file = Path(str(trac.__file__)).parent / "htdocs" / "css" / "trac.css"
    lane.send(method, "/chrome/common/css/trac.css")
    answer = lane.receive(method)
    found = file.stat()
    named = f"{found.st_size} {found.st_mtime_ns} {found.st_dev}:{found.st_ino} {file}"
    assert (200, b"", named) == (answer.status, answer.body, answer.headers["Tracd-Cluster-File"])
    assert "text/css" in answer.headers["Content-Type"]
    assert "Last-Modified" in answer.headers
    assert file.read_bytes() == lane.get("/chrome/common/css/trac.css").body


@pytest.mark.parametrize("path", ["/wiki/WikiStart", "/chrome/common/css/trac.css", "/nosuch", "/newticket"])
def test_head_leaves_the_lane_in_step(lane: FrontLane, path: str) -> None:
    """The answer after a HEAD is the right one."""
    expected = lane.get(path).status
    lane.send("HEAD", path)
    assert (expected, b"") == (lane.receive("HEAD").status, b"")
    assert 200 == lane.get("/wiki/WikiStart").status


def test_a_site_that_was_behind_an_x_sendfile_server_works(place: Start, env: Path) -> None:
    """A setting for another web server does not leave clients waiting for files."""
    ini = env / "conf" / "trac.ini"
    ini.write_text(ini.read_text().replace("use_xsendfile = disabled", "use_xsendfile = enabled"))
    template = place(env_paths=[str(env)], single_env=True)
    template.ready()
    answer = template.worker().get("/chrome/common/css/trac.css")
    assert (200, None) == (answer.status, answer.headers["X-Sendfile"])
    assert answer.headers["Content-Length"] == str(len(answer.body)) != "0"


def test_an_unknown_page_is_not_found(lane: FrontLane) -> None:
    """Trac's own error pages come through."""
    answer = lane.get("/nosuch")
    assert 404 == answer.status
    assert "No handler matched request to /nosuch" in answer.text


def test_a_large_page_streams(lane: FrontLane) -> None:
    """A page of any length arrives whole, without waiting for its end."""
    text = "".join(f" * line {number} of many\n" for number in range(5000))
    saved = lane.submit("/wiki/LargePage?action=edit", action="edit", version="0", text=text, save="Submit changes")
    assert 303 == saved.status
    answer = lane.get("/wiki/LargePage")
    assert ("chunked", None) == (answer.headers["Transfer-Encoding"], answer.headers["Content-Length"])
    assert "line 4999 of many" in answer.text
    assert answer.text.rstrip().endswith("</html>")


def test_a_ticket_that_is_created_is_seen_by_all_workers(trac: ControlledTemplate, lane: FrontLane) -> None:
    """It does not matter which worker a person's next click goes to."""
    summary = "The buoy \u2013 50 % \u00fcberflutet"
    created = lane.submit("/newticket", field_summary=summary, field_reporter="ada", submit="Create ticket")
    assert 303 == created.status
    path = created.headers["Location"].removeprefix("http://trac.example:8000")
    assert re.fullmatch(r"/ticket/\d+", path)
    assert summary in trac.worker(2).get(path).text


@pytest.mark.parametrize("size", [1, 1000, 65_000, 66_000, 3_000_000])
def test_an_upload_arrives_whole(lane: FrontLane, size: int) -> None:
    """Every byte of an attachment is stored, in memory or streamed."""
    content = random.Random(size).randbytes(size)
    page = lane.get("/attachment/wiki/WikiStart/?action=new", user="admin")
    token = page.cookies.partition("trac_form_token=")[2].partition(";")[0]
    boundary = "limit-between-parts"
    fields = {"__FORM_TOKEN": token, "action": "new", "realm": "wiki", "id": "WikiStart"}
    parts = [f'Content-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    name = f"sent-{size}.bin"
    head = f'Content-Disposition: form-data; name="attachment"; filename="{name}"\r\n'
    parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")
    body = b"".join(f"--{boundary}\r\n".encode() + part for part in parts) + f"--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    target = "/attachment/wiki/WikiStart/?action=new"
    lane.send("POST", target, body, user="admin", Content_Type=kind, Cookie=page.cookies)
    assert 303 == lane.receive("POST").status
    stored = lane.get(f"/raw-attachment/wiki/WikiStart/{name}")
    assert hashlib.sha256(content).digest() == hashlib.sha256(stored.body).digest()
    assert str(size) == stored.headers["Content-Length"]


def test_a_body_nobody_reads_is_not_the_next_request(lane: FrontLane) -> None:
    """Requests cannot be smuggled in the body of another one."""
    lane.send("POST", "/nosuch", b"GET /reveal HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000, Content_Type="text/plain")
    assert 404 == lane.receive("POST").status
    assert "<html" in lane.get("/wiki/WikiStart").text


def test_identity_and_address_are_the_front_s_word(lane: FrontLane) -> None:
    """Trac knows the person and the client's address, and believes no client."""
    seen = json.loads(lane.get("/reveal", user="Ren\u00e9 b").body)
    assert ("Ren\u00e9 b", "192.0.2.7") == (seen["user"], seen["address"])
    faked = json.loads(lane.get("/reveal", Remote_User="root", X_Forwarded_For="6.6.6.6").body)
    assert ("anonymous", "192.0.2.7") == (faked["user"], faked["address"])


def test_the_visit_of_warming_is_not_taken_for_the_site_s_address(lane: FrontLane) -> None:
    """Links in mails point to the site although nobody has set ``base_url``."""
    assert "http://trac.example:8000/wiki" == json.loads(lane.get("/reveal").body)["mail links"]


def test_workers_are_tuned(lane: FrontLane) -> None:
    """The heap is frozen, the collector works on what is new, translations are remembered."""
    seen = json.loads(lane.get("/reveal").body)
    assert (True, True, 1) == (seen["collector"], seen["remembered"], seen["frontends"])
    assert seen["frozen"] > 50_000


def test_the_tunings_can_be_switched_off(place: Start, trac: ControlledTemplate, module_env: Path) -> None:
    """Whoever mistrusts a tuning can do without."""
    template = place(env_paths=[str(module_env)], single_env=True, freeze=False, remember_locales=False)
    template.ready()
    untuned = json.loads(template.worker().get("/reveal").body)
    tuned = json.loads(trac.worker(3).get("/reveal").body)
    assert (0, False) == (untuned["frozen"], untuned["remembered"])
    assert untuned["locales"] == tuned["locales"]


def test_workers_write_trac_s_log(lane: FrontLane, module_env: Path) -> None:
    """What goes wrong on a page can be read where it always could."""
    lane.get("/no/such/page/for/the/log")
    assert "/no/such/page/for/the/log" in (module_env / "log" / "trac.log").read_text()


def test_pages_of_a_repository_are_served(trac: ControlledTemplate, lane: FrontLane) -> None:
    """Source is browsed by commands that each worker starts for itself."""
    answer = lane.get("/browser")
    assert 200 == answer.status
    assert "README" in answer.text


def test_the_template_has_no_database_open(trac: ControlledTemplate, lane: FrontLane) -> None:
    """No connection is shared by workers."""
    assert [] == [file for file in trac.files() if "trac.db" in file]
    children = Path(f"/proc/{trac.process.pid}/task/{trac.process.pid}/children").read_text().split()
    assert all("worker" in Path(f"/proc/{pid}/cmdline").read_text() for pid in children)


def test_the_files_that_make_up_the_site_are_named(trac: ControlledTemplate, place: Start, module_env: Path) -> None:
    """A new generation is known to be needed when any of them changes."""
    inherited = module_env.parent / "shared.ini"
    inherited.write_text("[project]\nfooter = shared\n")
    ini = module_env / "conf" / "trac.ini"
    text = ini.read_text()
    ini.write_text(
        text + "\n[inherit]\nfile = ../../shared.ini\n"
        if "[inherit]" not in text
        else text.replace("[inherit]", "[inherit]\nfile = ../../shared.ini")
    )
    for preload in (True, False):
        told = place(env_paths=[str(module_env)], single_env=True, preload=preload).ready()
        files = told["files"]
        assert [str(ini), str(inherited)] == told["settings"]
        assert str(module_env / "plugins") in told["folders"]
        assert preload == (str(module_env / "plugins" / "reveal.py") in files)
        assert any(file.endswith("/trac/web/main.py") for file in files)
        assert all(os.path.isabs(file) for file in files)
    ini.write_text(text)


def test_several_environments_have_an_index(place: Start, env: Path, copy_env: Callable[[str], Path]) -> None:
    """Each project has its path below the base path, as with tracd."""
    other = copy_env("other")
    template = place(env_paths=[str(env), str(other)], base_path="/trac")
    assert [] == template.ready()["warnings"]
    lane = template.worker()
    index = lane.get("/trac/")
    assert (200, True) == (index.status, "/trac/other" in index.text)
    for name in (env.name, "other"):
        page = lane.get(f"/trac/{name}/wiki/WikiStart")
        assert 200 == page.status
        assert f'href="/trac/{name}/timeline"' in page.text
    assert 404 == lane.get("/trac/nosuch/wiki").status


def test_a_parent_directory_is_served_with_what_it_ignores(place: Start, copy_env: Callable[[str], Path]) -> None:
    """``-e`` works as in tracd: .tracignore, and projects that are added later."""
    parent = copy_env("first").parent
    copy_env("hidden")
    (parent / ".tracignore").write_text("# not yet\nhid*\n")
    template = place(env_parent_dir=f"{parent}/")
    assert [] == template.ready()["warnings"]
    lane = template.worker()
    index = lane.get("/").text
    assert ("/first" in index, "/hidden" in index) == (True, False)
    copy_env("later")
    assert "/later" in lane.get("/").text
    assert 200 == lane.get("/later/wiki").status
    assert lane.get("/").text.count('href="/later"') == 1


def test_a_saved_configuration_is_taken_up_by_a_worker(place: Start, env: Path) -> None:
    """A change of trac.ini shows on the next page even before a new generation is there."""
    template = place(env_paths=[str(env)], single_env=True)
    template.ready()
    lane = template.worker()
    assert "Renamed" not in lane.get("/wiki").text
    ini = env / "conf" / "trac.ini"
    ini.write_text(ini.read_text().replace("name = Tidewatch", "name = Renamed"))
    wait_until(lambda: "Renamed" in lane.get("/wiki").text, 10, "the new name")
    lane.get("/no/such/page/after/the/reload")
    assert "/no/such/page/after/the/reload" in (env / "log" / "trac.log").read_text()


def test_threads_of_one_worker_render_pages_side_by_side(place: Start, env: Path) -> None:
    """``--threads`` works with Trac as well."""
    template = place(env_paths=[str(env)], single_env=True, threads=2)
    template.ready()
    _, lanes = template.fork()
    found: list[int] = []

    def visit(lane: FrontLane) -> None:
        found.extend(lane.get("/wiki/WikiStart").status for _ in range(10))

    visitors = [Thread(target=visit, args=(lane,)) for lane in lanes]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert [200] * 20 == found
