"""Code, settings and options change while people work: no page fails, no ticket is lost, and nothing bad gets in."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.cluster import ClusterProcess
from tests.integration.conftest import CopyEnvironment, StartCluster
from tests.integration.load import Load, assert_no_ticket_lost_or_doubled
from tests.processes import wait_until
from tracd_cluster.workers.sources import SETTLE

PAGES = ("/wiki/WikiStart", "/ticket/1", "/about", "/chrome/common/css/trac.css")
GOAL = 2.0
"""Seconds from a saved plugin to its new page, with a small environment on a machine that has nothing else to do."""
TRIES = 5
READY = re.compile(r"template \d+ \(pid \d+\) is ready after ([\d.]+) s")
BOUND = 30.0
"""The same where other tests run beside this one."""
PERSON = {"Cookie": "seen=1"}
"""What makes a client somebody: strangers may get a page that is two seconds old."""

PLUGIN = """
from trac.core import Component, implements
from trac.web.api import IRequestHandler

class Hello(Component):
    implements(IRequestHandler)

    def match_request(self, req):
        return req.path_info == "/hello"

    def process_request(self, req):
        req.send(b"%s", "text/plain")
"""

FILTER = """
from trac.web.api import IRequestFilter

class Failing(Component):
    implements(IRequestFilter)

    def pre_process_request(self, req, handler):
        return undefined_name

    def post_process_request(self, req, template, data, metadata):
        return template, data, metadata
"""


def tell(figures: str) -> None:
    """Show figures to whoever runs the tests with -s."""
    print(figures)  # noqa: T201


def save(file: Path, text: str) -> None:
    """Write beside and rename, as most editors do."""
    new = file.with_name(f".{file.name}.tmp")
    new.write_text(text)
    new.rename(file)


def says(cluster: ClusterProcess, text: str) -> Callable[[], bool]:
    """Tell whether the plugin's page says this."""
    return lambda: cluster.get("/hello").body == text.encode()


def pace_of(cluster: ClusterProcess) -> float:
    """Say how much longer the newest template took to get ready than it had a processor for: 1 where nobody waits."""
    times = cluster.templates()[-1].cpu_times()
    return max(1.0, float(READY.findall(cluster.log)[-1]) / (times.user + times.system))


def changes(cluster: ClusterProcess) -> int:
    """Count the changes that have led to new workers."""
    return cluster.log.count("Detected modification")


def noticed(cluster: ClusterProcess, count: int) -> bool:
    """Tell whether there have been so many."""
    return changes(cluster) >= count


def wait_for_rest(cluster: ClusterProcess) -> None:
    """Wait until one template is left, and no worker of another one."""
    wait_until(lambda: len(cluster.templates()) == 1, BOUND, "the end of the take-over")


@contextlib.contextmanager
def under_load(cluster: ClusterProcess, env: Path) -> Iterator[Load]:
    """Have people read and write; in the end nothing has failed for any of them."""
    load = Load(cluster.port).readers(3, *PAGES).writers(2)
    try:
        wait_until(lambda: load.tally.good > 20, 20, "some load")
        yield load
    finally:
        tally = load.stop()
    assert ([], 0) == (tally.failures, tally.refused)
    acknowledged = assert_no_ticket_lost_or_doubled(env, tally)
    assert acknowledged > 5
    tell(f"{tally.good} pages, {acknowledged} tickets, none failed")


@pytest.fixture
def plugin(env: Path) -> Path:
    """A plugin with a page of its own."""
    file = env / "plugins" / "hello.py"
    file.write_text(PLUGIN % "first")
    return file


def test_a_plugin_is_edited_broken_and_mended(env: Path, plugin: Path, start_cluster: StartCluster) -> None:
    """A good edit shows soon, a bad one never; of five in a row the last one counts."""
    cluster = start_cluster("-s", str(env), "--workers", "2", "-r")
    wait_until(says(cluster, "first"), BOUND)
    took: list[float] = []
    while min(took, default=BOUND) > GOAL and len(took) < TRIES:
        number = len(took)
        began = monotonic()
        save(plugin, PLUGIN % f"quiet {number}")
        wait_until(says(cluster, f"quiet {number}"), BOUND)
        all_in_all, pace = monotonic() - began, pace_of(cluster)
        # Where other tests run beside this one, everything waits for a processor, and that is not ours to answer for.
        took.append(SETTLE + (all_in_all - SETTLE) / pace)
        tell(f"edit to new page: {all_in_all:.2f} s, {took[-1]:.2f} s on a machine that has nothing else to do")
        wait_for_rest(cluster)
    assert min(took) <= GOAL
    with under_load(cluster, env) as load:
        began = monotonic()
        save(plugin, PLUGIN % "second")
        wait_until(says(cluster, "second"), BOUND)
        tell(f"edit to new page under load: {monotonic() - began:.2f} s")
        wait_for_rest(cluster)

        save(plugin, "def broken(:\n")
        log = cluster.wait_for_log("does not take over", BOUND)
        assert f'File "{plugin}", line 1' in log
        wait_for_rest(cluster)
        before = load.tally.good
        wait_until(lambda: load.tally.good > before + 20, BOUND, "pages after the bad edit")
        assert says(cluster, "second")()

        save(plugin, PLUGIN % "mended")
        wait_until(says(cluster, "mended"), BOUND)
        wait_for_rest(cluster)

        # Broken in a way that only shows when a page is visited: every page would be an error.
        save(plugin, PLUGIN % "never" + FILTER)
        cluster.wait_for_log("NameError: name 'undefined_name' is not defined", BOUND)
        wait_for_rest(cluster)
        save(plugin, PLUGIN % "mended again")
        wait_until(says(cluster, "mended again"), BOUND)

        known = changes(cluster)
        for number in range(1, 6):
            save(plugin, PLUGIN % f"edit {number}")
            # The next one comes when this one has just begun to be taken up.
            wait_until(partial(noticed, cluster, known + number), BOUND, "word of the edit")
        wait_until(says(cluster, "edit 5"), BOUND)
        wait_for_rest(cluster)
        assert says(cluster, "edit 5")()


def test_what_editors_do_is_one_change(env: Path, plugin: Path, start_cluster: StartCluster) -> None:
    """Swap files, backups, many saves in a second and a checkout lead to new workers once, and logs never do."""
    cluster = start_cluster("-s", str(env), "--workers", "1", "-r")
    folder = plugin.parent
    for name in (".hello.py.swp", "hello.py~", "#hello.py#", "4913", "notes.bak", "hello.pyc", "trac.log", "trac.db"):
        (folder / name).write_text("x")
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "hello.pyc").write_text("x")
    plugin.rename(folder / "hello.py~")
    for number in range(8):
        plugin.write_text(PLUGIN % f"save {number}")
    wait_until(says(cluster, "save 7"), BOUND)
    wait_for_rest(cluster)
    assert 1 == changes(cluster)
    for number in range(200):
        (folder / f"module_{number}.py").write_text("import os\n")
    wait_until(partial(noticed, cluster, 2), BOUND, "word of the checkout")
    wait_for_rest(cluster)
    os.utime(plugin)
    wait_until(partial(noticed, cluster, 3), BOUND, "word of the touch")
    wait_for_rest(cluster)
    for number in range(200):
        (folder / f"module_{number}.py").unlink()
    wait_until(partial(noticed, cluster, 4), BOUND, "word of the removal")
    wait_for_rest(cluster)
    assert 4 == changes(cluster)


@pytest.mark.parametrize("options", [("-r", "--reload-poll", "0.5"), ("-r", "--no-preload")])
def test_without_word_or_warmth_an_edit_shows_too(
    env: Path, plugin: Path, start_cluster: StartCluster, options: tuple[str, ...]
) -> None:
    """Where the system tells nothing, and where workers open the environment by themselves."""
    cluster = start_cluster("-s", str(env), "--workers", "1", *options)
    wait_until(says(cluster, "first"), BOUND)
    save(plugin, PLUGIN % "second")
    wait_until(says(cluster, "second"), BOUND)


def test_settings_are_saved_broken_and_mended(env: Path, start_cluster: StartCluster) -> None:
    """Every worker goes by a new trac.ini at once, and by the last good one while it makes no sense; without -r."""
    cluster = start_cluster("-s", str(env), "--workers", "2")
    ini = env / "conf" / "trac.ini"
    good = ini.read_text()

    def named(name: str) -> str:
        return re.sub(r"(?m)(^\[project\]\n(?:.*\n)*?name = ).*", rf"\g<1>{name}", good)

    assert good != named("Ebb")
    with under_load(cluster, env) as load:
        save(ini, named("Ebb"))
        for _ in range(10):
            assert b"Ebb" in cluster.get("/wiki/WikiStart", PERSON).body
        wait_until(lambda: "template 2" in cluster.log and len(cluster.templates()) == 1, BOUND, "a frozen generation")
        assert b"Ebb" in cluster.get("/wiki/WikiStart", PERSON).body

        save(ini, named("Flood") + "\nnonsense\n")
        cluster.wait_for_log("this generation is thrown away", BOUND)
        assert f"{ini}' [line" in cluster.log
        before = load.tally.good
        wait_until(lambda: load.tally.good > before + 20, BOUND, "pages after the bad save")
        assert b"Ebb" in cluster.get("/wiki/WikiStart", PERSON).body
        os.kill(cluster.worker_pids()[0], signal.SIGKILL)
        wait_until(lambda: len(cluster.worker_pids()) == 2, BOUND, "another worker")
        for _ in range(6):
            assert b"Ebb" in cluster.get("/wiki/WikiStart", PERSON).body

        save(ini, named("Flood"))
        for _ in range(10):
            assert b"Flood" in cluster.get("/wiki/WikiStart", PERSON).body
        wait_for_rest(cluster)


@pytest.mark.parametrize("program", ["twistd", "tracd-cluster"])
def test_hup_takes_what_can_be_taken(env: Path, tmp_path: Path, program: str) -> None:
    """Options, passwords and code; what needs a restart is named, and a wrong file changes nothing."""
    config = tmp_path / "options.toml"
    options = f'envs = ["{env}"]\nsingle-env = true\nworkers = %d\nmax-body = "%s"\n%s'
    config.write_text(options % (2, "1M", ""))
    with ClusterProcess(tmp_path, "--config", str(config), program=program).wait_until_serving() as cluster:
        cluster.wait_for_workers(2)
        with under_load(cluster, env):
            config.write_text(options % (3, "1k", 'idle-timeout = 3\nlisten = ["tcp:1"]\n'))
            cluster.tree.signal(signal.SIGHUP)
            cluster.wait_for_log("Changed: idle-timeout, max-body, workers")
            cluster.wait_for_log("Not changed, this needs a restart: the addresses to listen on")
            cluster.wait_for_log("New workers are starting: generation 2")
            cluster.wait_for_workers(3)
            wait_for_rest(cluster)
            assert 413 == cluster.request("POST", "/newticket", b"x" * 2000).status

            config.write_text(options % (3, "1M", "\nworkerss = 4\n"))
            cluster.tree.signal(signal.SIGHUP)
            cluster.wait_for_log(f"Nothing is changed: {config}:6: there is no option workerss")
            assert 413 == cluster.request("POST", "/newticket", b"x" * 2000).status
            assert 3 == len(cluster.worker_pids())

            users = tmp_path / "users"
            config.write_text(options % (1, "1M", f'basic-auth = ["{env.name},{users},Trac"]\n'))
            cluster.tree.signal(signal.SIGHUP)
            cluster.wait_for_log("users' does not exist")
            users.write_text("ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
            cluster.tree.signal(signal.SIGHUP)
            cluster.wait_for_log("Changed: auth, idle-timeout, max-body, workers")
            cluster.wait_for_workers(1)
            assert 401 == cluster.get("/login").status
            wait_for_rest(cluster)
        cluster.stop()


def test_a_new_environment_is_served_and_warmed(
    copy_env: CopyEnvironment, sample_env: Path, start_cluster: StartCluster
) -> None:
    """Within moments of being there, without anything being restarted; one that is removed is let go."""
    first = copy_env("first")
    cluster = start_cluster("-e", str(first.parent), "--workers", "2")
    assert 404 == cluster.get("/second/wiki").status
    load = Load(cluster.port).readers(3, *("/first" + page for page in PAGES))
    began = monotonic()
    second = first.parent / "second"
    shutil.copytree(sample_env, second, ignore=shutil.ignore_patterns("git"))
    wait_until(lambda: cluster.get("/second/wiki/WikiStart").status == 200, BOUND, "the new environment")
    tell(f"new environment served after {monotonic() - began:.2f} s")
    cluster.wait_for_log(f"Detected modification of {second}/conf/trac.ini", BOUND)
    wait_until(lambda: "template 2" in cluster.log and len(cluster.templates()) == 1, BOUND, "a frozen generation")
    tell(f"and warm after {monotonic() - began:.2f} s")
    shutil.rmtree(second)
    wait_until(lambda: "template 3" in cluster.log and len(cluster.templates()) == 1, BOUND, "a generation without it")
    assert ([], 0) == (load.stop().failures, load.tally.refused)
    assert 404 == cluster.get("/second/wiki").status


def version(env: Path, number: int) -> None:
    """Let an environment be of another version, as if it needed an upgrade or had had one."""
    with contextlib.closing(sqlite3.connect(env / "db" / "trac.db")) as database, database:
        database.execute("UPDATE system SET value = ? WHERE name = 'database_version'", (str(number),))


def test_one_environment_in_trouble_does_not_hurt_the_other(
    copy_env: CopyEnvironment, start_cluster: StartCluster
) -> None:
    """It answers with Trac's own message, heals by itself, and keeps no change from the other."""
    good, bad = copy_env("good"), copy_env("bad")
    cluster = start_cluster(str(good), str(bad), "--workers", "2")
    load = Load(cluster.port).readers(3, *("/good" + page for page in PAGES))
    version(bad, 44)
    cluster.tree.signal(signal.SIGHUP)
    wait_until(lambda: b"needs to be upgraded" in cluster.get("/bad/wiki").body, BOUND, "Trac's message")
    cluster.wait_for_log("The Trac Environment needs to be upgraded")
    save(good / "conf" / "trac.ini", (good / "conf" / "trac.ini").read_text() + "\n[extra]\nx = 1\n")
    wait_until(lambda: "template 3" in cluster.log and len(cluster.templates()) == 1, BOUND, "the other's change")
    assert "thrown away" not in cluster.log
    version(bad, 45)
    wait_until(lambda: cluster.get("/bad/wiki/WikiStart").status == 200, BOUND, "the mended environment")
    (bad / "db" / "trac.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    cluster.tree.signal(signal.SIGHUP)
    wait_until(lambda: "template 4" in cluster.log and len(cluster.templates()) == 1, BOUND, "another generation")
    assert 500 <= cluster.get("/bad/wiki").status
    assert 200 == cluster.get("/good/wiki/WikiStart").status
    assert ([], 0) == (load.stop().failures, load.tally.refused)


def test_a_generation_that_hangs_is_ended(env: Path, plugin: Path, start_cluster: StartCluster) -> None:
    """``--start-timeout`` is how long anybody waits for it; the old one goes on, and mending heals."""
    cluster = start_cluster("-s", str(env), "--workers", "1", "-r", "--start-timeout", "4")
    wait_until(says(cluster, "first"), BOUND)
    save(plugin, "import threading\nthreading.Event().wait(3600)\n")
    cluster.wait_for_log("was killed because it did not get ready within 4 s", BOUND)
    assert says(cluster, "first")()
    save(plugin, PLUGIN % "mended")
    wait_until(says(cluster, "mended"), BOUND)
