"""Pages that are only for those who have signed in, where the front cannot tell whether somebody has.

The front marks such a request. Here Trac says who it is, by whatever plugin people sign in with, before anything else
is done for it; if it is nobody, the answer is empty but for a mark for the front, which has the page that says so.
"""

from __future__ import annotations

from typing import Any

from tracd_cluster.tracd.wsgi import NOT_SIGNED_IN, SIGN_IN


def refuse_who_has_not_signed_in() -> None:
    """Have Trac do so, from now on; Trac must have been imported."""
    from trac.web.api import RequestDone
    from trac.web.main import RequestDispatcher

    go_on = RequestDispatcher.dispatch
    if hasattr(go_on, "__wrapped__"):
        return

    def dispatch(dispatcher: Any, req: Any) -> None:
        if SIGN_IN in req.environ and not req.is_authenticated:
            getattr(req.environ, "given", req.environ)[NOT_SIGNED_IN] = True
            req.send_response(403)
            req.send_header("Content-Length", 0)
            req.end_headers()
            raise RequestDone
        go_on(dispatcher, req)

    dispatch.__wrapped__ = go_on  # type: ignore[attr-defined]
    RequestDispatcher.dispatch = dispatch
