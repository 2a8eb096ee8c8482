"""What cannot be served is named, with its cause, in one sentence."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.templates import ControlledTemplate, Message
from tests.modes import barred_by_modes

Start = Callable[..., ControlledTemplate]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start templates that end with the test."""
    templates: list[ControlledTemplate] = []

    def begin(*paths: Path, **settings: Any) -> ControlledTemplate:
        single: dict[str, Any] = {"env_paths": [str(path) for path in paths], "single_env": len(paths) == 1}
        output = tmp_path / f"output{len(templates)}"
        templates.append(ControlledTemplate(output, **{**single, **settings}))
        return templates[-1]

    yield begin
    for template in templates:
        template.end()


def failure(template: ControlledTemplate) -> str:
    """Give the message for the operator, which must be one line."""
    error = template.failed()["error"]
    assert "\n" not in error
    return str(error)


def test_a_path_that_is_not_there(start: Start, tmp_path: Path) -> None:
    """A typing error is seen for what it is."""
    assert f"environment {tmp_path}/typo: no such directory" == failure(start(tmp_path / "typo"))
    assert f"environment {tmp_path}/typo: no such directory" == failure(start(tmp_path / "typo", single_env=False))


def test_a_folder_that_is_no_environment(start: Start, tmp_path: Path) -> None:
    """The message has the command that makes one."""
    (tmp_path / "empty").mkdir()
    error = failure(start(tmp_path / "empty"))
    assert error.startswith(f"environment {tmp_path}/empty: it is not a Trac environment, ")
    assert error.endswith(f'; trac-admin "{tmp_path}/empty" initenv makes one')


@pytest.mark.parametrize("preload", [True, False])
def test_a_locked_environment(start: Start, env: Path, preload: bool) -> None:
    """It is clear whose permissions to change, and on what."""
    locked = env / "VERSION"
    locked.chmod(0)
    with barred_by_modes():
        error = failure(start(env, preload=preload))
    assert error.startswith(f"environment {env}: permission denied: the user ")
    assert error.endswith(f"cannot use {locked}")


def test_a_log_that_cannot_be_written(start: Start, env: Path) -> None:
    """A file at fault is named even where Trac only has a traceback for it."""
    shutil.rmtree(env / "log")
    assert f"environment {env}: No such file or directory: {env}/log/trac.log" == failure(start(env))


def needs_upgrade(env: Path) -> Path:
    """Make an environment as an older Trac has left it."""
    with sqlite3.connect(env / "db" / "trac.db") as database:
        database.execute("UPDATE system SET value = '29' WHERE name = 'database_version'")
    database.close()
    return env


def test_an_environment_of_an_older_trac(start: Start, env: Path) -> None:
    """Trac's own command for the upgrade is in the message."""
    expected = f'environment {env}: The Trac Environment needs to be upgraded. Run: trac-admin "{env}" upgrade'
    message = start(needs_upgrade(env)).failed()
    assert (f"open environment {env}", expected) == (message["step"], message["error"])
    assert "" == message["traceback"]


def test_a_database_that_is_not_there(start: Start, env: Path) -> None:
    """The database is named."""
    (env / "db" / "trac.db").unlink()
    expected = f'environment {env}: its database cannot be used: Database "{env}/db/trac.db" not found.'
    assert expected == failure(start(env))


def use_database(env: Path, database: str) -> Path:
    """Point an environment to another database."""
    ini = env / "conf" / "trac.ini"
    ini.write_text(ini.read_text().replace("database = sqlite:db/trac.db", f"database = {database}"))
    return env


def test_a_database_without_a_driver(start: Start, env: Path) -> None:
    """A missing driver is what one thinks of."""
    expected = 'its database cannot be used: Unsupported database type "unheard"; is its Python driver installed?'
    assert f"environment {env}: {expected}" == failure(start(use_database(env, "unheard://trac:secret@db.example/x")))


FAR_DATABASE = """
from trac.core import Component, implements
from trac.db.api import IDatabaseConnector

class FarConnector(Component):
    implements(IDatabaseConnector)

    def get_supported_schemes(self):
        yield "far", 1

    def get_connection(self, path, log=None, **params):
        raise RuntimeError('connection to "db.example" failed:\\n\\tConnection refused')

    def get_exceptions(self):
        return Exception
"""


def test_a_database_that_cannot_be_reached(start: Start, env: Path) -> None:
    """The driver's own words are shown, which tell more than Trac's, and no password is."""
    (env / "plugins" / "far.py").write_text(FAR_DATABASE)
    error = failure(start(use_database(env, "far://trac:secret@db.example/x")))
    reason = 'connection to "db.example" failed: Connection refused'
    assert f"environment {env}: its database cannot be reached: {reason}" == error


def test_a_plugin_that_fails_its_check_is_shown_with_its_traceback(start: Start, env: Path) -> None:
    """A mistake in a plugin can be found."""
    (env / "plugins" / "faulty.py").write_text("""
from trac.core import Component, implements
from trac.env import IEnvironmentSetupParticipant

class Faulty(Component):
    implements(IEnvironmentSetupParticipant)

    def environment_needs_upgrade(self):
        return self.missing
""")
    message = start(env).failed()
    reason = "AttributeError: 'Faulty' object has no attribute 'missing'"
    assert f"environment {env}: Unable to check for upgrade of faulty.Faulty: {reason}" == message["error"]
    assert f'File "{env}/plugins/faulty.py"' in message["traceback"]


def test_without_preloading_the_paths_are_still_looked_at(start: Start, tmp_path: Path, env: Path) -> None:
    """The commonest mistakes are told at the start in any case; the others end the worker with the reason."""
    assert f"environment {tmp_path}/typo: no such directory" == failure(start(tmp_path / "typo", preload=False))
    template = start(needs_upgrade(env), preload=False)
    assert not template.ready()["preloaded"]
    pid, (lane,) = template.fork()
    assert lane.at_end()
    assert {"type": "exited", "worker": 1, "pid": pid, "status": 1} == template.receive()
    assert f'Run: trac-admin "{env}" upgrade' in template.told
    assert "Traceback" not in template.told


def test_one_broken_environment_of_several_is_a_warning(
    start: Start, env: Path, copy_env: Callable[[str], Path], tmp_path: Path
) -> None:
    """One project's trouble does not take the others down."""
    old = needs_upgrade(copy_env("old"))
    twin = copy_env(env.name)
    template = start(tmp_path / "typo", old, env, twin)
    warnings = template.ready()["warnings"]
    assert [
        f"environment {tmp_path}/typo: no such directory",
        f"environment {twin}: not served, because {env} has the same name",
        f'environment {old}: The Trac Environment needs to be upgraded. Run: trac-admin "{old}" upgrade',
    ] == warnings
    lane = template.worker()
    assert 200 == lane.get(f"/{env.name}/wiki").status
    assert "needs to be upgraded" in lane.get("/old/wiki").text


def test_a_broken_environment_does_not_wear_out_the_worker(
    start: Start, env: Path, copy_env: Callable[[str], Path]
) -> None:
    """Visits to a project that waits for its upgrade leave nothing open."""
    template = start(env, needs_upgrade(copy_env("old")))
    template.ready()
    pid, (lane,) = template.fork()
    assert 500 == lane.get("/old/wiki").status
    before = template.files(pid)
    for _ in range(10):
        assert 500 == lane.get("/old/wiki").status
    assert before == template.files(pid)


def test_nothing_but_broken_environments_is_a_failure(
    start: Start, env: Path, copy_env: Callable[[str], Path]
) -> None:
    """All of them are named at once."""
    error = failure(start(needs_upgrade(env), needs_upgrade(copy_env("second"))))
    assert (True, True) == (f'"{env}" upgrade' in error, 'second" upgrade' in error)


def test_a_parent_directory_without_environments_is_served(start: Start, tmp_path: Path) -> None:
    """Projects can be added to an empty folder later, as with tracd; a folder that is not there is a mistake."""
    (tmp_path / "projects").mkdir()
    template = start(env_parent_dir=str(tmp_path / "projects"))
    assert [f"there is no environment in {tmp_path}/projects yet"] == template.ready()["warnings"]
    assert 200 == template.worker().get("/").status
    error = failure(start(env_parent_dir=str(tmp_path / "typo")))
    assert f"No such file or directory: {tmp_path}/typo" == error


PLUGINS = {
    "missing_library.py": ("import no_such_library\n", "No module named 'no_such_library'"),
    "misspelled.py": ("def broken(:\n", "invalid syntax"),
    "leaving.py": ("raise SystemExit('no')\n", "no"),
}


def test_plugins_that_do_not_load_are_named(start: Start, env: Path) -> None:
    """A page without its plugin is explained by a warning, not only by a line in trac.log."""
    for name, (source, _) in PLUGINS.items():
        (env / "plugins" / name).write_text(source)
    template = start(env)
    warnings = sorted(template.ready()["warnings"])
    for warning, name in zip(warnings, sorted(PLUGINS), strict=True):
        assert warning.startswith(f"environment {env}: plugin {env}/plugins/{name} cannot be loaded: ")
        assert PLUGINS[name][1] in warning
    assert 200 == template.worker().get("/wiki").status


def test_two_plugins_of_one_name_are_not_confused_in_silence(
    start: Start, env: Path, copy_env: Callable[[str], Path]
) -> None:
    """Trac loads one of them for both projects, which nobody expects."""
    other = copy_env("other")
    for one in (env, other):
        (one / "plugins" / "shared_name.py").write_text("")
    (warning,) = start(env, other).ready()["warnings"]
    assert warning.startswith(f"environment {other}: plugin {other}/plugins/shared_name.py is not used: ")
    assert f"({env}/plugins/shared_name.py)" in warning


LEAVES_A_THREAD = """
import threading
thread = threading.Thread(target=threading.Event().wait, name="ticker", daemon=True)
thread.start()
"""
LEAVES_A_PROCESS = """
import subprocess
child = subprocess.Popen(["sleep", "600"])
"""


@pytest.mark.parametrize(
    ("plugin", "told"), [(LEAVES_A_THREAD, "a thread (ticker)"), (LEAVES_A_PROCESS, "a child process")]
)
def test_a_plugin_that_cannot_be_forked_is_started_in_each_worker(
    start: Start, env: Path, plugin: str, told: str
) -> None:
    """Such a plugin costs speed, not correctness, and that is said."""
    (env / "plugins" / "lively.py").write_text(plugin)
    template = start(env)
    message: Message = template.ready()
    assert not message["preloaded"]
    assert [f"not preloaded, because warming left {told} in the template; workers start more slowly"] == message[
        "warnings"
    ]
    assert 1 == len(os.listdir(f"/proc/{template.process.pid}/task"))
    assert [] == Path(f"/proc/{template.process.pid}/task/{template.process.pid}/children").read_text().split()
    pids = [template.fork(number)[0] for number in (1, 2)]
    assert all(lane.get("/wiki").status == 200 for lane in template.lanes)
    own = [
        len(os.listdir(f"/proc/{pid}/task")) + len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        for pid in pids
    ]
    assert [2, 2] == own


def shadowed(tmp_path: Path, module: str) -> dict[str, str]:
    """Make an installation in which ``module`` is not there."""
    folder = tmp_path / "shadow"
    folder.mkdir()
    text = f"No module named {module!r}"
    (folder / f"{module}.py").write_text(f"raise ModuleNotFoundError({text!r}, name={module!r})\n")
    return {"PYTHONPATH": f"{folder}:{Path(__file__).parent.parent.parent}"}


@pytest.mark.parametrize(
    ("module", "cure"), [("trac", 'install "Trac>=1.6"'), ("pkg_resources", 'install "setuptools<82"')]
)
@pytest.mark.parametrize("preload", [True, False])
def test_what_is_not_installed_is_told_with_the_cure(
    start: Start, env: Path, tmp_path: Path, module: str, cure: str, preload: bool
) -> None:
    """A fresh machine is set up by reading one line."""
    message = start(env, environment=shadowed(tmp_path, module), preload=preload).failed()
    assert "import Trac" == message["step"]
    assert message["error"].endswith(cure)
    assert "" == message["traceback"]
