"""What is put right in Trac so that a worker can serve it for weeks.

*X-Sendfile.* With ``[trac] use_xsendfile`` Trac announces a file's length, sends nothing, and leaves the rest to a
web server that knows the header. An administrator who comes from such a server has it still switched on; the client
would wait for ever. Here it counts as switched off: the bytes of a file go out like any other answer.

*Environments that cannot be opened.* One that needs an upgrade is opened anew for every request to it, and each time
the log it had opened stays open: a descriptor and a line of the log more per request, until the worker has no
descriptors left. Here the log is closed when opening fails.

*Settings that cannot be parsed.* Trac reads trac.ini again when it has changed, at the next request; while that cannot
be parsed, each page of the environment would be an error. Here the environment goes on with the settings it has until
the file is mended. The front says so in its log, for it starts a new generation at the same time, which fails.

*HEAD of a file.* Trac does not open a file that it only has to tell of. Here it does, so that the front learns which
it is and can say of it what it says with GET.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any


def mend() -> None:
    """Apply all; Trac must have been imported."""
    from trac.config import Configuration
    from trac.web import api, main

    main.RequestDispatcher.use_xsendfile = False
    if not hasattr(main.open_environment, "__wrapped__"):
        main.open_environment = closing_log(main.open_environment)
    if not hasattr(Configuration.parse_if_needed, "__wrapped__"):
        Configuration.parse_if_needed = keeping_settings(Configuration.parse_if_needed)
    if not hasattr(api.Request.send_file, "__wrapped__"):
        api.Request.send_file = opening_for_head(api.Request.send_file, api.RequestDone)


def closing_log(open_environment: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap Trac's function so that no log stays open when it fails."""

    @wraps(open_environment)
    def opened(env_path: str, use_cache: bool = False) -> Any:
        try:
            return open_environment(env_path, use_cache=use_cache)
        except BaseException:
            _close_log(env_path)
            raise

    return opened


def keeping_settings(parse: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap ``Configuration.parse_if_needed`` so that a file which cannot be parsed changes nothing.

    The first reading, for which Trac uses ``force``, raises as before.
    """

    @wraps(parse)
    def parse_if_needed(self: Any, force: bool = False) -> bool:
        if force:
            return parse(self, force=True)
        before = {name: getattr(self, name) for name in ("parser", "_lastmtime", "_pristine_parser", "parents")}
        try:
            return parse(self)
        except Exception:
            # Of whatever kind: a file that is gone while it is looked at, bytes that are no text, a parent's syntax.
            for name, value in before.items():
                setattr(self, name, value)
            return False

    return parse_if_needed


def opening_for_head(send_file: Callable[..., None], done: type[Exception]) -> Callable[..., None]:
    """Wrap ``Request.send_file``, which ends with ``done``, so that a file is opened for HEAD as it is for GET."""

    @wraps(send_file)
    def opened(self: Any, path: str, mimetype: str | None = None) -> None:
        try:
            send_file(self, path, mimetype)
        except done:
            wrapper = self.environ.get("wsgi.file_wrapper")
            if self.method == "HEAD" and self._status.startswith("200") and wrapper is not None:
                with suppress(OSError):
                    self._response = wrapper(open(path, "rb"))  # noqa: SIM115 - the answer closes it
            raise

    return opened


def _close_log(path: str) -> None:
    from trac import log

    name = os.path.normpath(os.path.normcase(path)).encode()
    # The name that Environment.create_logger gives it.
    log.shutdown(logging.getLogger("Trac." + hashlib.sha1(name, usedforsecurity=False).hexdigest()))
