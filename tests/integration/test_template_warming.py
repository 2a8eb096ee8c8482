"""Warming shows nowhere: the environment is the same before and after."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.templates import ControlledTemplate

Start = Callable[..., ControlledTemplate]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start templates of one environment that end with the test."""
    templates: list[ControlledTemplate] = []

    def begin(env: Path, **settings: Any) -> ControlledTemplate:
        output = tmp_path / f"output{len(templates)}"
        # Python may write bytecode here, as it does for most people.
        environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""}
        templates.append(ControlledTemplate(output, environment, env_paths=[str(env)], single_env=True, **settings))
        return templates[-1]

    yield begin
    for template in templates:
        template.end()


Look = dict[str, tuple[object, ...]]


def look_at(path: Path) -> Look:
    """Give all there is to see of an environment, but for its log."""
    seen: Look = {}
    for file in [path, *path.rglob("*")]:
        if file.name != "trac.log":
            state = file.stat()
            content = hashlib.sha256(file.read_bytes()).hexdigest() if stat.S_ISREG(state.st_mode) else ""
            seen[str(file)] = (state.st_mode, state.st_mtime_ns, state.st_ino, content)
    return seen


def test_warming_leaves_no_trace(start: Start, env: Path) -> None:
    """Starting the service is not a visit: no session, no changed database, no new file."""
    (env / "plugins" / "reveal.py").write_text("import os\n")
    before = look_at(env)
    template = start(env)
    assert [] == template.ready()["warnings"]
    assert before == look_at(env)
    lane = template.worker()
    assert lane.get("/about").status == 200
    assert before == look_at(env)
    with sqlite3.connect(f"file:{env}/db/trac.db?mode=ro", uri=True) as database:
        assert [(0,)] == database.execute("SELECT COUNT(*) FROM session WHERE authenticated = 0").fetchall()
    database.close()
    assert "ERROR" not in (env / "log" / "trac.log").read_text()
    lane.close()
    assert 0 == template.quit()
    assert before == look_at(env)


def test_a_page_that_writes_is_not_warmed(start: Start, env: Path) -> None:
    """A plugin that counts visitors does not count the start, and the start succeeds."""
    (env / "plugins" / "counting.py").write_text("""
from trac.core import Component, implements
from trac.web.api import IRequestFilter

class Counting(Component):
    implements(IRequestFilter)

    def pre_process_request(self, req, handler):
        if req.path_info == "/roadmap":
            self.env.db_transaction("INSERT INTO system (name, value) VALUES ('visits', '1')")
        return handler

    def post_process_request(self, req, template, data, metadata):
        return template, data, metadata
""")
    before = look_at(env)
    template = start(env)
    assert [f"environment {env}: /roadmap failed while warming, see its trac.log"] == template.ready()["warnings"]
    assert before == look_at(env)
    assert 200 == template.worker().get("/roadmap").status
    assert before != look_at(env)


def test_an_environment_nobody_may_see_is_warmed_as_well(start: Start, env: Path) -> None:
    """A private project is as fast as a public one, and stays private."""
    with sqlite3.connect(env / "db" / "trac.db") as database:
        database.execute("UPDATE OR REPLACE permission SET username = 'authenticated' WHERE username = 'anonymous'")
    database.close()
    before = look_at(env)
    log = env / "log" / "trac.log"
    log.write_text("")
    template = start(env)
    assert [] == template.ready()["warnings"]
    assert before == look_at(env)
    assert "Forbidden" not in log.read_text()
    lane = template.worker()
    assert (403, 200) == (lane.get("/wiki/WikiStart").status, lane.get("/wiki/WikiStart", user="ada").status)


def test_repositories_are_left_alone(start: Start, env: Path) -> None:
    """A repository that is new, is synchronised on each visit or keeps a process is not touched by the start."""
    ini = env / "conf" / "trac.ini"
    text = ini.read_text().replace("persistent_cache = disabled", "persistent_cache = enabled")
    git = env.parent / "git-that-is-not-there"
    ini.write_text(f"{text}\n[repositories]\nfresh.dir = {git}\nfresh.type = git\nfresh.sync_per_request = true\n")
    before = look_at(env)
    template = start(env)
    message = template.ready()
    assert (True, []) == (message["preloaded"], message["warnings"])
    assert before == look_at(env)


def test_a_worker_that_warms_itself_leaves_no_trace_either(start: Start, env: Path) -> None:
    """Without preloading the same holds."""
    before = look_at(env)
    template = start(env, preload=False)
    assert not template.ready()["preloaded"]
    assert template.worker().probe()
    assert before == look_at(env)
    assert "" == template.told
