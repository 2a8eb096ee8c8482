"""Logging in to both servers by Basic, with real clients and real password files, and what Trac makes of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.dropin.accounts import (
    BASIC_CLIENTS,
    HASHES,
    ODD_PASSWORD,
    basic,
    htpasswd,
    session,
    set_option,
    stranger,
    who,
)
from tests.integration.dropin.conftest import MakeProject, StartServer
from tests.integration.dropin.server import OURS, TRACD, Server, ours_only
from tests.processes import wait_until

PASSWORD = "harbour"
REALM = "the harbour"
LOGOUT_TOKEN = re.compile(r'<form[^>]*id="logout".*?__FORM_TOKEN[^>]*value="(\w+)"', re.DOTALL)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the password files."""
    return tmp_path_factory.mktemp("passwords")


@pytest.fixture(scope="module")
def basic_server(program: str, module_project: MakeProject, start_module: StartServer, files: Path) -> Server:
    """Three projects with Basic authentication: two have files of their own, the third has what is for the rest."""
    mixed = files / "mixed"
    mixed.write_text("".join(htpasswd(files / kind, {kind: PASSWORD}, kind).read_text() for kind in HASHES))
    with mixed.open("a") as stream:
        stream.write(htpasswd(files / "odd", {"admin": PASSWORD, "sören": ODD_PASSWORD}).read_text())
    rest = htpasswd(files / "rest", {"Maren": PASSWORD, "target": PASSWORD})
    changing = htpasswd(files / "changing", {"old": PASSWORD})
    envs = [module_project(f"{program}/{name}") for name in ("alpha", "beta", "gamma")]
    for env in envs:
        set_option(env, "show_full_names", "false")
    for option in ("ignore_auth_case", "check_auth_ip"):
        set_option(envs[1], option, "true")
    options = []
    for entry in (f"alpha,{mixed},{REALM}", f"*,{rest},", f"alpha,{rest},not this", f"gamma,{changing},changes"):
        options += ["--basic-auth", entry]
    return start_module(program, *options, *map(str, envs), path="/alpha/about")


# -- right passwords


@pytest.mark.needs("curl", "wget")
@pytest.mark.parametrize("client", BASIC_CLIENTS)
def test_clients_log_in_by_basic(basic_server: Server, client: str, tmp_path: Path) -> None:
    """Each client gets in with its password, and its cookie alone is enough from then on."""
    assert "admin" == who(BASIC_CLIENTS[client](f"{basic_server.url}/alpha", "admin", PASSWORD, tmp_path))


@pytest.mark.needs("curl", "wget")
@pytest.mark.parametrize("client", ["curl --basic", "requests", "wget"])
def test_odd_characters_by_basic(basic_server: Server, client: str, tmp_path: Path) -> None:
    """A password may hold colons, and a name and a password letters of any language."""
    assert "sören" == who(BASIC_CLIENTS[client](f"{basic_server.url}/alpha", "sören", ODD_PASSWORD, tmp_path))


def test_the_way_back(basic_server: Server) -> None:
    """Whoever logs in comes back to the page they came from."""
    came_from = f"{basic_server.url}/alpha/wiki?version=1"
    reply = basic_server.get("/alpha/login", {**basic("admin", PASSWORD), "Referer": came_from})
    assert came_from == reply.headers["Location"]


@pytest.mark.parametrize("kind", HASHES)
def test_hashes(basic_server: Server, kind: str) -> None:
    """Every kind of hash that tracd knows counts: the answer is a redirect and a cookie for the project."""
    reply = basic_server.get("/alpha/login", basic(kind, PASSWORD))
    assert reply.status in (302, 303)
    assert f"{basic_server.url}/alpha" == reply.headers["Location"]
    cookie = reply.cookie("trac_auth")
    assert "HttpOnly" in cookie
    assert "Path=/alpha" in cookie
    assert kind == who(basic_server.get("/alpha/about", {"Cookie": cookie.partition(";")[0]}).text)
    assert "" == who(basic_server.get("/alpha/about").text)


@pytest.mark.needs("htpasswd")
@pytest.mark.parametrize("option", ["-m", "-B", "-s"])
def test_files_of_apache(basic_server: Server, option: str, files: Path) -> None:
    """What Apache's htpasswd adds to the file counts at once."""
    user = f"apache{option}"
    subprocess.run(
        ["htpasswd", "-b", option, str(files / "changing"), user, PASSWORD],
        check=True,
        timeout=30,
        capture_output=True,
    )

    def let_in() -> bool:
        return basic_server.get("/gamma/login", basic(user, PASSWORD), stranger()).status in (302, 303)

    wait_until(let_in, 15, user)


# -- challenges


def test_the_challenge_of_basic(basic_server: Server) -> None:
    """Whoever asks for /login without a password is asked for one; the realm is what the option says, even nothing."""
    for project, realm in (("alpha", REALM), ("beta", ""), ("gamma", "changes")):
        reply = basic_server.get(f"/{project}/login")
        assert 401 == reply.status
        assert reply.headers["WWW-Authenticate"].startswith(f'Basic realm="{realm}"')
        assert "" == reply.cookie("trac_auth")


@pytest.mark.parametrize(
    "path",
    [
        "/alpha/login/", "/alpha/login/rpc", "/alpha/login/xmlrpc", "/alpha/login?x=/", "//alpha//login",
        "/alpha/%6cogin", "/%61lpha/login", "/alpha%2Flogin", "/alpha/login%2Fx",
    ],
)  # fmt: skip
def test_what_counts_as_login(basic_server: Server, path: str) -> None:
    """Paths below /login are challenged too, however they are written; with a password they go to Trac."""
    assert 401 == basic_server.get(path).status
    assert basic_server.get(path, basic("admin", PASSWORD)).status in (200, 302, 303, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/alpha/about", "/alpha/logins", "/alpha/wiki/login", "/login", "/", "/alpha/LOGIN", "/alpha/login;x",
        "/alpha/login%20", "/alpha/login%FF", "/alpha/%FFlogin", "//login/alpha",
    ],
)  # fmt: skip
def test_what_does_not(basic_server: Server, path: str) -> None:
    """No other path is challenged, and a password there says nothing."""
    assert 401 != basic_server.get(path).status
    assert "" == who(basic_server.get(path, basic("admin", PASSWORD)).text)


def test_the_first_entry_of_a_project_wins(basic_server: Server) -> None:
    """A second file for the same project is not read, and the start says so; nor is the file of the rest."""
    assert "Ignoring duplicate authentication option for project: alpha" in basic_server.stderr
    address = stranger()
    assert 401 == basic_server.get("/alpha/login", basic("Maren", PASSWORD), address).status
    assert 401 == basic_server.get("/beta/login", basic("admin", PASSWORD), address).status
    assert basic_server.get("/beta/login", basic("Maren", PASSWORD)).status in (302, 303)


# -- wrong passwords


@pytest.mark.parametrize(
    "authorization",
    [
        basic("target", "wrong")["Authorization"],
        basic("nobody", PASSWORD)["Authorization"],
        basic("", "")["Authorization"],
        basic("target", "")["Authorization"],
        basic("TARGET", PASSWORD)["Authorization"],
        "Basic ",
        "Bearer dGFyZ2V0OmhhcmJvdXI=",
        "Basic dGFyZ2V0",
    ],
)
def test_wrong_basic_credentials(basic_server: Server, authorization: str) -> None:
    """Whatever is not the right password is challenged again."""
    reply = basic_server.get("/beta/login", {"Authorization": authorization}, stranger())
    assert (401, "") == (reply.status, reply.cookie("trac_auth"))
    assert reply.headers["WWW-Authenticate"].startswith("Basic")


@ours_only
@pytest.mark.parametrize(
    "authorization",
    [
        "Basic ***",
        "Basic YQ=",
        "Basic /w==",
        "Basic dGFyZ2V0OmhhcmJvdXL/",
        "Basic",
        "Basic dGFyZ2V0OgA=",
        "Digest foo",
        "",
    ],
)
def test_malformed_basic_credentials(basic_server: Server, authorization: str) -> None:
    """Credentials that cannot be read are wrong ones; tracd answers some of them with an exception or not at all."""
    reply = basic_server.get("/beta/login", {"Authorization": authorization}, stranger())
    assert (401, "") == (reply.status, reply.cookie("trac_auth"))
    assert reply.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("scheme", ["basic", "BASIC"])
def test_the_name_of_a_scheme_has_no_case(basic_server: Server, scheme: str) -> None:
    """Ours reads `basic` as the standard does; tracd asks again."""
    header = basic("Maren", PASSWORD)["Authorization"].replace("Basic", scheme)
    expected = {TRACD: (401,), OURS: (302, 303)}[basic_server.program]
    assert basic_server.get("/beta/login", {"Authorization": header}).status in expected


# -- files that change


def test_a_password_file_may_change(basic_server: Server, files: Path) -> None:
    """A user added to the file gets in without a restart, one taken out does not any more; a new file counts too."""
    changing = files / "changing"

    def let_in(user: str) -> bool:
        return basic_server.get("/gamma/login", basic(user, PASSWORD), stranger()).status in (302, 303)

    htpasswd(changing, {"old": PASSWORD, "new": PASSWORD})
    wait_until(lambda: let_in("new"), 15, "the user who was added")
    assert let_in("old")
    os.replace(htpasswd(files / "replacement", {"new": PASSWORD, "newest": PASSWORD}, "bcrypt"), changing)
    wait_until(lambda: let_in("newest"), 15, "the user of the new file")
    assert let_in("new")
    assert not let_in("old")


# -- what Trac makes of it


def test_logging_out(basic_server: Server) -> None:
    """The form of the page logs out: the cookie is worth nothing afterwards."""
    url = f"{basic_server.url}/alpha"
    with session() as visitor:
        visitor.get(f"{url}/login", auth=("admin", PASSWORD), timeout=30)
        page = visitor.get(f"{url}/about", timeout=30)
        assert "admin" == who(page.text)
        cookie = visitor.cookies["trac_auth"]
        token = LOGOUT_TOKEN.search(page.text)
        assert token is not None
        answer = visitor.post(f"{url}/logout", {"__FORM_TOKEN": token[1]}, timeout=30)
        assert 200 == answer.status_code
        assert "" == who(visitor.get(f"{url}/about", timeout=30).text)
    assert "" == who(basic_server.get("/alpha/about", {"Cookie": f"trac_auth={cookie}"}).text)


def test_ignore_auth_case(basic_server: Server) -> None:
    """With [trac] ignore_auth_case, Trac knows the user by lower-case letters."""
    cookie = basic_server.get("/beta/login", basic("Maren", PASSWORD)).cookie("trac_auth").partition(";")[0]
    assert "maren" == who(basic_server.get("/beta/about", {"Cookie": cookie}).text)


def test_check_auth_ip(basic_server: Server) -> None:
    """With [trac] check_auth_ip, a cookie counts only from the address that it was given to."""
    here, elsewhere = stranger(), stranger()
    cookie = basic_server.get("/beta/login", basic("Maren", PASSWORD), here).cookie("trac_auth").partition(";")[0]
    assert "maren" == who(basic_server.get("/beta/about", {"Cookie": cookie}, here).text)
    assert "" == who(basic_server.get("/beta/about", {"Cookie": cookie}, elsewhere).text)
