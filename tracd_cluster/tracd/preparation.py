"""What must have happened before a worker can serve, and in which process it happens: the template or the worker."""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from dataclasses import asdict
from typing import Any

from tracd_cluster.tracd import sources, tuning
from tracd_cluster.tracd.answer import Application
from tracd_cluster.tracd.environments import (
    CannotServe,
    Project,
    close_connections,
    find_projects,
    import_trac,
    insecure_cookies,
    opened,
    trac_paths,
)
from tracd_cluster.tracd.link import Configuration
from tracd_cluster.tracd.mending import mend
from tracd_cluster.tracd.signing_in import refuse_who_has_not_signed_in
from tracd_cluster.tracd.strangers import tell_of_strangers
from tracd_cluster.tracd.visitors import hold_back
from tracd_cluster.tracd.warming import Warming
from tracd_cluster.tracd.worker import Service
from tracd_cluster.tracd.wsgi import constant_environ


class Preparation:
    """Makes the application ready; what the template has done is not done again in a worker."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.warnings: list[str] = []
        self._paths = trac_paths(configuration.projects)
        self._projects: list[Project] = []
        self._found: dict[str, Any] = {}

    def in_template(self) -> None:
        """Do what the template does. Raises CannotServe."""
        if self.configuration.application is None:
            self._import_and_find()
            if self.configuration.preload:
                self._open_and_warm()
        elif self.configuration.preload:
            load(self.configuration.application)
        if self.configuration.freeze:
            tuning.freeze_new()

    def _import_and_find(self) -> None:
        import_trac()
        mend()
        if self.configuration.remember_locales:
            tuning.remember_locales()
        if self.configuration.visitor_secret:
            hold_back(bytes.fromhex(self.configuration.visitor_secret))
        tell_of_strangers()
        refuse_who_has_not_signed_in()
        self._projects, faults = find_projects(self._paths)
        if faults and not self._projects:
            raise CannotServe("find the environments", "; ".join(faults))
        self.warnings += faults
        if not self._projects:
            self.warnings.append(f"there is no environment in {self._paths.env_parent_dir} yet")

    def _open_and_warm(self) -> None:
        environ = constant_environ(self._paths, self.configuration.threads, self._paths.base_path)
        warming = Warming(_dispatcher(), environ, time.monotonic)
        try:
            warming.open_and_warm(self._projects)
        finally:
            self.warnings += warming.warnings
            self._found = {
                "faults": [asdict(fault) for fault in warming.faults],
                "opened": warming.opened,
                "warmed": warming.warmed,
            }
            if self.configuration.https:
                self.warnings += insecure_cookies()
            close_connections()
        if not self.configuration.freeze:
            tuning.thaw()

    def service(self) -> Service:
        """Do what is left for a worker, and give what it serves. Raises CannotServe."""
        configuration = self.configuration
        if configuration.application is not None:
            application = load(configuration.application)
            environ = constant_environ(None, configuration.threads, configuration.projects.base_path)
            freezer = tuning.Freezer() if configuration.freeze else None
            return Service(application, environ, freezer, configuration.compress_pages)
        if not configuration.preload:
            self._start_late()
        environ = constant_environ(self._paths, configuration.threads, self._paths.base_path)
        freezer = tuning.Freezer(lambda: [id(env) for env in opened()]) if configuration.freeze else None
        return Service(_dispatcher(), environ, freezer, configuration.compress_pages, close=close_connections)

    def _start_late(self) -> None:
        """Open and warm in the worker, which has its own standard error to complain on."""
        known = len(self.warnings)
        self._open_and_warm()
        for warning in self.warnings[known:]:
            sys.stderr.write(f"{warning}\n")
        if self.configuration.freeze:
            tuning.freeze_new()

    def report(self) -> dict[str, Any]:
        """Give what the front should know of the code, the settings and the environments: most of ``ready``."""
        report: dict[str, Any] = {"base_urls": self._base_urls(), "files": sources.modules(), **self._found}
        if self.configuration.application is None:
            report["settings"] = sources.settings_of(self._projects)
            report["folders"] = sources.folders_of(self._projects)
        return report

    def _base_urls(self) -> list[str]:
        """Give where each environment says that it is, and an empty text for one that does not, or is not open yet."""
        found = {env.path: env.base_url for env in opened()}
        return [found.get(project.path, "") for project in self._projects]


def _dispatcher() -> Application:
    from trac.web.main import dispatch_request

    application: Application = dispatch_request
    return application


def load(name: str) -> Application:
    """Import ``module:callable``. Raises CannotServe."""
    module, _, attribute = name.partition(":")
    try:
        application: Application = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise CannotServe(f"import {name}", f"{type(error).__name__}: {error}", traceback.format_exc()) from error
    return application
