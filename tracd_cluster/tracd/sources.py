"""What the running code and settings consist of, for whoever watches them: files, and folders where files may come.

Of a plugin that cannot be loaded nothing is in memory, and yet its file is to be watched: so folders of plugins and
templates are named as such, and what is in them is looked up by the front, each time anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tracd_cluster.tracd.environments import Project, opened


def modules() -> list[str]:
    """Give the files of all modules that are loaded."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted({os.path.abspath(file) for file in files if file and os.path.exists(file)})


def settings_of(projects: list[Project]) -> list[str]:
    """Give every trac.ini, with what it inherits, whether it is there or not."""
    found: dict[str, None] = {}
    for path, config in _configurations(projects):
        found[os.path.join(path, "conf", "trac.ini")] = None
        configs = [config] if config is not None else []
        for one in configs:
            found[os.path.abspath(one.filename)] = None
            configs.extend(one.parents)
    return list(found)


def folders_of(projects: list[Project]) -> list[str]:
    """Give the folders of plugins and templates."""
    found: dict[str, None] = {}
    for path, config in _configurations(projects):
        found[os.path.join(path, "plugins")] = None
        found[os.path.join(path, "templates")] = None
        shared = config.get("inherit", "plugins_dir") if config is not None else ""
        if shared:
            found[os.path.normpath(os.path.join(path, shared))] = None
    for env in opened():
        found.update(dict.fromkeys(_templates_of(env)))
    return list(found)


def _configurations(projects: list[Project]) -> Iterator[tuple[str, Any]]:
    """Give each environment with its configuration; None where that cannot be read."""
    from trac.config import Configuration

    known = {env.path: env.config for env in opened()}
    for project in projects:
        config = known.get(project.path)
        if config is None:
            with suppress(Exception):
                config = Configuration(os.path.join(project.path, "conf", "trac.ini"))
        yield project.path, config


def _templates_of(env: Any) -> Iterator[str]:
    from trac.web.chrome import Chrome

    folders: list[str] = []
    with suppress(Exception):  # a plugin may not know where its templates are
        folders = Chrome(env).get_all_templates_dirs()
    for folder in folders:
        for inside, _, _ in os.walk(os.path.abspath(folder)):
            yield inside
