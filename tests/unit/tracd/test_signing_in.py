"""Trac is asked who somebody is before anything is done for him."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from trac.test import EnvironmentStub
from trac.web import main

from tracd_cluster.tracd.signing_in import refuse_who_has_not_signed_in
from tracd_cluster.tracd.wsgi import NOT_SIGNED_IN, SIGN_IN

REQUEST = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/changeset/1",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "trac.example",
    "SERVER_PORT": "80",
    "REMOTE_ADDR": "192.0.2.1",
    "wsgi.url_scheme": "http",
}


@pytest.fixture
def dispatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[dict[str, Any], list[str]]]]:
    """Give what lets Trac dispatch a request of a user, and tells the environment and what came of it."""
    came: list[str] = []
    monkeypatch.setattr(main.RequestDispatcher, "dispatch", lambda dispatcher, req: came.append("dispatched"))
    refuse_who_has_not_signed_in()
    refuse_who_has_not_signed_in()  # which changes nothing
    env = EnvironmentStub(default_data=True)

    def dispatched(user: str, marked: bool) -> tuple[dict[str, Any], list[str]]:
        came.clear()
        environ = {**REQUEST, **({SIGN_IN: "1"} if marked else {})}

        def start_response(status: str, fields: Any, exc_info: Any = None) -> Any:
            came.extend((status, str(dict(fields)["Content-Length"])))
            return came.append

        req = main.RequestWithSession(environ, start_response)
        req.callbacks |= {"authname": lambda req: user, "configurable_headers": lambda req: ()}
        try:
            main.RequestDispatcher(env).dispatch(req)
        except main.RequestDone:
            came.append("done")
        return environ, list(came)

    yield dispatched
    env.shutdown()


@pytest.mark.parametrize(("user", "marked"), [("ines", True), ("ines", False), ("anonymous", False)])
def test_who_has_signed_in_gets_the_page(dispatch: Callable[..., Any], user: str, marked: bool) -> None:
    """And so does everybody, where the front has not asked."""
    environ, came = dispatch(user, marked)
    assert ["dispatched"] == came
    assert NOT_SIGNED_IN not in environ


def test_who_has_not_gets_none(dispatch: Callable[..., Any]) -> None:
    """Nothing has been done for him, and the front is told."""
    environ, came = dispatch("anonymous", True)
    assert ["403 Forbidden", "0", "done"] == came
    assert NOT_SIGNED_IN in environ
