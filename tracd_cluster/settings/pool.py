"""The workers, and which Trac environments they serve."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """Which Trac environments are served, in tracd's own terms (trac/web/standalone.py)."""

    env_paths: tuple[str, ...] = ()
    """Absolute paths; the base name of each is its project's name in the URL."""
    env_parent_dir: str | None = None
    """Absolute path; every folder in it is a project. Wins over ``env_paths``, as in tracd."""
    single_env: bool = False
    """Serve ``env_paths[0]`` at the root, without an index of projects."""
    base_path: str = ""
    """URL prefix, empty or ``/some/path`` without a slash at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """A command to be run for each worker, in place of our own: ``--worker-command``."""

    words: tuple[str, ...]
    """``{port}``, ``{host}``, ``{number}`` and ``{base_path}`` are put in."""
    folder: str
    """Where it is run: the folder that the front was started in."""
    base_path: str = ""
    """The one that the command serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The workers and the template they are forked from."""

    projects: ProjectSettings = field(default_factory=ProjectSettings)
    workers: int = 1
    most_workers: int = 1
    """More than ``workers`` lets their number grow, from there, as it is needed."""
    processors: int = 1
    """How many workers can be at work at once without being in each other's way."""
    grow_after: float = 0.3
    """How long the head of the line waits before there is one more."""
    shrink_after: float = 60.0
    """How long one must not have been needed to go."""
    max_requests: int | None = None
    max_memory: int | None = None
    """Bytes of one worker."""
    lifetime: float | None = None
    """How long a worker serves before it is replaced."""
    threads: int = 1
    """Lanes of a worker: how many requests one process handles at a time."""
    preload: bool = True
    """Warm once, in the template, before forking; otherwise each worker warms itself."""
    freeze: bool = True
    """``gc.freeze()`` the warm heap (tracd/tuning.py)."""
    remember_locales: bool = True
    """List Trac's translations, and read each, once per process (tracd/tuning.py)."""
    compress_pages: bool = False
    """Compress what Trac renders (tracd/compression.py)."""
    store_visitors: bool = False
    """Store every visitor at once, as Trac does; otherwise when he comes back (tracd/visitors.py)."""
    visitor_secret: bytes = field(default=b"", repr=False)
    """Signs what such a visitor brings back."""
    command: CommandSettings | None = None
    """What is run in place of our own workers."""
    application: str | None = None
    """``module:callable`` of a WSGI application to serve instead of Trac (for benchmarks and tests)."""
    umask: int = 0o022
    https: bool = False
    """Clients come by HTTPS, and nothing else: Trac should know that of its cookies."""
    drain_timeout: float = 30.0
    """How long running requests may take to end when everything stops."""
    leave_timeout: float = 30.0
    """The same for a worker that makes room for another one: no shorter than any limit of the front's."""
    terminate_timeout: float = 5.0
    """From SIGTERM to SIGKILL."""
    start_timeout: float = 120.0
    """How long a template may take to get ready, and a worker to answer its first probe."""
