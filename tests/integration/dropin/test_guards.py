"""What guards the login of ours beyond what tracd does: both methods at once, whole projects, proxies, guessing."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from tests.integration.dropin.accounts import basic, digest, htdigest, htpasswd, set_option, stranger, who
from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import OURS, TRACD, Server, run
from tests.processes import wait_until

PASSWORD = "lighthouse"
CSS = "chrome/common/css/trac.css"
PROXY = "127.0.0.9"
PASSED_ON = ("Remote-User", "Remote_User", "REMOTE_USER", "remote-user", "X-Remote-User", "Http-Remote-User")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A project with Basic, the rest with Digest."""
    folder = tmp_path_factory.mktemp("passwords")
    users = htpasswd(folder / "users.htpasswd", {"admin": PASSWORD}, "bcrypt")
    others = htdigest(folder / "users.htdigest", "the rest", {"maren": PASSWORD})
    return ["--basic-auth", f"alpha,{users},alpha", "-a", f"*,{others},the rest"]


@pytest.fixture(scope="module")
def envs(module_project: MakeProject) -> list[str]:
    """The two projects."""
    paths = [module_project(name) for name in ("alpha", "beta")]
    for path in paths:
        set_option(path, "show_full_names", "false")
    return list(map(str, paths))


@pytest.fixture(scope="module")
def mixed(options: list[str], envs: list[str], start_module: StartServer) -> Server:
    """One server of both, which shows the second project to nobody who has not logged in."""
    return start_module(OURS, *options, "--require-login=beta", *envs, path="/alpha/about")


@pytest.fixture(scope="module")
def proxied(options: list[str], envs: list[str], start_module: StartServer) -> Server:
    """A server that shows nothing to strangers, and believes one proxy whom it speaks for."""
    trust = ["--trusted-proxy", f"{PROXY}/32", "--remote-user-header", "Remote-User"]
    return start_module(OURS, *options, *trust, *envs, "--require-login", path="/")


def test_basic_and_digest_in_one_server(mixed: Server) -> None:
    """Each project asks by its own method; tracd has one method for all."""
    assert mixed.get("/alpha/login").headers["WWW-Authenticate"].startswith("Basic")
    assert mixed.get("/alpha/login", basic("admin", PASSWORD)).status in (302, 303)
    challenge = mixed.get("/beta/login").headers["WWW-Authenticate"]
    assert challenge.startswith("Digest")
    assert mixed.get("/beta/login", digest(challenge, "maren", PASSWORD, "/beta/login")).status in (302, 303)


def test_tracd_does_not_mix_them(options: list[str], envs: list[str]) -> None:
    """The one option excludes the other for tracd."""
    ended = run(TRACD, *options, *envs)
    assert 2 == ended.returncode
    assert "not allowed with argument" in ended.stderr


def test_a_whole_project_asks_for_a_password(mixed: Server) -> None:
    """With --require-login=NAME, not even the project's style sheets are shown before, though the front has them.

    The other project is as open as before. Of tracd, every page but /login is open to everybody.
    """
    assert 200 == mixed.get("/alpha/about").status
    assert 200 == mixed.get(f"/alpha/{CSS}").status
    for _ in range(2):
        for path in (
            "/beta",
            "/beta/",
            "/beta/about",
            f"/beta/{CSS}",
            "/beta/nothing",
            "//beta//about",
            "/%62eta/wiki",
        ):
            reply = mixed.get(path)
            assert 401 == reply.status, path
            assert reply.headers["WWW-Authenticate"].startswith("Digest")
            assert b"trac" not in reply.body.lower()
        challenge = mixed.get(f"/beta/{CSS}").headers["WWW-Authenticate"]
        assert 200 == mixed.get(f"/beta/{CSS}", digest(challenge, "maren", PASSWORD, f"/beta/{CSS}")).status
        challenge = mixed.get("/beta/about").headers["WWW-Authenticate"]
        page = mixed.get("/beta/about", digest(challenge, "maren", PASSWORD, "/beta/about"))
        assert (200, "maren") == (page.status, who(page.text))


def test_all_projects_ask_for_a_password(proxied: Server) -> None:
    """With a bare --require-login, every page of every project does."""
    for path in ("/alpha/about", f"/alpha/{CSS}", "/beta/wiki"):
        assert 401 == proxied.get(path).status
    page = proxied.get("/alpha/about", basic("admin", PASSWORD))
    assert (200, "admin") == (page.status, who(page.text))


def test_a_trusted_proxy_names_the_user(proxied: Server) -> None:
    """Whom the proxy names by the field that was agreed on is logged in; no other spelling of it says anything."""
    page = proxied.get("/alpha/about", {"Remote-User": "maren"}, PROXY)
    assert (200, "maren") == (page.status, who(page.text))
    for name in PASSED_ON:
        if name.lower() != "remote-user":
            assert 401 == proxied.get("/alpha/about", {name: "maren"}, PROXY).status, name


@pytest.mark.parametrize("name", PASSED_ON)
def test_nobody_else_names_the_user(proxied: Server, mixed: Server, name: str) -> None:
    """What others say by that field, or anybody without the option, is dropped."""
    assert 401 == proxied.get("/alpha/about", {name: "maren"}).status
    page = mixed.get("/alpha/about", {name: "admin"})
    assert (200, "") == (page.status, who(page.text))
    assert 401 == mixed.get("/alpha/login", {name: "admin"}).status


def test_guessing_gets_slow_and_is_told(mixed: Server) -> None:
    """After five wrong passwords from an address the next answer takes its time, and the log says who it was.

    Others are not slowed down. tracd answers as fast as it can, and says nothing.
    """
    address = stranger()

    def guess() -> float:
        begun = monotonic()
        assert 401 == mixed.get("/alpha/login", basic("admin", "a guess"), address).status
        return monotonic() - begun

    times = [guess() for _ in range(6)]
    assert times[-1] > 0.7
    begun = monotonic()
    assert mixed.get("/alpha/login", basic("admin", PASSWORD), stranger()).status in (302, 303)
    assert monotonic() - begun < times[-1]
    wait_until(lambda: f"Login failed from {address}" in mixed.stderr, 10, "the line in the log")
    assert "a guess" not in mixed.stderr


def test_passwords_are_told_to_nobody(mixed: Server, options: list[str]) -> None:
    """Neither the password nor its hash stands in what the server says."""
    mixed.get("/alpha/login", basic("admin", PASSWORD))
    secret = Path(options[1].split(",")[1]).read_text().splitlines()[1].partition(":")[2]
    said = mixed.stdout + mixed.stderr
    assert PASSWORD not in said
    assert secret not in said
