"""The house holds: who may import whom, how large a room may be, and that every room has its test."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import tracd_cluster

HOUSE = Path(tracd_cluster.__file__).parent
MODULES = sorted(HOUSE.rglob("*.py"))

MAY_IMPORT = {
    "errors": set(),
    "settings": set(),
    "traffic": {"errors", "settings"},
    "balancer": {"errors", "settings", "traffic"},
    "signals": set(),
    "codings": set(),
    "configuration": {"errors", "settings"},
    "rewrite": {"errors"},
    "upstream": {"errors", "settings", "rewrite"},
    "auth": {"errors", "settings", "signals"},
    "front": {"errors", "settings", "codings", "balancer", "traffic", "rewrite", "upstream", "auth"},
    "workers": {"errors", "settings", "balancer", "signals"},
    "servers": {"errors", "settings", "balancer", "rewrite", "upstream"},
    "tracd": {"settings", "codings"},
    "passwd": {"errors", "auth"},
    "operating": {"errors", "settings", "configuration", "balancer", "front", "workers"},
    "admin": {"errors", "settings", "balancer", "front", "operating", "traffic", "workers"},
    "check": {"errors", "settings", "admin", "auth", "balancer", "front", "privileges", "servers"},
    "privileges": {"errors"},
    "cluster": {
        "errors", "settings", "configuration", "balancer", "auth", "front", "upstream", "workers", "servers",
        "privileges", "signals", "operating", "reloading", "admin", "traffic",
    },
    "tap": {"errors", "settings", "configuration", "check", "cluster", "operating"},
    "changes": {"settings"},
    "reloading": {"errors", "settings", "changes"},
    "trac_remote_user": set(),
    "cli": {"errors", "settings", "configuration", "passwd", "operating"},
}
"""Room -> the rooms it may know. ``front`` and ``workers`` never meet but in ``balancer``."""

IO_MODULES = {
    "auth/verifier.py",
    "check.py",
    "cluster.py",
    "front/listener.py",
    "front/ports.py",
    "front/connection.py",
    "operating/activation.py",
    "operating/control_socket.py",
    "operating/ctl.py",
    "operating/predecessor.py",
    "operating/successor.py",
    "operating/systemd.py",
    "upstream/lane.py",
    "upstream/dialling.py",
    "workers/lanes.py",
    "workers/command.py",
    "workers/output.py",
    "workers/template_process.py",
    "workers/supervisor.py",
    "workers/worker_process.py",
    "tap.py",
}
"""The only modules outside ``tracd`` that may touch sockets, processes or timers."""

IO_LIBRARIES = {"asyncio", "multiprocessing", "select", "selectors", "socket", "subprocess", "threading"}
LONGEST = 350


def name_of(module: Path) -> str:
    """Name a module by its path in the package."""
    return str(module.relative_to(HOUSE))


def room_of(module: Path) -> str:
    """Name the room that a module stands in."""
    parts = module.relative_to(HOUSE).parts
    return parts[0] if len(parts) > 1 else module.stem


@cache
def imports_of(module: Path) -> set[str]:
    """Give what a module imports when it runs; what stands under TYPE_CHECKING is for the type checker."""
    tree = ast.parse(module.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def test_imports_point_one_way() -> None:
    """A change in one room can only be felt in the rooms that may know it."""
    wrong = {}
    for module in MODULES:
        room = room_of(module)
        used = {name.split(".")[1] for name in imports_of(module) if name.startswith("tracd_cluster.")}
        if room != "__init__" and (edges := used - MAY_IMPORT[room] - {room}):
            wrong[name_of(module)] = edges
    assert {} == wrong


def test_only_the_named_modules_do_io() -> None:
    """Sockets, processes and timers stay where they can be found."""
    wrong = {}
    for module in MODULES:
        name = name_of(module)
        forbidden = {"twisted"} if room_of(module) == "tracd" else IO_LIBRARIES if name not in IO_MODULES else set()
        if found := {used.split(".")[0] for used in imports_of(module)} & forbidden:
            wrong[name] = found
    assert {} == wrong


def test_one_module_imports_the_reactor() -> None:
    """Importing it installs it, which is for whoever wires everything."""
    assert ["tap.py"] == [name_of(each) for each in MODULES if "twisted.internet.reactor" in imports_of(each)]


def test_no_room_is_crowded() -> None:
    """A module fits a reader's head."""
    lengths = {name_of(module): len(module.read_text().splitlines()) for module in MODULES}
    assert {} == {name: length for name, length in lengths.items() if length > LONGEST}


def test_every_file_of_a_package_speaks_for_itself() -> None:
    """Packages hold a docstring and nothing else."""
    for module in MODULES:
        if module.name == "__init__.py":
            body = ast.parse(module.read_text()).body
            assert 1 == len(body), module
            assert isinstance(body[0], ast.Expr), module
