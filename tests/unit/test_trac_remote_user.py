"""The plugin that obeys Remote-User, in a real environment of Trac's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from trac.test import EnvironmentStub, MockRequest
from trac.web.auth import LoginModule
from trac.web.main import RequestDispatcher

from tests.processes import ROOT
from tracd_cluster.trac_remote_user import RemoteUser


@pytest.fixture
def env() -> Iterator[Any]:
    """An environment where the plugin is enabled and obeys."""
    env = EnvironmentStub(default_data=True, enable=["trac.*", RemoteUser])
    env.config.set("trac", "obey_remote_user_header", "true")
    yield env
    env.reset_db()


def request(env: Any, name: str | None = "ines", address: str = "127.0.0.1", **others: Any) -> Any:
    """Make a request as a proxy at this address sends it."""
    req = MockRequest(env, remote_user=None, authname=None, **others)
    req.environ["REMOTE_ADDR"] = address
    if name is not None:
        req.environ["HTTP_REMOTE_USER"] = name
    return req


def who(env: Any, **what: Any) -> str:
    """Give who Trac takes a request to be from."""
    return str(RequestDispatcher(env).authenticate(request(env, **what)))


def test_the_field_says_who_it_is(env: Any) -> None:
    """From this host it is obeyed, in UTF-8."""
    assert "ines" == who(env)
    assert "inés" == who(env, name="inés".encode().decode("latin-1"))
    assert "ines" == who(env, address="::1")
    assert "ines" == who(env, address="::ffff:127.0.0.1")


@pytest.mark.parametrize("name", [None, "", "  ", "anonymous", "a\x00b", "\xe9"])
def test_what_names_nobody(env: Any, name: str | None) -> None:
    """No field, an empty one, or one that cannot be a name leaves the visitor nobody."""
    assert "anonymous" == who(env, name=name)


def test_it_is_off_by_default(env: Any) -> None:
    """Enabling the component alone lets nobody in."""
    env.config.remove("trac", "obey_remote_user_header")
    assert "anonymous" == who(env)


def test_only_named_proxies_are_obeyed_besides_this_host(env: Any) -> None:
    """Anybody else who sends the field is nobody."""
    assert "anonymous" == who(env, address="10.0.0.5")
    assert "anonymous" == who(env, address="")
    env.config.set("trac", "remote_user_proxies", "10.0.0.5, nonsense, 10.1.0.0/16")
    assert "ines" == who(env, address="10.0.0.5")
    assert "ines" == who(env, address="10.1.2.3")
    assert "anonymous" == who(env, address="10.0.0.6")


def test_it_comes_before_the_cookie(env: Any) -> None:
    """Who signs in anew is not taken for who signed in before, in whichever order Trac asks."""
    env.db_transaction("INSERT INTO auth_cookie (cookie, name, ipnr, time) VALUES ('abc', 'bela', '', 9999999999)")
    req = request(env)
    req.incookie["trac_auth"] = "abc"
    req.authname = LoginModule(env).authenticate(req)
    assert "bela" == req.authname
    RemoteUser(env).pre_process_request(req, None)
    assert "ines" == req.authname
    req = request(env, name=None)
    req.incookie["trac_auth"] = "abc"
    assert "bela" == RequestDispatcher(env).authenticate(req)


def test_tracs_login_makes_its_cookie(env: Any) -> None:
    """After /login the cookie is enough, as with stock tracd."""
    req = request(env, path_info="/login")
    req.authname = RequestDispatcher(env).authenticate(req)
    LoginModule(env)._do_login(req)
    cookie = req.outcookie["trac_auth"].value
    assert [("ines",)] == list(env.db_query("SELECT name FROM auth_cookie WHERE cookie=%s", (cookie,)))


def test_case_may_be_ignored(env: Any) -> None:
    """As Trac's own option says."""
    env.config.set("trac", "ignore_auth_case", "true")
    assert "ines" == who(env, name="Ines")


def test_nothing_of_the_front_comes_with_it() -> None:
    """Stock tracd stays as it is: neither Twisted nor another module of ours is loaded."""
    program = (
        "import sys, tracd_cluster.trac_remote_user\n"
        "print(sorted(n for n in sys.modules if n.partition('.')[0] in ('twisted', 'tracd_cluster')))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert b"['tracd_cluster', 'tracd_cluster.trac_remote_user']" == done.stdout.strip()
