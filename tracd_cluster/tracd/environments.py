"""Finding and opening Trac's environments, and saying in one sentence why one cannot be opened.

Trac is imported inside functions only: the template must be able to start, and to say what is wrong, without it.
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tracd_cluster.settings.pool import ProjectSettings
from tracd_cluster.tracd.faults import Fault, file_of, listening, plugins_left_out, trace_of


class CannotServe(Exception):
    """A reason why there will be nothing to fork.

    ``step`` is what was being done, ``file`` the one to mend, if that is known.
    """

    def __init__(self, step: str, error: str, trace: str = "", file: str = "") -> None:
        super().__init__(error)
        self.step = step
        self.error = error
        self.trace = trace
        self.file = file


class SettingsUnreadable(CannotServe):
    """The settings of an environment cannot be parsed."""


@dataclass(frozen=True, slots=True)
class Project:
    """One environment: its name in the URL, and its path just as Trac's dispatcher will spell it."""

    name: str
    path: str
    single: bool = False

    def __str__(self) -> str:
        return f"environment {self.path}"


def import_trac() -> None:
    """Import all of Trac that serves pages. Raises CannotServe."""
    try:
        with warnings.catch_warnings():
            # Newer setuptools say at every start that this will go away; nobody here can change Trac.
            warnings.filterwarnings("ignore", "pkg_resources is deprecated")
            import trac.web.main  # noqa: F401
    except Exception as error:
        why = why_trac_is_missing(error)
        trace = "" if ": install " in why else trace_of(error)
        raise CannotServe("import Trac", why, trace) from error


def why_trac_is_missing(error: Exception) -> str:
    """Say what to install."""
    name = getattr(error, "name", None)
    if name == "trac":
        return f'Trac is not installed for {sys.executable}: install "Trac>=1.6"'
    if name in ("pkg_resources", "setuptools"):
        from importlib import metadata

        try:
            found = f"setuptools {metadata.version('setuptools')} does not have it"
        except metadata.PackageNotFoundError:
            found = "setuptools is not installed"
        return f'Trac needs pkg_resources, and {found}: install "setuptools<82"'
    return f"Trac cannot be imported: {type(error).__name__}: {error}"


def trac_paths(projects: ProjectSettings) -> ProjectSettings:
    """Give ``projects`` with paths as Trac's own look-ups spell them, so that each environment is opened only once."""
    parent = projects.env_parent_dir
    return ProjectSettings(
        env_paths=tuple(os.path.normpath(path) for path in projects.env_paths),
        env_parent_dir=None if parent is None else os.path.normpath(parent),
        single_env=projects.single_env and parent is None,
        base_path=projects.base_path,
    )


def find_projects(projects: ProjectSettings) -> tuple[list[Project], list[str]]:
    """List the environments that can be read, and what is wrong with the others. Raises CannotServe.

    A folder in the parent directory that is no environment counts as a fault too, since Trac's index lists it.
    """
    from trac.web.main import get_environments

    if projects.single_env:
        path = projects.env_paths[0]
        candidates = [Project(os.path.basename(path), path, single=True)]
        faults = []
    else:
        # Trac adds what it finds in the parent directory to this list.
        paths = list(projects.env_paths) if projects.env_parent_dir is None else []
        with _readable(projects.env_parent_dir):
            found = get_environments({"trac.env_paths": paths, "trac.env_parent_dir": projects.env_parent_dir})
        faults = _passed_over(paths, found)
        candidates = [Project(name, path) for name, path in sorted(found.items(), key=lambda item: item[1])]
        if projects.env_parent_dir is None:
            candidates.sort(key=lambda project: projects.env_paths.index(project.path))
    problems = [(project, problem_with(project.path)) for project in candidates]
    faults += [f"{project}: {problem}" for project, problem in problems if problem]
    return [project for project, problem in problems if not problem], faults


@contextmanager
def _readable(parent: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotServe(f"look into {parent}", explain(error)) from error


def _passed_over(paths: list[str], found: dict[str, str]) -> list[str]:
    """Say why some of ``paths`` are not among ``found``."""
    faults = []
    for path in paths:
        path = os.path.normpath(path)
        served = found.get(os.path.basename(path))
        if served is None:
            faults.append(f"environment {path}: {problem_with(path) or 'it is not a directory'}")
        elif served != path:
            faults.append(f"environment {path}: not served, because {served} has the same name")
    return faults


def problem_with(path: str) -> str | None:
    """Look at an environment from outside, without Trac; None if nothing is wrong so far."""
    try:
        os.stat(path)
        with open(os.path.join(path, "VERSION"), "rb") as version:
            version.read(1)
        with open(os.path.join(path, "conf", "trac.ini"), "rb") as ini:
            ini.read(1)
    except FileNotFoundError as error:
        if error.filename == path:
            return "no such directory"
        return f'it is not a Trac environment, {error.filename} is missing; trac-admin "{path}" initenv makes one'
    except OSError as error:
        return explain(error)
    return None


def open_project(project: Project) -> list[Fault]:
    """Open an environment into Trac's own cache; give the plugins that it lacks. Raises CannotServe."""
    from trac.web.main import open_environment

    with listening() as heard, _no_bytecode_written():
        try:
            env = open_environment(project.path, use_cache=True)
        except (Exception, SystemExit) as error:
            why = f"{project}: {why_not_opened(error)}"
            if file := unreadable_settings(project.path):
                raise SettingsUnreadable(f"open {project}", why, "", file) from error
            trace = "" if is_fully_explained(error) else trace_of(error)
            raise CannotServe(f"open {project}", why, trace, file_of(error) if trace else "") from error
    return plugins_left_out(env, heard.plugins)


def unreadable_settings(path: str) -> str:
    """Name the trac.ini of an environment if that, or what it inherits, cannot be parsed; empty otherwise."""
    from trac.config import Configuration

    file = os.path.join(path, "conf", "trac.ini")
    try:
        Configuration(file)
    except OSError:
        return ""
    except Exception as error:
        causes = [getattr(cause, "source", None) for cause in _causes(error)]
        return next((str(source) for source in causes if source), file)
    return ""


def why_not_opened(error: BaseException) -> str:
    """Say why Trac could not open an environment; of a database, the driver's words and not those Trac has for them.

    Trac's own are "Unable to get database connection within 0 seconds", whatever the reason.
    """
    chain = _causes(error)
    for earlier, cause in pairwise(chain):
        if _is_of_pool(earlier):
            return f"its database cannot be reached: {explain(cause)}"
    if len(chain) == 1 or "trac.db.api.DatabaseManager" not in str(error):
        return explain(error)
    driver = "; is its Python driver installed?" if "Unsupported database type" in str(error) else ""
    return f"its database cannot be used: {explain(chain[1])}{driver}"


def is_fully_explained(error: BaseException) -> bool:
    """Tell whether a traceback adds nothing: Trac raised the error on purpose, or a file or database is at fault."""
    from trac.core import TracError

    chain = _causes(error)
    return any(_is_of_pool(cause) for cause in chain) or all(
        isinstance(cause, TracError) or (isinstance(cause, OSError) and cause.filename) for cause in chain
    )


def _causes(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return chain


def _is_of_pool(error: BaseException) -> bool:
    return type(error).__module__ == "trac.db.pool"


def explain(error: BaseException) -> str:
    """Give an exception as one plain sentence for the operator."""
    if isinstance(error, PermissionError) and error.filename:
        return f"permission denied: the user {_user()} cannot use {error.filename}"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.strerror}: {error.filename}"
    text = str(error)
    if "<" in text and "trac.util.html" in sys.modules:
        text = sys.modules["trac.util.html"].plaintext(text)
    return " ".join(text.split()) or type(error).__name__


def _user() -> str:
    try:
        return f"{getpass.getuser()} (uid {os.getuid()})"
    except (KeyError, OSError):
        return f"with uid {os.getuid()}"


@contextmanager
def _no_bytecode_written() -> Iterator[None]:
    """Keep Python from making ``plugins/__pycache__``, in an environment that perhaps belongs to somebody else."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def opened() -> list[Any]:
    """Give the environments that are open now."""
    env = sys.modules.get("trac.env")
    return list(env.env_cache.values()) if env is not None else []


def insecure_cookies() -> list[str]:
    """Warn of the open environments that do not know that they are served by HTTPS only."""
    return [
        f"environment {env.path}: [trac] secure_cookies is off though it is served by HTTPS; with it Trac also "
        "refuses forms that come by HTTP"
        for env in opened()
        if not env.secure_cookies
    ]


def close_connections() -> None:
    """Close what must not cross a fork, and leave the environments open.

    Not ``Environment.shutdown()``: that takes the log away too, and workers would log nothing for ever.
    """
    from trac.db.api import DatabaseManager
    from trac.util.concurrency import get_thread_id
    from trac.versioncontrol.api import RepositoryManager

    for env in opened():
        RepositoryManager(env).shutdown(get_thread_id())
        DatabaseManager(env).shutdown()
