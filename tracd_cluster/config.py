"""The command line: options become Settings, or an error that names the option, the value and what was expected."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

from tracd_cluster.errors import ConfigError
from tracd_cluster.settings import FrontSettings, PoolSettings, ProjectSettings, Settings

BACKLOG = 1024
"""Connections that the kernel keeps for us until we accept them; tracd keeps five."""

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*\Z")


def size(text: str) -> int:
    """Read a size in bytes, such as ``65536``, ``64k`` or ``1G`` (powers of 1024)."""
    match = _SIZE.match(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 65536, 64k or 1G")
    return int(match[1]) << _UNITS[match[2].lower()]


def seconds(text: str) -> float:
    """Read a time in seconds, more than 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def port(text: str) -> int:
    """Read a port number."""
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number from 0 to 65535")
    return int(text)


def threads(text: str) -> int:
    """Read a number of threads; all their lanes have to fit into one message to the template (unix(7), SCM_RIGHTS)."""
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)


def places(text: str) -> int:
    """Read a number of at least 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return int(text)


def workers(text: str) -> int:
    """Read a number of workers, or ``auto`` for the number of processors this process may use."""
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number from 1 to 1000")
    return int(text)


def existing_path(text: str) -> str:
    """Read the path of a folder that must exist; it becomes absolute at once, before any change of folder."""
    path = os.path.abspath(text)
    if not os.path.isdir(path):
        what = "is not a folder" if os.path.exists(path) else "does not exist"
        raise argparse.ArgumentTypeError(f"path {text!r} {what}; a Trac environment was expected")
    return path


def base_path(text: str) -> str:
    """Read a URL prefix; slashes at its ends do not matter, as with tracd."""
    stripped = text.strip("/")
    path = "/" + stripped if stripped else ""
    if _BASE_PATH.match(path) is None or any(part in (".", "..") for part in path.split("/")):
        raise argparse.ArgumentTypeError(f"{text!r} is not the path of a URL such as /some/path")
    return path


def application(text: str) -> str:
    """Read the name of a WSGI application."""
    if re.fullmatch(r"[\w.]+:\w+", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form module:callable")
    return text


def make_parser(prog: str) -> argparse.ArgumentParser:
    """Make the parser of the command line; options may stand before, between or after environments."""
    front, pool = FrontSettings(), PoolSettings()
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve Trac environments over HTTP with a pool of warm worker processes.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
    )
    parser.add_argument("envs", nargs="*", type=existing_path, metavar="ENV", help="path of a Trac environment")

    group = parser.add_argument_group("environments")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "-e", "--env-parent-dir", type=existing_path, metavar="PARENTDIR",
        help="serve every environment in this folder",
    )  # fmt: skip
    which.add_argument("-s", "--single-env", action="store_true", help="serve the one ENV at /, without an index")
    group.add_argument(
        "--base-path", type=base_path, default="", metavar="PATH", help="URL prefix of all pages (default: none)"
    )

    group = parser.add_argument_group("listening")
    group.add_argument("-p", "--port", type=port, default=80, help="port (default: 80)")
    group.add_argument(
        "-b", "--hostname", action="append", metavar="HOST",
        help="address to listen on: IPv4, IPv6, a name, or unix:/path; repeatable (default: all IPv4 addresses)",
    )  # fmt: skip
    group.add_argument(
        "--listen", action="append", metavar="ENDPOINT",
        help="Twisted endpoint to listen on, such as tcp:8080:interface=10.0.0.1; repeatable",
    )  # fmt: skip

    group = parser.add_argument_group("workers")
    group.add_argument(
        "--workers", type=workers, default="auto", metavar="N", help="worker processes (default: auto, one per CPU)"
    )
    group.add_argument(
        "--threads", type=threads, default=pool.threads, metavar="N",
        help="requests one worker handles at a time; Trac is safest with one (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--request-timeout", type=seconds, default=front.request_timeout, metavar="SECONDS",
        help="longest time for one request; then 504, and the worker is replaced (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--drain-timeout", type=seconds, default=pool.drain_timeout, metavar="SECONDS",
        help="longest time running requests get to end at a stop (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--no-preload", action="store_true", help="warm each worker by itself instead of before forking"
    )
    group.add_argument(
        "--no-freeze", action="store_true", help="leave Trac's warm objects to every garbage collection"
    )
    group.add_argument(
        "--no-locale-memory", action="store_true", help="let Trac list and read its translations for every request"
    )
    group.add_argument("--application", type=application, help=argparse.SUPPRESS)

    group = parser.add_argument_group("limits")
    group.add_argument(
        "--queue", type=places, default=front.queue, metavar="N",
        help="requests that may wait for a worker; more get 503 (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--queue-timeout", type=seconds, default=front.queue_timeout, metavar="SECONDS",
        help="longest wait for a worker; then 503 (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--max-body", type=size, default=front.max_body, metavar="SIZE", help="largest request body (default: 1G)"
    )
    group.add_argument(
        "--head-timeout", type=seconds, default=front.head_timeout, metavar="SECONDS",
        help="longest time for the head of a request to arrive (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--body-timeout", type=seconds, default=front.body_timeout, metavar="SECONDS",
        help="longest pause in a body, either way (default: %(default)g)",
    )  # fmt: skip
    group.add_argument(
        "--idle-timeout", type=seconds, default=front.idle_timeout, metavar="SECONDS",
        help="longest pause between two requests of a connection (default: %(default)g)",
    )  # fmt: skip
    return parser


def load(arguments: Sequence[str], prog: str = "tracd-cluster") -> Settings:
    """Make Settings of a command line.

    Raises ConfigError for options that do not go together; argparse itself ends the process with status 2 and a
    message for a single option that is wrong, and with status 0 after ``--help``.
    """
    options = make_parser(prog).parse_intermixed_args(arguments)
    return Settings(
        front=FrontSettings(
            endpoints=endpoints(options.hostname, options.port, options.listen),
            base_path=options.base_path,
            max_body=options.max_body,
            head_timeout=options.head_timeout,
            body_timeout=options.body_timeout,
            idle_timeout=options.idle_timeout,
            request_timeout=options.request_timeout,
            queue=options.queue,
            queue_timeout=options.queue_timeout,
        ),
        pool=PoolSettings(
            projects=projects(options),
            workers=options.workers,
            threads=options.threads,
            preload=not options.no_preload,
            freeze=not options.no_freeze,
            remember_locales=not options.no_locale_memory,
            drain_timeout=options.drain_timeout,
            application=options.application,
        ),
    )


def projects(options: argparse.Namespace) -> ProjectSettings:
    """Make the part that says which environments are served; raise ConfigError as tracd does."""
    if not options.env_parent_dir and not options.envs and not options.application:
        raise ConfigError("no environment: give the path of at least one, or -e PARENTDIR")
    if options.single_env and len(options.envs) > 1:
        raise ConfigError(f"-s serves one environment, but {len(options.envs)} are given: {', '.join(options.envs)}")
    return ProjectSettings(
        env_paths=tuple(options.envs),
        env_parent_dir=options.env_parent_dir,
        single_env=options.single_env,
        base_path=options.base_path,
    )


def endpoints(hostnames: list[str] | None, number: int, listen: list[str] | None) -> tuple[str, ...]:
    """Make Twisted endpoint descriptions of ``-b``, ``-p`` and ``--listen``."""
    if listen and not hostnames:
        return tuple(listen)
    return (*(_endpoint(name, number) for name in hostnames or [""]), *(listen or []))


def _endpoint(hostname: str, number: int) -> str:
    if hostname.startswith("unix:"):
        return f"unix:address={_escape(hostname[5:])}:mode=660:lockfile=1:backlog={BACKLOG}"
    bare = hostname.strip("[]")
    kind = "tcp6" if ":" in bare else "tcp"
    interface = f":interface={_escape(bare)}" if bare else ""
    return f"{kind}:port={number}{interface}:backlog={BACKLOG}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
