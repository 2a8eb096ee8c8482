"""What is put right in Trac so that a worker can serve it for weeks.

*X-Sendfile.* With ``[trac] use_xsendfile`` Trac announces a file's length, sends nothing, and leaves the rest to a
web server that knows the header. An administrator who comes from such a server has it still switched on; the client
would wait for ever. Here it counts as switched off: the bytes of a file go out like any other answer.

*Environments that cannot be opened.* One that needs an upgrade is opened anew for every request to it, and each time
the log it had opened stays open: a descriptor and a line of the log more per request, until the worker has no
descriptors left. Here the log is closed when opening fails.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import Any


def mend() -> None:
    """Apply both; Trac must have been imported."""
    from trac.web import main

    main.RequestDispatcher.use_xsendfile = False
    if not hasattr(main.open_environment, "__wrapped__"):
        main.open_environment = closing_log(main.open_environment)


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


def _close_log(path: str) -> None:
    from trac import log

    name = os.path.normpath(os.path.normcase(path)).encode()
    # The name that Environment.create_logger gives it.
    log.shutdown(logging.getLogger("Trac." + hashlib.sha1(name, usedforsecurity=False).hexdigest()))
